import assert from "node:assert/strict";
import type { Address } from "viem";
import { startFleetServer } from "../../../worlds/fleet_database.ts";
import {
  claimOf,
  type FleetAnswers,
  type FleetNode,
  openFleetAnswers,
} from "../../../worlds/kept_answers.ts";
import { KhachapuriError } from "../../errors.ts";
import { IDEMPOTENCY_PAYER_BYTES_MAX, IDEMPOTENCY_WINDOW_MS } from "../../limits.ts";
import { type Database, openDatabase } from "../fleet/database.ts";
import type { RequestKey, StoredAnswer } from "./idempotency.ts";

const SERVER = await startFleetServer();
const PAYER = `0x${"11".repeat(20)}` as Address;
const PRINT = Uint8Array.of(1);
const CONFLICT = { code: "idempotency_conflict", message: /still runs/, retryAfterSeconds: 1 };

/** @param slot where it is counted, of 16 */
function keyOf(text: string, payer = PAYER, slot = text.charCodeAt(0)): RequestKey {
  const id = new Uint8Array(32);
  id.set([slot, ...new TextEncoder().encode(text)]);
  return { id, payer, isPayment: false };
}

const answer = (bytes = 3): StoredAnswer => (
  { status: 200, headers: [["a", "b"]], body: new Uint8Array(bytes).fill(7) }
);

const take = ({ answers }: FleetNode, key = keyOf("k")) => answers.take(key, PRINT);

function test(name: string, work: (fleet: FleetAnswers) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using fleet = await openFleetAnswers(SERVER!);
      await work(fleet);
    },
  });
}

/** A run to its stored answer. */
async function store(node: FleetNode, key = keyOf("k"), bytes?: number) {
  const claim = claimOf(await take(node, key));
  const reservation = await node.hold();
  await claim.store(answer(bytes), reservation);
  return { claim, reservation };
}

async function run(node: FleetNode, key = keyOf("k"), bytes?: number): Promise<void> {
  const { claim, reservation } = await store(node, key, bytes);
  await node.charge(reservation);
  await claim.end(true);
}

/** What the slots count, and what there is. */
async function counted({ database }: FleetAnswers) {
  const [row] = await database.ask<Record<string, string>>(`
    SELECT (SELECT coalesce(sum(answers), 0) FROM answers_kept)::text AS kept,
      (SELECT coalesce(sum(bytes), 0) FROM answers_kept)::text AS kept_bytes,
      (SELECT count(*) FROM answers WHERE reservation IS NOT NULL)::text AS there,
      (SELECT coalesce(sum(bytes), 0) FROM answers)::text AS there_bytes
  `);
  const { kept, kept_bytes, there, there_bytes } = row!;
  assert.deepEqual([kept, kept_bytes], [there, there_bytes]);
  return Number(kept);
}

test("of nodes that are asked at once one runs, and each gives its answer", async (fleet) => {
  const nodes = await Promise.all([1, 2, 3].map(() => fleet.join()));
  const taken = await Promise.allSettled(nodes.map((node) => take(node)));
  const runs = taken.filter(({ status }) => status === "fulfilled");
  assert.equal(runs.length, 1);
  const at = taken.findIndex(({ status }) => status === "fulfilled");
  const others = nodes.filter((_, index) => index !== at);
  for (const other of others) {
    await assert.rejects(take(other), CONFLICT);
    assert.equal(await other.answers.isKnown(keyOf("k")), true);
    const mismatch = { code: "idempotency_mismatch" };
    await assert.rejects(other.answers.take(keyOf("k"), Uint8Array.of(2)), mismatch);
  }
  const runner = nodes[at]!;
  const claim = claimOf(
    (runs[0] as PromiseFulfilledResult<Awaited<ReturnType<typeof take>>>).value,
  );
  const reservation = await runner.hold();
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const large = { status: 404, headers: [["a", "ü"]] as [string, string][], body: bytes };
  await claim.store(large, reservation);
  await assert.rejects(take(others[0]!), CONFLICT);
  await runner.charge(reservation);
  // Its charge is enough, whatever becomes of the node.
  for (const node of nodes) assert.deepEqual(await take(node), { stored: large });
  await claim.end(true);
  assert.equal(await counted(fleet), 1);
});

