import assert from "node:assert/strict";
import fc from "fast-check";
import { type Address, getAddress } from "viem";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { assertBooks, openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import {
  CID,
  drawOf,
  holdOne,
  ID,
  LANE,
  OTHER_CID,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  PRICE,
  RUN,
  sell,
  signatureOf,
  THIRD_LANE,
  TRANSACTION,
  viewOf,
} from "../../../../worlds/ledger.ts";
import { turn } from "../../../../worlds/turns.ts";
import { KhachapuriError } from "../../../errors.ts";
import { UINT128_MAX } from "../../../permit.ts";
import type { Database } from "../../fleet/database.ts";
import { reap } from "../../fleet/reaping.ts";
import type { Draw } from "../judge.ts";
import type { PostgresLedger } from "./postgres_ledger.ts";

const SERVER = await startFleetServer();
const LANES = [LANE, OTHER_LANE, THIRD_LANE];
const OWNERS = permitOf({ credits: UINT128_MAX });

function test(name: string, fn: (ledger: PostgresLedger, database: Database) => Promise<void>) {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      await using node = await openLedgerNode(world.database);
      await fn(node.ledger, world.database);
    },
  });
}

/** Two nodes on one database. */
function testTwo(
  name: string,
  fn: (one: PostgresLedger, two: PostgresLedger, database: Database) => Promise<void>,
) {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      await using one = await openLedgerNode(world.database, "n1");
      await using two = await openLedgerNode(await world.open(), "n2");
      await fn(one.ledger, two.ledger, world.database);
    },
  });
}

test(
  "of calls that come at once as many hold a credit as there are, whatever their lanes",
  async (ledger, database) => {
    let payers = 0;
    const property = fc.asyncProperty(
      fc.bigInt(0n, 8n),
      fc.array(
        fc.record({ lane: fc.constantFrom(...LANES), cid: fc.constantFrom(CID, OTHER_CID) }),
        {
          minLength: 1,
          maxLength: 12,
        },
      ),
      async (credits, calls) => {
        const payer: Address = getAddress(`0x${String(++payers).padStart(40, "0")}`);
        const view = viewOf(credits);
        const tries = calls.map((call) =>
          ledger.hold(drawOf({ payer, ...call }), view, "allowance")
        );
        const answers = await Promise.all(tries);
        const held = BigInt(answers.filter(({ payable }) => payable).length);
        assert.equal(held, credits < BigInt(calls.length) ? credits : BigInt(calls.length));
      },
    );
    await fc.assert(property, { numRuns: 30 });
    await assertBooks(database);
  },
);

test("of one permit too, however many credits the payer has", async (ledger) => {
  const permit = permitOf({ credits: 3n });
  const tries = Array.from(
    { length: 5 },
    () => ledger.hold(drawOf({ permit }), viewOf(100n), "allowance"),
  );
  const answers = (await Promise.all(tries)).map(({ payable }) => payable);
  assert.deepEqual(answers, [true, true, true, false, false]);
});

test(
  "a charge is in the journal, has its counter, and a receipt where the caller paid",
  async (ledger, database) => {
    const view = viewOf(100n);
    await sell(ledger, drawOf(), view);
    const held = await holdOne(ledger, drawOf(), view);
    await ledger.charge(held, "failed", RUN);
    const charge = await ledger.receipted(held.reservation);
    assert.deepEqual(charge?.facts, { ...RUN, cid: CID, price: PRICE, charged: 2n });
    assert.equal(charge?.outcome, "failed");
    assert.equal(charge?.payer, PAYER);
    assert.deepEqual(await assertBooks(database), { used: 2, held: 0, charges: 2, wrong: [] });
  },
);

test("a released credit is free for the next call", async (ledger) => {
  const view = viewOf(1n);
  const held = await holdOne(ledger, drawOf(), view);
  assert.equal((await ledger.hold(drawOf(), view, "allowance")).payable, false);
  ledger.release(held, "hung up");
  await holdOne(ledger, drawOf(), view);
});

test("a caller's permits follow one another, each over a credit more", async (ledger, database) => {
  for (let credits = 1n; credits <= 5n; credits++) {
    const permit = permitOf({ credits, signature: signatureOf(Number(credits)) });
    await sell(ledger, drawOf({ permit }), viewOf(100n));
    const again = await ledger.hold(drawOf({ permit }), viewOf(100n), "allowance");
    assert.equal(!again.payable && again.refusal.reason, "permit_used");
  }
  assert.equal((await ledger.usedUp(ID))?.credits, 5n);
  assert.equal(await ledger.used(ID, viewOf(100n)), 5n);
  await assertBooks(database);
});

