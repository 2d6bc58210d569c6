import assert from "node:assert/strict";
import { parseDatabaseAddress } from "../../postgres_address.ts";
import { VERSION } from "../../version.ts";
import { findPostgres } from "../../../worlds/postgres/server.ts";
import { startCluster } from "../../../worlds/postgres/cluster.ts";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { WELL, wellNode } from "../../../worlds/fleet_survey.ts";
import type { Survey } from "../fleet/survey.ts";
import { type Finding, Findings } from "./findings.ts";
import { judgeAll, lookAtFleet, toDo } from "./fleet_look.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const PRICE = 1_000n;

async function judge(seen: Survey, price = PRICE): Promise<readonly Finding[]> {
  const findings = new Findings();
  await judgeAll(seen, price, findings);
  return findings.all;
}

/** What is not well in a fleet that is well but for this. */
async function wrong(fleet: Partial<NonNullable<Survey["fleet"]>>, price = PRICE) {
  const all = await judge({ ...WELL, fleet: { ...WELL.fleet!, ...fleet } }, price);
  return toDo(all).map(({ part, state, detail, hints }) =>
    `${part} ${state}: ${detail}; ${hints.join("; ")}`
  );
}

Deno.test("a fleet that is well has nothing to do, and is told part by part", async () => {
  const all = await judge(WELL);
  assert.deepEqual(toDo(all), []);
  assert.deepEqual(all.map(({ part }) => part), [
    "fleet schema",
    "fleet replication",
    "fleet timeouts",
    "fleet pooler",
    "fleet clocks",
    "fleet nodes",
    "fleet price",
    "fleet leader",
    "fleet holds",
  ]);
  assert.equal(all.at(-2)!.detail, "n1 leads, in term 7");
});

Deno.test("clocks that are more than two seconds apart are told, whoever's they are", async () => {
  const clockOf = async (seen: Survey) =>
    (await judge(seen)).find(({ part }) => part === "fleet clocks")!;
  const here = await clockOf({ ...WELL, clock: { aheadMs: 2_600, roundTripMs: 1_000 } });
  assert.equal(here.state, "doubtful");
  assert.equal(here.detail, "this machine's is 2.6 s behind the database's");
  const unsure = await clockOf({ ...WELL, clock: { aheadMs: 2_400, roundTripMs: 1_000 } });
  assert.equal(unsure.state, "good");
  const nodes = [wellNode("n1", 1), wellNode("n2", 2, { clockAheadMs: 5_000 })];
  const there = await clockOf({ ...WELL, fleet: { ...WELL.fleet!, nodes } });
  assert.equal(there.detail, "n2's is 5.0 s ahead of the database's");
});

Deno.test("two of one name, other releases, silence and a node alone are told", async () => {
  const two = [wellNode("n1", 1), wellNode("n1", 2, { url: "http://other:1" })];
  assert.match((await wrong({ nodes: two })).join(), /2 live as n1, at http:\/\/n1:1 and http:/);
  const other = [wellNode("n1", 1), wellNode("n2", 2, { version: "0.0.1" })];
  const said = (await wrong({ nodes: other })).join();
  assert.match(said, new RegExp(`releases differ: ${VERSION} at n1, 0\\.0\\.1 at n2`));
  const silent = [wellNode("n1", 1), wellNode("n2", 2, { beatAgeMs: 6_000 })];
  assert.match((await wrong({ nodes: silent })).join(), /n2 was not heard of for 6 s/);
  assert.match((await wrong({ nodes: [wellNode("n1", 1)] })).join(), /it is alone/);
  const late = wellNode("n2", 2);
  const nodes = [wellNode("n1", 1), { ...late, state: { ...late.state, chainAgeMs: 90_000 } }];
  assert.match((await wrong({ nodes })).join(), /n2 sees the chain as of 90 s ago/);
});

Deno.test("nodes that ask different prices are bad, and a file that nobody goes by is told", async () => {
  const cheap = wellNode("n2", 2);
  const nodes = [wellNode("n1", 1), { ...cheap, state: { ...cheap.state, price: 2_000n } }];
  assert.match(
    (await wrong({ nodes })).join(),
    /price bad: a credit costs 0\.001 at n1, 0\.002 at/,
  );
  assert.match((await wrong({}, 3_000n)).join(), /price doubtful: .* 0\.003 in this config\.json/);
  const silent = { ...cheap, state: { ...cheap.state, price: null } };
  assert.deepEqual(await wrong({ nodes: [wellNode("n1", 1), silent] }), []);
});

