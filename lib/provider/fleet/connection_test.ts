import assert from "node:assert/strict";
import { join } from "node:path";
import type { KhachapuriError } from "../../errors.ts";
import { PERMISSIONS } from "../../../tools/permissions.ts";
import { isOnPath } from "../../../tools/requirements.ts";
import { certificateFiles, signedFiles } from "../../../worlds/certificate.ts";
import { startFleetServer } from "../../../worlds/fleet_database.ts";
import { startCluster } from "../../../worlds/postgres/cluster.ts";
import { findPostgres } from "../../../worlds/postgres/server.ts";
import { turn } from "../../../worlds/turns.ts";
import { parseDatabaseAddress } from "../../postgres_address.ts";
import { openDatabase } from "./database.ts";

const BIN = await findPostgres();
const ignore = BIN === null || !await isOnPath("openssl");
const PASSWORD = "khinkali: 7\\8";

async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const tls = stack.use(await signedFiles("localhost"));
  const cluster = stack.use(await startCluster(BIN!, { tls, password: PASSWORD }));
  const { server, passfile } = cluster;
  const owned = stack.move();
  return {
    ...{ tls, cluster, server, passfile },
    numbered: cluster.uri(),
    named: cluster.uri().replace("127.0.0.1", "localhost"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Parameters = Readonly<Record<string, string>>;

/** Whether the server sees TLS, by an address with these parameters. */
async function isSecured(uri: string, parameters: Parameters): Promise<boolean> {
  const query = new URLSearchParams(parameters);
  const database = await openDatabase(parseDatabaseAddress(`${uri}?${query}`));
  try {
    const [row] = await database.ask<{ ssl: boolean }>(
      "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    );
    return row!.ssl;
  } finally {
    await database.close();
  }
}

/** That it is refused at once, and what to do is said. */
async function isRefused(uri: string, parameters: Parameters, why: RegExp, hint: RegExp) {
  const from = performance.now();
  await assert.rejects(isSecured(uri, parameters), (error: KhachapuriError) => {
    assert.equal(error.code, "invalid_config", error.message);
    assert.match(error.message, why);
    assert.match(error.hints.join("\n"), hint);
    return true;
  });
  assert.ok(performance.now() - from < 4_000, "it was tried again");
}

Deno.test({
  name: "a password of a file and an authority's certificate let us in, by name and by number",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { numbered, named, passfile, tls, server } = world;
    assert.equal(await isSecured(numbered, { passfile }), false);
    for (const uri of [numbered, named]) {
      assert.equal(await isSecured(uri, { passfile, sslrootcert: tls.ca }), true);
    }
    const guess = join(server.dir, "guess");
    await Deno.writeTextFile(guess, "*:*:*:*:guess\n", { mode: 0o600 });
    const isUnknown = /refuses us: password authentication failed for user "nino"/;
    await isRefused(numbered, {}, isUnknown, /passfile=FILE/);
    await isRefused(numbered, { passfile: guess }, isUnknown, /passfile=FILE/);
    const none = world.cluster.uri("none");
    await isRefused(none, { passfile }, /database "none" does not exist/, /createdb --owner/);
    await server.put("data/pg_hba.conf", "local all all trust\n");
    await server.query("SELECT pg_reload_conf()");
    await isRefused(numbered, { passfile }, /no pg_hba.conf entry for host/, /pg_hba\.conf/);
  },
});

Deno.test({
  name: "a server that is not the one it is called, or speaks no TLS where it should, is refused",
  ignore,
  async fn() {
    await using world = await openWorld();
    await using stranger = await certificateFiles("stranger.example");
    const { named, numbered, passfile, server } = world;
    const byStranger = { passfile, sslrootcert: stranger.cert };
    const isForeign = /certificate of PostgreSQL at localhost:\d+ is not trusted: unable to verify/;
    await isRefused(named, byStranger, isForeign, /sslrootcert=FILE/);
    await isRefused(named, { passfile, sslmode: "verify-full" }, isForeign, /sslrootcert=FILE/);
    // It is good for the number, and for another name.
    await server.put("cert.pem", await Deno.readTextFile(stranger.cert));
    await server.put("key.pem", await Deno.readTextFile(stranger.key));
    await server.query("SELECT pg_reload_conf()");
    while (!await isSecured(numbered, byStranger).catch(() => false)) await turn();
    await isRefused(
      named,
      byStranger,
      /does not match .* DNS:stranger\.example/,
      /by that name in/,
    );
    const plain = (await startFleetServer())!;
    const isPlain = /speaks no TLS/;
    await isRefused(plain.uri(), { sslrootcert: stranger.cert }, isPlain, /ssl = on/);
  },
});

Deno.test({
  name: "a password that changes while a node runs is taken from its file, and no word of it told",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { numbered, passfile, server } = world;
    await using stack = new AsyncDisposableStack();
    const query = new URLSearchParams({ passfile });
    const database = await openDatabase(parseDatabaseAddress(`${numbered}?${query}`));
    stack.defer(() => database.close());
    await database.ask("SELECT 1");
    await server.query("ALTER ROLE nino PASSWORD 'another'");
    await server.query(`SELECT pg_terminate_backend(${await server.backend("state = 'idle'")})`);
    await assert.rejects(database.ask("SELECT 1", [], { patienceMs: 300 }), {
      code: "database_unavailable",
      message: "the provider's database does not answer right now",
    });
    assert.match(database.trouble()!, /password authentication failed/);
    await Deno.writeTextFile(passfile, "*:*:*:*:another\n");
    assert.equal((await database.ask("SELECT 1")).length, 1);
  },
});

Deno.test({
  name: "a provider's own permissions are enough, with a password and without, in TLS and without",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { numbered, passfile, tls } = world;
    const query = new URLSearchParams({ passfile, sslrootcert: tls.ca });
    const plain = (await startFleetServer())!;
    const script = `
      import { openDatabase } from ${JSON.stringify(import.meta.resolve("./database.ts"))};
      import { parseDatabaseAddress } from ${
      JSON.stringify(import.meta.resolve("../../postgres_address.ts"))
    };
      for (const uri of ${JSON.stringify([plain.uri(), `${numbered}?${query}`])}) {
        const database = await openDatabase(parseDatabaseAddress(uri));
        const [row] = await database.ask("SELECT current_database() AS name, $1::int AS one", [1]);
        console.log(row.name, row.one);
        await database.close();
      }
    `;
    const root = join(import.meta.dirname!, "../../..");
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--no-check", "--frozen", ...PERMISSIONS, "-"],
      cwd: root,
      // What others set for other clients is none of ours.
      env: { PGHOST: "nowhere", PGPASSWORD: "wrong", PGDATABASE: "none", PGMAX_PIPELINE: "9" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(script));
    await writer.close();
    const { stdout, stderr } = await child.output();
    const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    assert.equal(said, "postgres 1\npostgres 1\n");
  },
});