test(
  "what is due is told with its age, and is no more once the chain told that it is settled",
  async (ledger, database) => {
    const view = viewOf(100n);
    for (let calls = 0; calls < 3; calls++) await sell(ledger, drawOf({ permit: OWNERS }), view);
    const [due] = await ledger.due();
    assert.equal(due!.amount, 3n * PRICE);
    assert.equal(due!.lane, LANE);
    await ledger.record([
      { ...ID, fact: "settled", settled: 2n, block: 7n, transaction: TRANSACTION },
    ]);
    assert.equal((await ledger.dueOf(PAYER))[0]!.amount, PRICE);
    await ledger.record([
      { ...ID, fact: "settled", settled: 3n, block: 8n, transaction: TRANSACTION },
    ]);
    assert.deepEqual(await ledger.due(), []);
    const basis = await ledger.basis(PAYER, LANE, 7n);
    assert.equal(basis.settledHere, 3n);
    assert.deepEqual([...basis.lanes], [[LANE, 3n]]);
    assert.equal((await ledger.settledAbove(7n)).length, 1);
    assert.equal((await ledger.settledAbove(8n)).length, 0);
    await sell(ledger, drawOf({ permit: OWNERS }), view);
    await assertBooks(database);
  },
);

test(
  "a refused lane serves no more until a better permit comes, and what it owes is written off",
  async (ledger, database) => {
    const view = viewOf(100n);
    const permit = permitOf({ credits: 100n, deadline: 2_000_000_000n, signature: signatureOf(1) });
    await sell(ledger, drawOf({ permit }), view);
    await ledger.record([{
      ...ID,
      fact: "refused",
      reason: "PermitExpired",
      transaction: TRANSACTION,
    }]);
    const no = await ledger.hold(drawOf({ permit }), view, "allowance");
    assert.equal(!no.payable && no.refusal.reason, "lane_refused");
    assert.deepEqual(await ledger.due(), []);
    assert.equal((await ledger.figures()).refusedAmount, PRICE);
    const better = { ...permit, deadline: 3_000_000_000n, signature: signatureOf(2) };
    await sell(ledger, drawOf({ permit: better }), view);
    assert.equal((await ledger.due())[0]!.amount, 2n * PRICE);
    await assertBooks(database);
  },
);

testTwo("two nodes never hold more together than there is", async (one, two, database) => {
  const draw = drawOf({ permit: OWNERS });
  const tries = Array.from({ length: 40 }, (_, index) => {
    return (index % 2 === 0 ? one : two).hold(draw, viewOf(25n), "allowance");
  });
  const answers = await Promise.all(tries);
  const held = answers.filter((answer) => answer.payable);
  const ahead = (await assertBooks(database)).held - held.length;
  assert.equal(held.length + ahead, 25);
  assert.ok(ahead <= 2, `${ahead} are held ahead`);
});

testTwo(
  "what one node holds ahead is no call's of the other for more than a second",
  async (one, two, database) => {
    const draw = drawOf({ permit: OWNERS });
    const view = viewOf(20n);
    const held = await Promise.all(
      Array.from({ length: 8 }, () => holdOne(one, draw, view)),
    );
    await Promise.all(held.map((each) => one.charge(each, "answered", null)));
    assert.ok((await assertBooks(database)).held > 0, "something is held ahead");
    one.stopHolding();
    // It is on its way: until it is there the other one is told what the database has.
    while ((await assertBooks(database)).held > 0);
    const others = await Promise.all(Array.from({ length: 12 }, () => holdOne(two, draw, view)));
    assert.equal(others.length, 12);
  },
);

testTwo(
  "a lane that one node opened is the other's, with its permits and its count",
  async (one, two, database) => {
    await sell(one, drawOf({ permit: OWNERS }), viewOf(100n));
    assert.equal(await two.used(ID, viewOf(100n)), 1n);
    await sell(two, drawOf({ permit: OWNERS }), viewOf(100n));
    await sell(one, drawOf({ permit: OWNERS, price: 3n }), viewOf(100n));
    await sell(two, drawOf({ permit: OWNERS }), viewOf(100n));
    const lane = await one.lane(ID);
    assert.equal(lane!.charged, 4n);
    assert.deepEqual(lane!.segments, [
      { upTo: 2n, price: PRICE },
      { upTo: 3n, price: 3n },
      { upTo: 4n, price: PRICE },
    ]);
    await assertBooks(database);
  },
);

testTwo(
  "a payer that allows less is believed at the newest block, whichever node has seen it",
  async (one, two) => {
    const draw: Draw = drawOf({ permit: OWNERS });
    await holdOne(one, draw, viewOf(10n, { block: 5n }));
    await holdOne(two, draw, viewOf(2n, { block: 9n }));
    const no = await one.hold(draw, viewOf(10n, { block: 5n }), "allowance");
    assert.equal(!no.payable && no.refusal.reason, "no_credits");
  },
);