Deno.test("that nobody leads is bad after fifteen seconds, while nodes live", async () => {
  const without = (leaderlessMs: number | null) => ({
    leader: { term: 7, session: null, leaderlessMs },
    dueLanes: 1,
    dueUsdc: 5_000n,
  });
  assert.deepEqual(await wrong(without(14_000)), []);
  assert.match(
    (await wrong(without(16_000))).join(),
    /bad: nobody leads for 16 s, and 0\.005 USDC/,
  );
  assert.match((await wrong(without(null))).join(), /bad: nobody leads, and/);
  const none = (await wrong({ ...without(16_000), nodes: [] })).join();
  assert.doesNotMatch(none, /nobody leads/);
  assert.match(none, /nodes doubtful: none lives/);
});

Deno.test("what the dead hold is bad after fifteen seconds, unless nobody lives", async () => {
  const left = (goneMs: number) => [{ session: 9, node: "n3", goneMs, credits: 5 }];
  assert.deepEqual(await wrong({ left: left(14_000) }), []);
  assert.match(
    (await wrong({ left: left(16_000) })).join(),
    /holds bad: 5 credits .* n3, gone for 16 s/,
  );
  assert.match(
    (await wrong({ left: left(16_000), nodes: [] })).join(),
    /holds doubtful: 5 credits/,
  );
});

Deno.test({
  name: "a database is asked: one that is well but alone, without our schema, or away",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const look = async (uri: string, passfile?: string) => {
      const findings = new Findings();
      const address = parseDatabaseAddress(uri);
      const seen = await lookAtFleet({ address, passfile, price: PRICE }, findings);
      return { seen, all: findings.all };
    };
    const { all } = await look(world.uri);
    assert.equal(all[0]!.state, "good");
    assert.match(
      all[0]!.detail,
      /^PostgreSQL \d+.* at 127\.0\.0\.1:\d+\/fresh_\d+, \d+ MB, \d+ of/,
    );
    assert.deepEqual(toDo(all).map(({ part }) => part), ["fleet replication", "fleet nodes"]);
    const bare = await look(SERVER!.uri(await SERVER!.freshDatabase()));
    const schema = bare.all.find(({ part }) => part === "fleet schema")!;
    assert.equal(schema.state, "bad");
    assert.match(schema.detail, /^at step 0 of \d: without ledger, leader, records, moving/);
    const away = await look("postgres://nino@127.0.0.1:1/books");
    assert.equal(away.seen, null);
    assert.deepEqual(away.all.map(({ state, error }) => [state, error!.code]), [
      ["bad", "database_unavailable"],
    ]);
  },
});

Deno.test({
  name: "a passfile that others may read is bad",
  ignore,
  async fn() {
    await using cluster = await startCluster((await findPostgres())!, { password: "chinkali" });
    const address = parseDatabaseAddress(cluster.uri());
    const look = async (passfile: string) => {
      const findings = new Findings();
      await lookAtFleet({ address, passfile, price: PRICE }, findings);
      return findings.all[0]!;
    };
    assert.equal((await look(cluster.passfile)).state, "good");
    await Deno.chmod(cluster.passfile, 0o644);
    const open = await look(cluster.passfile);
    assert.deepEqual([open.state, open.error!.code], ["bad", "insecure_key_file"]);
  },
});

/** Answers whoever connects as PgBouncer does that was not told what to leave out. */
function startPooler(): Disposable & { port: number } {
  const fields = ["SFATAL", "VFATAL", "C08P01", "Munsupported startup parameter: search_path"];
  const body = new TextEncoder().encode(`${fields.join("\0")}\0\0`);
  const answer = new Uint8Array(5 + body.length);
  answer.set(new TextEncoder().encode("E"));
  new DataView(answer.buffer).setUint32(1, 4 + body.length);
  answer.set(body, 5);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(1_024));
      await connection.write(answer).catch(() => {});
      connection.close();
    }
  };
  serve();
  return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
}

Deno.test("a pooler that refuses what nodes connect with is named as one", async () => {
  using pooler = startPooler();
  const address = parseDatabaseAddress(`postgres://nino@127.0.0.1:${pooler.port}/books`);
  const findings = new Findings();
  await lookAtFleet({ address, passfile: undefined, price: PRICE }, findings);
  const [database] = findings.all;
  assert.deepEqual([database!.state, database!.error!.code], ["bad", "invalid_config"]);
  assert.match(database!.detail, /^a pooler stands before it: .*unsupported startup parameter/);
  assert.match(database!.hints.join(), /no pooler/);
});
