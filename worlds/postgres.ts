/** A PostgreSQL server of Debian's, on loopback, that trusts everybody. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { CertificateFiles } from "../lib/provider/wire/certificate.ts";
import { freePort } from "./free_port.ts";
import { makeFolder } from "./home.ts";

const VERSIONS = "/usr/lib/postgresql";
/** It refuses to run as root. */
const NOBODY = Deno.uid() === 0 ? { uid: 65_534, gid: 65_534 } : {};

export interface Postgres extends AsyncDisposable {
  readonly port: number;
}

/** Where its programs are; null: this machine has none. */
export async function findPostgres(): Promise<string | null> {
  const versions = await Array.fromAsync(Deno.readDir(VERSIONS)).catch(() => []);
  const newest = versions.map(({ name }) => name).sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? null : join(VERSIONS, newest, "bin");
}

/** Starts one, with an empty database "postgres" of a user "nino", and with TLS for who asks. */
export async function startPostgres(bin: string, tls: CertificateFiles): Promise<Postgres> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const [data, cert, key] = [join(dir, "data"), join(dir, "cert.pem"), join(dir, "key.pem")];
  await Deno.mkdir(data);
  await Deno.copyFile(tls.cert, cert);
  await Deno.copyFile(tls.key, key);
  await Deno.chmod(key, 0o600);
  if (NOBODY.uid) {
    for (const path of [dir, data, cert, key]) await Deno.chown(path, 65_534, 65_534);
  }
  const made = await new Deno.Command(join(bin, "initdb"), {
    args: ["--pgdata", data, "--username", "nino", "--auth", "trust", "--no-sync"],
    cwd: dir,
    ...NOBODY,
  }).output();
  assert.ok(made.success, new TextDecoder().decode(made.stderr));
  const port = freePort();
  const settings = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    fsync: "off",
    ssl: "on",
    ssl_cert_file: cert,
    ssl_key_file: key,
  };
  const set = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = new Deno.Command(join(bin, "postgres"), {
    args: ["-D", data, ...set],
    cwd: dir,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    ...NOBODY,
  }).spawn();
  const said = server.stderr.pipeThrough(new TextDecoderStream());
  stack.defer(async () => {
    // Ends at once, whoever is connected.
    server.kill("SIGQUIT");
    await server.status;
    await said.cancel();
  });
  let text = "";
  for await (const part of said.values({ preventCancel: true })) {
    text += part;
    if (text.includes("ready to accept connections")) break;
  }
  assert.match(text, /ready to accept connections/);
  const owned = stack.move();
  return { port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