test("a node that dies in its run keeps the key until its session is given up", async (fleet) => {
  const [dead, other] = [await fleet.join(), await fleet.join()];
  await take(dead);
  await assert.rejects(take(other), CONFLICT);
  await fleet.silence(dead.session);
  // It could come back still.
  await assert.rejects(take(other), CONFLICT);
  await fleet.giveUp();
  assert.equal(await other.answers.isKnown(keyOf("k")), false);
  const both = [take(other), take(await fleet.join())];
  const taken = await Promise.allSettled(both);
  assert.deepEqual(taken.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

test("a node that dies before its charge frees the key with what it held", async (fleet) => {
  const [dead, other] = [await fleet.join(), await fleet.join()];
  const { claim, reservation } = await store(dead);
  await fleet.silence(dead.session);
  await fleet.giveUp();
  // A charge that is under way may come in still.
  await assert.rejects(take(other), CONFLICT);
  await fleet.giveBack();
  await run(other);
  await assert.rejects(dead.charge(reservation), /lost/);
  await claim.end();
  assert.deepEqual(await take(other), { stored: answer() });
  assert.equal(await counted(fleet), 1);
});

test("a charge that comes in after its session was given up pays for its answer", async (fleet) => {
  const [silent, other] = [await fleet.join(), await fleet.join()];
  const { claim, reservation } = await store(silent, keyOf("k"), 9);
  await fleet.silence(silent.session);
  await fleet.giveUp();
  // The node has begun another session, and does not know what becomes of the charge.
  await claim.end(false);
  await silent.answers.sweep();
  await assert.rejects(take(other), CONFLICT);
  await silent.charge(reservation);
  await fleet.giveBack();
  assert.deepEqual(await take(other), { stored: answer(9) });
});

test("a run whose key was taken meanwhile is told so before it is charged", async (fleet) => {
  const [silent, other] = [await fleet.join(), await fleet.join()];
  const late = claimOf(await take(silent));
  await fleet.end(silent.session);
  await silent.renew();
  const claim = claimOf(await take(other));
  const reservation = await silent.hold();
  await assert.rejects(late.store(answer(), reservation), CONFLICT);
  await late.end();
  await assert.rejects(take(silent), CONFLICT);
  await claim.end();
  await run(silent);
});

test("an answer is its credit's session's, whatever session claimed its key", async (fleet) => {
  const [node, other] = [await fleet.join(), await fleet.join()];
  const claim = claimOf(await take(node));
  await fleet.end(node.session);
  await node.renew();
  const reservation = await node.hold();
  await claim.store(answer(5), reservation);
  await fleet.giveBack();
  await assert.rejects(take(other), CONFLICT);
  await node.charge(reservation);
  assert.deepEqual(await take(other), { stored: answer(5) });
});

test("an answer that is stored while its key is taken from it keeps its key", async (fleet) => {
  const [node, other] = [await fleet.join(), await fleet.join()];
  await take(node);
  await fleet.end(node.session);
  await node.renew();
  const reservation = await node.hold();
  const connection = await openDatabase(fleet.address, { connections: 1 });
  await connection.script(`
    BEGIN;
    SELECT store_answer_1(id, claim, ${reservation}, 200, '[]', '', NULL, 1000, 1000) FROM answers
  `);
  const taken = take(other);
  taken.catch(() => {}); // It is awaited below.
  const waiting = "SELECT FROM pg_locks WHERE NOT granted";
  while ((await fleet.database.ask(waiting)).length === 0);
  await connection.script("COMMIT");
  await assert.rejects(taken, CONFLICT);
  await connection.close();
  await node.charge(reservation);
  assert.ok("stored" in await take(other));
});

test("a run that ended uncharged frees its key once nothing may charge it", async (fleet) => {
  const [node, other] = [await fleet.join(), await fleet.join()];
  const { claim, reservation } = await store(node);
  node.charging.add(reservation);
  await claim.end(false);
  await node.answers.sweep();
  await assert.rejects(take(other), CONFLICT);
  node.charging.delete(reservation);
  await node.answers.sweep();
  await run(other);
  assert.equal(await counted(fleet), 1);
});

/** A connection on which each answer is lost while it is broken, or each statement sent twice. */
function breakable(database: Database) {
  const link = {
    ...{ name: database.name, script: database.script, trouble: database.trouble },
    isBroken: false,
    isTwice: false,
    async ask<Row>(...asked: Parameters<Database["ask"]>): Promise<Row[]> {
      if (link.isTwice) await database.ask(...asked);
      const rows = await database.ask<Row>(...asked);
      if (link.isBroken) throw new KhachapuriError("database_unavailable", "so it is");
      return rows;
    },
    close: () => Promise.resolve(),
  };
  return link;
}

test("a claim that nobody heard of holds its key until the node looks for it", async (fleet) => {
  const link = breakable(fleet.database);
  const [node, other] = [await fleet.join({ link }), await fleet.join()];
  const running = claimOf(await take(node, keyOf("mine")));
  await take(node, keyOf("long"));
  link.isBroken = true;
  await assert.rejects(take(node), { code: "database_unavailable" });
  await assert.rejects(running.store(answer(), await node.hold()), {
    code: "database_unavailable",
  });
  link.isBroken = false;
  await assert.rejects(take(other), CONFLICT);
  await node.answers.sweep();
  await run(other);
  for (const key of ["mine", "long"]) await assert.rejects(take(other, keyOf(key)), CONFLICT);
  await running.end();
  await run(other, keyOf("mine"));
});

test("what is sent again is carried out once", async (fleet) => {
  const link = breakable(fleet.database);
  const node = await fleet.join({ link });
  link.isTwice = true;
  await run(node, keyOf("k"), 9);
  assert.equal(await counted(fleet), 1);
  const { claim } = await store(node, keyOf("uncharged"));
  await claim.end();
  assert.equal(await counted(fleet), 1);
  await fleet.wait(IDEMPOTENCY_WINDOW_MS);
  await run(node);
  await node.answers.sweep();
  assert.equal(await counted(fleet), 1);
  assert.deepEqual(await take(node), { stored: answer() });
});

/** Purchases as far as answers go by them. */
async function openPurchases({ database }: FleetAnswers) {
  await database.script(`
    DROP TABLE IF EXISTS purchases CASCADE;
    CREATE TABLE purchases (id int8 PRIMARY KEY, session int4, run text NOT NULL, outcome text)
  `);
  return {
    order: (id: number, { session }: FleetNode, run: string) =>
      database.ask(
        `INSERT INTO purchases VALUES ($1, $2, $3) ON CONFLICT (id)
          DO UPDATE SET session = excluded.session, run = excluded.run`,
        [id, session, run],
      ),
    async answered(id: number, run: string): Promise<boolean> {
      const statement = `UPDATE purchases SET outcome = 'answered'
        WHERE id = $1 AND run = $2 AND outcome IS NULL RETURNING id`;
      return (await database.ask(statement, [id, run])).length > 0;
    },
    letGo: (id: number) => database.ask("UPDATE purchases SET session = NULL WHERE id = $1", [id]),
  };
}

test("an answer of a purchase counts once its run has ended", async (fleet) => {
  const [node, other] = [await fleet.join(), await fleet.join()];
  const purchases = await openPurchases(fleet);
  await purchases.order(7, node, "first");
  await claimOf(await take(node)).store(answer(), -7);
  await assert.rejects(take(other), CONFLICT);
  assert.ok(await purchases.answered(7, "first"));
  assert.deepEqual(await take(other), { stored: answer() });
  await fleet.wait(IDEMPOTENCY_WINDOW_MS);
  claimOf(await take(other));
});

test("who takes the key of a purchase takes the purchase from the run that had it", async (fleet) => {
  const [dead, other] = [await fleet.join(), await fleet.join()];
  const purchases = await openPurchases(fleet);
  await purchases.order(7, dead, "first");
  await claimOf(await take(dead)).store(answer(), -7);
  await fleet.end(dead.session);
  const claim = claimOf(await take(other));
  assert.equal(await purchases.answered(7, "first"), false);
  await purchases.order(7, other, "second");
  await claim.store(answer(9), -7);
  await claim.end(false);
  await assert.rejects(take(dead), CONFLICT, "its run may be charged still");
  await purchases.letGo(7);
  await other.answers.sweep();
  assert.equal(await purchases.answered(7, "second"), false);
  claimOf(await take(dead));
  assert.equal(await counted(fleet), 0);
});

test("a purchase that another key's run has by now stays that run's", async (fleet) => {
  const [dead, other] = [await fleet.join(), await fleet.join()];
  const purchases = await openPurchases(fleet);
  await purchases.order(7, dead, "first");
  await claimOf(await take(dead)).store(answer(), -7);
  await fleet.end(dead.session);
  await purchases.order(7, other, "second");
  await assert.rejects(take(other), CONFLICT);
  assert.ok(await purchases.answered(7, "second"));
});

test("what nodes store for one payer at once is counted exactly, and forgotten with its time", async (fleet) => {
  const nodes = [await fleet.join(), await fleet.join()];
  const keys = Array.from({ length: 40 }, (_, n) => keyOf(`k${n}`, PAYER, n));
  // Credits of one lane are held and charged in turns; what is tried is beside them.
  for (const key of keys) {
    const [one, two] = nodes as [FleetNode, FleetNode];
    await Promise.all([run(one, key, 100), run(two, keyOf(`other ${key.id[0]}`, PAYER, 1))]);
  }
  assert.equal(await counted(fleet), 80);
  const [room] = await fleet.database.ask<{ slots: number }>(
    "SELECT count(*)::int4 AS slots FROM answers_kept",
  );
  assert.equal(room!.slots, 16);
  await fleet.wait(IDEMPOTENCY_WINDOW_MS);
  await run(nodes[0]!, keyOf("new"));
  await Promise.all(nodes.map(({ answers }) => answers.sweep()));
  assert.equal(await counted(fleet), 1);
  await nodes[0]!.answers.sweep();
  const slots = await fleet.database.ask("SELECT FROM answers_kept");
  assert.equal(slots.length, 1, "slots that count nothing are left");
});

test("older bodies of a payer make room, wherever they are counted", async (fleet) => {
  const node = await fleet.join();
  for (let n = 0; n < 3; n++) await run(node, keyOf(`k${n}`, PAYER, n), 100);
  // As if the first two were as large as what one may take.
  const size = IDEMPOTENCY_PAYER_BYTES_MAX / 2 - 200;
  await fleet.database.ask("UPDATE answers SET bytes = $1 WHERE id IN ($2, $3)", [
    size,
    ...[0, 1].map((n) => keyOf(`k${n}`, PAYER, n).id),
  ]);
  await fleet.database.ask("UPDATE answers_kept SET bytes = $1 WHERE slot IN (0, 1)", [size]);
  await run(node, keyOf("last", PAYER, 9), 500);
  await assert.rejects(take(node, keyOf("k0", PAYER, 0)), { message: /took its place/ });
  assert.ok("stored" in await take(node, keyOf("k1", PAYER, 1)));
  assert.ok("stored" in await take(node, keyOf("last", PAYER, 9)));
  assert.equal(await counted(fleet), 4);
  const bodies = await fleet.database.ask("SELECT FROM answers WHERE body IS NOT NULL");
  assert.equal(bodies.length, 3);
});

test("a node that finds no room looks again, as what it knows of is out of its time", async (fleet) => {
  const node = await fleet.join({ most: { answers: 4, bytes: 4_000 } });
  const payerOf = (n: number) => `0x${String(n).repeat(40)}` as Address;
  for (const [n, payer] of [1, 1, 2, 3].entries()) {
    await run(node, keyOf(`k${n}`, payerOf(payer)));
  }
  const more = keyOf("more", payerOf(4));
  await assert.rejects(take(node, more), { code: "rate_limited" });
  await fleet.wait(IDEMPOTENCY_WINDOW_MS);
  await run(node, more);
});
