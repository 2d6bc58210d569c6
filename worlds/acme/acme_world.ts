/** A CA, the name server that it asks, and a home of a provider: pebble, knot and a folder. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { makeFolder } from "../home.ts";
import { type KeptCertificate, type KeptOptions, openKept } from "./kept_certificate.ts";
import { type Knot, startKnot } from "./knot.ts";
import { type Pebble, type PebbleOptions, startPebble } from "./pebble.ts";

export const DOMAIN = "provider.test";

export interface World extends AsyncDisposable {
  readonly knot: Knot;
  readonly pebble: Pebble;
  readonly home: string;
  acme(more?: Record<string, unknown>): Record<string, unknown>;
  /** Settings of dns-01 by changes of the zone. */
  rfc2136(): Promise<Record<string, unknown>>;
}

export async function openWorld(more: Omit<PebbleOptions, "dns"> = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const knot = stack.use(await startKnot(DOMAIN, ["@ A 127.0.0.1"]));
  const pebble = stack.use(await startPebble({ dns: knot.server, ...more }));
  const { dir: home } = stack.use(await makeFolder());
  const owned = stack.move();
  return {
    knot,
    pebble,
    home,
    acme: (more = {}) => ({
      directory: pebble.directory,
      caFile: pebble.caFile,
      httpListen: `127.0.0.1:${pebble.httpPort}`,
      ...more,
    }),
    async rfc2136() {
      const secretFile = join(home, "tsig.secret");
      await Deno.writeTextFile(secretFile, `${knot.key.secret}\n`, { mode: 0o600 });
      const { name, algorithm } = knot.key;
      const key = { name, algorithm, secretFile };
      return { kind: "rfc2136", server: knot.place, key, nameServers: [knot.place] };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Opens it, and waits until it has its certificate. */
export async function had(options: KeptOptions): Promise<KeptCertificate> {
  const kept = await openKept(options);
  const done = kept.logged("a certificate was had");
  const failed = kept.logged("no certificate could be had");
  await kept.room.start();
  const line = await Promise.race([done, failed]);
  assert.equal(line.message, "a certificate was had", JSON.stringify(line));
  return kept;
}

/** What curl sees that trusts pebble's root alone. */
export async function curl(
  { pebble, home }: World,
  port: number,
  host: string,
  ...flags: string[]
): Promise<string> {
  const root = join(home, "root.pem");
  await Deno.writeTextFile(root, await pebble.root());
  const { stdout, stderr } = await new Deno.Command("curl", {
    args: [
      ...["-sS", "--cacert", root, "--resolve", `${host}:${port}:127.0.0.1`],
      ...["-o", "/dev/null", "-w", "%{http_code} %{http_version} %{redirect_url}", ...flags],
      `https://${host}:${port}/`,
    ],
    stdout: "piped",
    stderr: "piped",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}
