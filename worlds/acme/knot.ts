/** A real name server of tests that takes changes: Debian's knot. */
import { join } from "node:path";
import type { NameServer } from "../../lib/name_server.ts";
import { freePort } from "../free_port.ts";
import { makeFolder } from "../home.ts";

export interface Knot extends AsyncDisposable {
  readonly server: NameServer;
  /** "address:port". */
  readonly place: string;
  readonly key: { readonly name: string; readonly algorithm: string; readonly secret: string };
}

const KNOTD = "/usr/sbin/knotd";
const ALGORITHM = "hmac-sha256";
const SECRET = "c2VjcmV0IG9mIGtoYWNoYXB1cmkncyB0ZXN0cywgMzI=";

/** Whether it is there; else tests with it are not run, and it says so. */
export async function hasKnot(): Promise<boolean> {
  if (await Deno.stat(KNOTD).then(() => true, () => false)) return true;
  // deno-lint-ignore no-console -- what is not tested has to be seen
  console.log("    knot is not on this machine: tests with a real name server are NOT RUN");
  return false;
}

/**
 * @param records of the zone, as its file has them, beside its SOA and NS
 * @param port where whoever asks cannot be told one
 */
export async function startKnot(
  zone: string,
  records: readonly string[] = [],
  port = freePort(),
): Promise<Knot> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  await Deno.writeTextFile(
    join(dir, "zone"),
    [
      `$ORIGIN ${zone}.`,
      "$TTL 1",
      "@ SOA ns admin 1 3600 600 86400 1",
      "@ NS ns",
      "ns A 127.0.0.1",
      ...records,
      "",
    ].join("\n"),
  );
  await Deno.mkdir(join(dir, "db"));
  await Deno.writeTextFile(join(dir, "knot.conf"), configuration(dir, port, zone));
  const child = new Deno.Command(KNOTD, {
    args: ["-c", join(dir, "knot.conf")],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await hear(child.stderr, `[${zone}.] loaded`);
  const owned = stack.move();
  owned.defer(async () => {
    child.kill("SIGTERM");
    await child.status;
  });
  return {
    server: { address: "127.0.0.1", port },
    place: `127.0.0.1:${port}`,
    key: { name: "khachapuri", algorithm: ALGORITHM, secret: SECRET },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const configuration = (dir: string, port: number, zone: string) =>
  `server:
  listen: 127.0.0.1@${port}
  rundir: ${dir}
  pidfile: ${dir}/knot.pid
database:
  storage: ${dir}/db
log:
  - target: stderr
    any: info
key:
  - id: khachapuri
    algorithm: ${ALGORITHM}
    secret: ${SECRET}
acl:
  - id: ours
    key: khachapuri
    action: update
    update-type: TXT
zone:
  - domain: ${zone}
    file: ${dir}/zone
    storage: ${dir}
    acl: ours
    zonefile-sync: -1
    journal-content: changes
`;

async function hear(stream: ReadableStream<Uint8Array>, awaited: string): Promise<void> {
  const come = Promise.withResolvers<void>();
  let text = "";
  void (async () => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      text = (text + part).slice(-10_000);
      if (text.includes(awaited)) come.resolve();
    }
    come.reject(new Error(`knotd ends: ${text}`));
  })();
  await come.promise;
}