testTwo("a permit that came in vain is not taken for kept", async (one, two, database) => {
  const first = permitOf({ credits: 2n });
  await sell(one, drawOf({ permit: first }), viewOf(10n, { block: 5n }));
  await holdOne(two, drawOf({ permit: first }), viewOf(2n, { block: 9n }));
  const permit = permitOf({ credits: 2_000n, signature: signatureOf(1) });
  const no = await one.hold(drawOf({ permit }), viewOf(10n, { block: 5n }), "allowance");
  assert.equal(!no.payable && no.refusal.reason, "no_credits");
  await sell(one, drawOf({ permit }), viewOf(10n, { block: 10n }));
  const lane = await two.lane(ID);
  assert.deepEqual(lane!.permits.map(({ permit: { credits } }) => credits), [2_000n]);
  await assertBooks(database);
});

test(
  "the runs of a session that was given up are free, and calls go on in a new one",
  async (ledger, database) => {
    const draw = drawOf({ permit: OWNERS });
    const held = await holdOne(ledger, draw, viewOf(5n));
    await database.ask("UPDATE sessions SET until = now() - interval '1 ms'");
    await reap(database);
    const next = await holdOne(ledger, draw, viewOf(5n));
    await assert.rejects(ledger.charge(held, "answered", null), { code: "overloaded" });
    ledger.release(held, "too late");
    await ledger.charge(next, "answered", null);
    assert.equal((await assertBooks(database)).used, 1);
  },
);

Deno.test({
  name: "a charge goes on though nobody waits for it any more, and is told of",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    let away: PromiseWithResolvers<void> | null = null;
    const database: Database = {
      name: world.database.name,
      script: world.database.script,
      trouble: () => null,
      close: () => Promise.resolve(),
      async ask<Row>(...asked: Parameters<Database["ask"]>): Promise<Row[]> {
        if (away && asked[0].includes("SELECT turn_")) {
          const { promise } = away;
          const unavailable = new KhachapuriError("database_unavailable", "so it is");
          await Promise.race([promise, turn().then(() => Promise.reject(unavailable))]);
        }
        return await world.database.ask<Row>(...asked);
      },
    };
    await using node = await openLedgerNode(database);
    const { ledger } = node;
    const held = await holdOne(ledger, drawOf({ permit: OWNERS }), viewOf(5n));
    assert.equal(ledger.isCharging(held.reservation), false);
    away = Promise.withResolvers();
    await assert.rejects(ledger.charge(held, "answered", RUN), { code: "database_unavailable" });
    assert.equal(ledger.isCharging(held.reservation), true);
    away.resolve();
    away = null;
    while (ledger.isCharging(held.reservation)) await turn();
    assert.ok(await ledger.receipted(held.reservation));
  },
});

test("payers that nobody knows leave no trace", async (ledger, database) => {
  const draw = drawOf({ payer: OTHER_PAYER });
  assert.equal((await ledger.judge(draw, viewOf(0n), "allowance")).payable, false);
  assert.equal((await ledger.hold(draw, viewOf(0n), "allowance")).payable, false);
  assert.equal(ledger.knows(OTHER_PAYER), false);
  const [count] = await database.ask("SELECT count(*)::int4 AS accounts FROM accounts");
  assert.deepEqual(count, { accounts: 0 });
});

testTwo(
  "of a chain that was reorganised the ceilings that are read then bind, at earlier blocks too",
  async (one, two) => {
    const gone = { ...viewOf(1n), block: 20n };
    await holdOne(one, drawOf(), gone);
    const now = { ...viewOf(5n), block: 18n };
    const isHeld = async (ledger: PostgresLedger) =>
      (await ledger.hold(drawOf(), now, "allowance")).payable;
    assert.deepEqual([await isHeld(one), await isHeld(two)], [false, false]);
    await one.forgetAbove(17n);
    assert.deepEqual([await isHeld(one), await isHeld(two)], [true, true]);
  },
);

test("what is held ahead is counted with its price, and no more once it went back", async (ledger) => {
  const draw = drawOf({ permit: OWNERS });
  const held = await Promise.all(
    Array.from({ length: 6 }, () => holdOne(ledger, draw, viewOf(90n))),
  );
  const before = ledger.totals();
  assert.equal(before.held - before.preheld, 6n * PRICE);
  for (const each of held) await ledger.charge(each, "answered", null);
  const { preheld, held: all } = ledger.totals();
  assert.ok(preheld > 0n && preheld % PRICE === 0n, `${preheld} is held ahead`);
  assert.equal(all, preheld);
  ledger.stopHolding();
  const { preheld: none, held: left } = ledger.totals();
  assert.deepEqual([none, left], [0n, 0n]);
});
