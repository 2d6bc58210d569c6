/** What runs are told whose session was over as their charge was under way. */
import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { assertBooks, type LedgerNode, openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import { drawOf, holdOne, permitOf, signatureOf, viewOf } from "../../../../worlds/ledger.ts";
import type { KhachapuriError } from "../../../errors.ts";
import { UINT128_MAX } from "../../../permit.ts";
import type { Database } from "../../fleet/database.ts";
import { reap } from "../../fleet/reaping.ts";
import { unavailable } from "../../fleet/trouble.ts";

const SERVER = await startFleetServer();
const OWNERS = permitOf({ credits: UINT128_MAX });

interface World {
  readonly database: Database;
  readonly node: LedgerNode;
  /** Of a charge that is under way, and of one that is queued behind it. */
  readonly sent: Promise<string>;
  readonly queued: Promise<string>;
  /** Of the first. */
  readonly reservation: number;
  /** Has `how` answer the turn that is under way, which asks the database by `ask`. */
  answer(how?: (ask: () => Promise<never>) => Promise<never>): void;
  /** Others end the node's session. */
  end(): Promise<void>;
}

function test(name: string, fn: (world: World) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using fresh = await freshDatabase(SERVER!);
      const { database } = fresh;
      const asked = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<(ask: () => Promise<never>) => Promise<never>>();
      let isShut = false;
      const shutting = beforeTurns(database, async (ask) => {
        if (!isShut) return await ask();
        isShut = false;
        asked.resolve();
        return await (await answer.promise)(ask);
      });
      await using node = await openLedgerNode(shutting);
      using _end = { [Symbol.dispose]: () => answer.resolve((ask) => ask()) };
      const { ledger, sessions } = node;
      const [draw, view] = [drawOf({ permit: OWNERS }), viewOf(9n)];
      const [one, two] = [await holdOne(ledger, draw, view), await holdOne(ledger, draw, view)];
      isShut = true;
      const sent = toldOf(ledger.charge(one, "answered", null));
      await asked.promise;
      await fn({
        ...{ database, node, sent, reservation: one.reservation },
        queued: toldOf(ledger.charge(two, "answered", null)),
        answer: (how = (ask) => ask()) => answer.resolve(how),
        end: () => endSession(database, sessions.session),
      });
    },
  });
}

/** Turns are asked by `how`. */
function beforeTurns(
  inner: Database,
  how: (ask: () => Promise<never>) => Promise<never>,
): Database {
  return {
    name: inner.name,
    trouble: () => inner.trouble(),
    script: (statements) => inner.script(statements),
    close: () => inner.close(),
    async ask(...asked) {
      const ask = () => inner.ask(...asked) as Promise<never>;
      return await (asked[0].includes("SELECT turn_") ? how(ask) : ask());
    },
  };
}

async function endSession(database: Database, session: number): Promise<void> {
  await database.ask("UPDATE sessions SET reaped = true WHERE id = $1", [session]);
}

async function toldOf(charge: Promise<void>): Promise<string> {
  return await charge.then(
    () => "charged",
    ({ code, hints }: KhachapuriError) => `${code}: ${hints}`,
  );
}

test("a charge that comes before others give back what held it is told of", async (world) => {
  const { database, node: { ledger }, sent, queued, reservation, answer, end } = world;
  // Others have not come to this account.
  await end();
  ledger.beginAnew();
  assert.match(await queued, /^overloaded: nothing was charged/);
  assert.ok(ledger.isCharging(reservation));
  answer();
  assert.equal(await sent, "charged");
  assert.ok(!ledger.isCharging(reservation));
  await ledger.close();
  assert.equal((await assertBooks(database)).charges, 1);
});

test("a charge that comes after others gave back what held it is none", async (world) => {
  const { database, node: { ledger, sessions }, sent, queued, answer, end } = world;
  await end();
  await sessions.beat();
  await reap(database);
  assert.match(await queued, /^overloaded: nothing was charged/);
  answer();
  assert.match(await sent, /^overloaded: nothing was charged/);
  await ledger.close();
  const { charges, held } = await assertBooks(database);
  assert.deepEqual([charges, held], [0, 0]);
});

test("a charge whose answer was lost is one though what held it is given back", async (world) => {
  const { database, node: { ledger }, sent, answer, end } = world;
  answer(async (ask) => {
    await ask();
    await end();
    await reap(database);
    // As where the connection was lost.
    return await ask();
  });
  assert.equal(await sent, "charged");
  await ledger.close();
  assert.equal((await assertBooks(database)).charges, 1);
});

test("who waits for a charge until it takes too long is told that it may come", async (world) => {
  const { database, node: { ledger }, sent, reservation, answer, end } = world;
  await end();
  ledger.beginAnew();
  answer(() => Promise.reject(unavailable()));
  assert.match(await sent, /^database_unavailable: whether this was charged is not known/);
  while (ledger.isCharging(reservation)) await new Promise((resolve) => setTimeout(resolve));
  await ledger.close();
  assert.equal((await assertBooks(database)).charges, 1);
});

Deno.test({
  name: "a permit that came with a turn that was lost is kept by the next",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    await using node = await openLedgerNode(database);
    const { ledger, sessions: { session } } = node;
    const view = viewOf(9n);
    const drawn = (credits: bigint, signature: number) =>
      drawOf({ permit: permitOf({ credits, signature: signatureOf(signature) }) });
    const first = await ledger.hold(drawn(1n, 1), view, "allowance", false);
    assert.ok(first.payable);
    await ledger.charge(first, "answered", null);
    await endSession(database, session);
    await reap(database);
    const next = drawn(5n, 2);
    const second = await ledger.hold(next, view, "allowance", false);
    assert.ok(second.payable);
    assert.notEqual(node.sessions.session, session, "a control: the turn was lost");
    const permits = (await ledger.lane(next))!.permits.map(({ permit }) => permit.signature);
    assert.ok(permits.includes(signatureOf(2)), "nothing would settle the credit");
    ledger.release(second, "");
  },
});
