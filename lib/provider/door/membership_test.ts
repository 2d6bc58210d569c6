import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { silentLog } from "../../log.ts";
import type { Database } from "../fleet/database.ts";
import type { NodeFacts } from "../fleet/sessions.ts";
import { Membership, type MembershipOptions } from "./membership.ts";

const SERVER = await startFleetServer();

type Own = Pick<MembershipOptions, "sessionPath" | "isAlone">;

/** A node that has read up to 7. */
async function join(database: Database, node: string, held = 0n, own: Partial<Own> = {}) {
  const told = { beats: 0, anew: 0 };
  const fleet = { node, listen: "127.0.0.1:1", url: `http://${node}.example` };
  const shared = {
    seen: () => 7,
    beat: () => Promise.resolve(void told.beats++),
  };
  const now = () => 1_000;
  const { sessionPath = await Deno.makeTempFile(), isAlone = true } = own;
  const member = await Membership.begin({
    ...{ database, fleet, shared, log: silentLog, now },
    ...{ sessionPath, isAlone },
  });
  const heldHere = () => ({ heldUsdc: held, aheadCredits: 2, aheadUsdc: 3n });
  member.follow({
    ledger: { heldHere, beginAnew: () => void told.anew++ },
    follower: { head: () => 9n, ageMs: () => 20 },
    leadership: { term: node === "n2" ? { session: 2, term: 4 } : null },
  });
  return { member, told };
}

function test(name: string, use: (database: Database) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      await use(world.database);
    },
  });
}

const factsOf = async (database: Database, { session }: Membership) => {
  const [row] = await database.ask<{ facts: NodeFacts }>(
    "SELECT facts FROM sessions WHERE id = $1",
    [session],
  );
  return row!.facts;
};

test("what the others hold counts, and not what is held here", async (database) => {
  const one = await join(database, "n1", 5n);
  const two = await join(database, "n2", 7n);
  const three = await join(database, "n3", 11n);
  for (const { member } of [one, two, three, one]) await member.renew();
  assert.equal(one.member.heldElsewhere(), 24n);
  await three.member.end();
  await one.member.renew();
  assert.equal(one.member.heldElsewhere(), 10n);
  for (const { member } of [one, two]) await member.end();
});

test("facts of another release that say nothing of what is held hold nothing", async (database) => {
  const one = await join(database, "n1");
  for (const facts of ["{}", '{"heldUsdc": -1}', '{"heldUsdc": "many"}', '{"aheadUsdc": 5}']) {
    await database.ask("SELECT begin_session_1('n2', 'http://n2.example', '9', $1::jsonb)", [
      facts,
    ]);
  }
  await one.member.renew();
  assert.equal(one.member.heldElsewhere(), 0n);
  await one.member.end();
});

test("a node whose process is followed by another is one node", async (database) => {
  const before = await join(database, "n1");
  const after = await join(database, "n1");
  const two = await join(database, "n2");
  await before.member.renew();
  assert.deepEqual(before.member.nodes(), [
    { name: "n1", url: "http://n1.example" },
    { name: "n2", url: "http://n2.example" },
  ]);
  await before.member.leaveFiles();
  const beats = before.told.beats;
  await before.member.renew();
  assert.equal(before.told.beats, beats, "another process has its files");
  await after.member.renew();
  assert.equal((await factsOf(database, before.member)).seen, undefined);
  assert.equal((await factsOf(database, after.member)).seen, 7);
  for (const { member } of [before, after, two]) await member.end();
});

test("a node tells what it does, what it knows, and since when it leads", async (database) => {
  const { member } = await join(database, "n2", 5n);
  member.tellOf(() => ({ price: 8n, isDraining: false, runs: 1, slots: 64, sandboxes: 3 }));
  await member.renew();
  assert.deepEqual(await factsOf(database, member), {
    ...{ startedAtMs: 1_000, clockMs: 1_000, seen: 7, leadsSinceMs: 1_000 },
    ...{ heldUsdc: "5", aheadCredits: 2, aheadUsdc: "3", block: "9", chainAgeMs: 20 },
    ...{ price: "8", isDraining: false, runs: 1, slots: 64, sandboxes: 3 },
  });
  await member.end();
});

test("a node that starts anew ends the session that a kill left, and no other", async (database) => {
  const sessionPath = await Deno.makeTempFile();
  const liveOf = async () => {
    const rows = await database.ask<{ id: number }>("SELECT id FROM sessions WHERE NOT reaped");
    return rows.map(({ id }) => id).sort();
  };
  const killed = await join(database, "n1", 0n, { sessionPath });
  const other = await join(database, "n2");
  const successor = await join(database, "n1", 0n, { sessionPath, isAlone: false });
  const all = [killed, other, successor].map(({ member }) => member.session);
  assert.deepEqual(await liveOf(), all, "the one whose place is taken ends its own runs");
  const namesake = await join(database, "n3", 0n, { sessionPath });
  assert.deepEqual(await liveOf(), [...all, namesake.member.session], "another node's");
  const restarted = await join(database, "n1", 0n, { sessionPath });
  assert.deepEqual(await liveOf(), [
    ...all,
    ...[namesake, restarted].map(({ member }) => member.session),
  ]);
  const again = await join(database, "n1", 0n, { sessionPath });
  assert.ok(!(await liveOf()).includes(restarted.member.session), "its own");
  for (const { member } of [killed, other, successor, namesake, restarted, again]) {
    await member.end();
  }
});

test("whom others gave up has another session, and its ledger begins anew", async (database) => {
  const one = await join(database, "n1");
  const { session } = one.member;
  await database.ask("UPDATE sessions SET reaped = true");
  await one.member.renew();
  assert.notEqual(one.member.session, session);
  assert.equal(one.told.anew, 1);
  await one.member.end();
});

test("who ends while the database is away has ended all the same", async (database) => {
  const one = await join(database, "n1");
  await database.close();
  await one.member.end();
});
