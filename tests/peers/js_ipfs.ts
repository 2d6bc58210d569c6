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
  const env = { IPFS_PATH: join(dir, "repo") };
  // Ports that the system chooses, and no nodes to begin with.
  const init = ["init", "--profile=test"];
  const made = await new Deno.Command(Deno.execPath(), { args: [...cli, ...init], env }).output();
  if (!made.success) assert.fail(new TextDecoder().decode(made.stderr));
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
      if (!(await isHere(peer, cid))) return new Response("not here\n", { status: 404 });
      const bytes = await peer.call(`${isCar ? "dag/export" : "block/get"}?arg=${cid}`);
      const type = `application/vnd.ipld.${isCar ? "car" : "raw"}`;
      return new Response(bytes, { headers: { "content-type": type } });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function isHere(peer: JsIpfs, cid: string): Promise<boolean> {
  const lines = new TextDecoder().decode(await peer.call("refs/local"));
  return lines.includes(cid);
}
