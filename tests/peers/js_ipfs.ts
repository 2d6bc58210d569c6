/** A js-ipfs daemon: the RPC of Kubo by another hand, on loopback and without other nodes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { makeFolder } from "../../worlds/home.ts";
import { folderOf, JS_IPFS } from "./packages.ts";
import { startPeer } from "./peer_process.ts";

export interface JsIpfs extends AsyncDisposable {
  /** Base URL of its RPC. */
  readonly url: string;
  /** What a call answers, parameters behind its name: "block/get?arg=…". */
  call(method: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** Deno runs it, as it wants a newer Node.js than Debian has. */
export async function startJsIpfs(): Promise<JsIpfs> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const packages = folderOf(JS_IPFS);
  const program = join(packages, "node_modules/ipfs/src/cli.js");
  const granted = ["read", "env", "sys"].map((what) => `--allow-${what}`);
  granted.push("--allow-net=127.0.0.1", `--allow-write=${dir}`, `--allow-ffi=${packages}`);
  const run = ["run", "--quiet", "--no-config", "--no-lock", "--no-prompt"];
  const cli = [...run, "--node-modules-dir=manual", ...granted, program];
  const env = { IPFS_PATH: join(dir, "repo"), NO_UPDATE_NOTIFIER: "1" };
  const init = ["init", "--profile=test"];
  const made = await new Deno.Command(Deno.execPath(), { args: [...cli, ...init], env }).output();
  if (!made.success) assert.fail(new TextDecoder().decode(made.stderr));
  await keepAlone(join(dir, "repo/config"));
  const daemon = stack.use(
    await startPeer({
      args: [...cli, "daemon", "--offline"],
      env,
      ready: [/HTTP API listening on \/ip4\/127\.0\.0\.1\/tcp\/(\d+)/, /(Daemon is ready)/],
    }),
  );
  const url = `http://127.0.0.1:${daemon.said[0]}`;
  const owned = stack.move();
  return {
    url,
    async call(method) {
      const response = await fetch(`${url}/api/v0/${method}`, { method: "POST" });
      if (!response.ok) assert.fail(`js-ipfs: ${await response.text()}`);
      return await response.bytes();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** It meets no other nodes (its TCP can't listen under Deno), and the system chooses all ports. */
async function keepAlone(path: string): Promise<void> {
  const config = JSON.parse(await Deno.readTextFile(path));
  Object.assign(config.Addresses, { Swarm: [], RPC: "/ip4/127.0.0.1/tcp/0" });
  await Deno.writeTextFile(path, JSON.stringify(config));
}

export interface TrustlessGateway extends AsyncDisposable {
  readonly url: string;
}

/**
 * A trustless gateway over the node's RPC: its own gateway gives out files alone. It asks the RPC
 * for each block or CAR, so what it serves is what the node has.
 */
export function serveTrustless(peer: JsIpfs): TrustlessGateway {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname, searchParams } = new URL(request.url);
      const [, , cid = ""] = pathname.split("/");
      const isCar = searchParams.get("format") === "car";
      const answer = await fetch(
        `${peer.url}/api/v0/${isCar ? "dag/export" : "block/get"}?arg=${cid}`,
        { method: "POST" },
      );
      const bytes = await answer.bytes();
      if (!answer.ok || bytes.length === 0) return new Response("not here\n", { status: 404 });
      const type = `application/vnd.ipld.${isCar ? "car" : "raw"}`;
      return new Response(bytes, { headers: { "content-type": type } });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
