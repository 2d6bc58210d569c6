import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { assertBooks, openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import { drawOf, holdOne, permitOf, viewOf } from "../../../../worlds/ledger.ts";
import { UINT128_MAX } from "../../../permit.ts";
import type { Database } from "../../fleet/database.ts";
import { unavailable } from "../../fleet/trouble.ts";
import type { Draw, PayerView } from "../judge.ts";
import type { Held } from "../ledger.ts";
import type { PostgresLedger } from "./postgres_ledger.ts";

const SERVER = await startFleetServer();
const OWNERS = permitOf({ credits: UINT128_MAX });
/** Of the statement that has turns forgotten. */
const FORGETTING = "DELETE FROM holds h USING unnest";

Deno.test({
  name: "while the database is away what nobody could charge is free, and counts as used nowhere",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const away = goingAway(world.database);
    await using node = await openLedgerNode(away.database);
    using _back = { [Symbol.dispose]: away.comeBack };
    const { ledger } = node;
    const [draw, view] = [drawOf({ permit: OWNERS }), viewOf(9n)];
    const [one, two] = [await holdOne(ledger, draw, view), await holdOne(ledger, draw, view)];
    away.go();
    const first = ledger.charge(one, "answered", null);
    await away.asked;
    const second = ledger.charge(two, "answered", null);
    away.fail();
    await assert.rejects(second, { code: "database_unavailable" });
    await assert.rejects(first, { code: "database_unavailable" });
    // The first may have been carried out, nobody knows; the second was never sent.
    assert.equal((await ledger.standing(draw, view)).charged, 2n);
    away.comeBack();
    await ledger.close();
    const { used, held } = await assertBooks(world.database);
    assert.deepEqual([used, held], [1, 0]);
  },
});

Deno.test({
  name: "a payer is served again after the database was late to tell that it is forgotten",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database: inner } = world;
    const forgotten = Promise.withResolvers<void>();
    let failures = 0;
    const database: Database = {
      ...through(inner),
      async ask(statement, ...rest) {
        const rows = await inner.ask(statement, ...rest);
        if (!statement.includes(FORGETTING) || ++failures > 2) return rows as never;
        // It is carried out, as where the commit waits for a standby for long.
        forgotten.resolve();
        throw unavailable();
      },
    };
    await using node = await openLedgerNode(database, "n1", undefined, { idleSweeps: 1 });
    const { ledger, sessions: { session } } = node;
    const [draw, view] = [drawOf({ permit: OWNERS }), viewOf(9n)];
    await ledger.charge(await holdUnpooled(ledger, draw, view), "answered", null);
    await forgotten.promise;
    await assert.rejects(holdUnpooled(ledger, draw, view), { code: "database_unavailable" });
    for (const _ of [1, 2, 3]) {
      await ledger.charge(await holdUnpooled(ledger, draw, view), "answered", null);
    }
    assert.equal(node.sessions.session, session);
    await ledger.close();
    assert.equal((await assertBooks(inner)).used, 4);
  },
});

Deno.test({
  name: "a node whose turns the database does not know begins another session, and serves",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    await using node = await openLedgerNode(database);
    const { ledger, sessions: { session } } = node;
    const [draw, view] = [drawOf({ permit: OWNERS }), viewOf(9n)];
    await ledger.charge(await holdUnpooled(ledger, draw, view), "answered", null);
    const running = await holdUnpooled(ledger, draw, view);
    // As by a restore to an earlier moment.
    await database.ask("UPDATE holds SET turn = 1 WHERE session = $1", [session]);
    await ledger.charge(await holdUnpooled(ledger, draw, view), "answered", null);
    assert.notEqual(node.sessions.session, session);
    await assert.rejects(ledger.charge(running, "answered", null), { code: "overloaded" });
    await ledger.close();
    const { used, held } = await assertBooks(database);
    assert.deepEqual([used, held], [2, 0]);
  },
});

Deno.test({
  name: "a node closes though the database never tells that a payer is forgotten",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database: inner } = world;
    const forgotten = Promise.withResolvers<void>();
    let asked = 0;
    const database: Database = {
      ...through(inner),
      async ask(...asking) {
        if (!asking[0].includes(FORGETTING)) return await inner.ask(...asking);
        forgotten.resolve();
        // Others have their turn, so that it is seen should it never end.
        await new Promise((resolve) => setTimeout(resolve));
        if (++asked > 50) return await inner.ask(...asking);
        throw unavailable();
      },
    };
    await using node = await openLedgerNode(database, "n1", undefined, { idleSweeps: 1 });
    const { ledger } = node;
    const [draw, view] = [drawOf({ permit: OWNERS }), viewOf(9n)];
    await ledger.charge(await holdUnpooled(ledger, draw, view), "answered", null);
    await forgotten.promise;
    await assert.rejects(holdUnpooled(ledger, draw, view), { code: "database_unavailable" });
    await ledger.close();
    assert.ok(asked < 10, `it was asked ${asked} times, for nobody`);
  },
});

Deno.test({
  name: "what is forgotten late is not what came since",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database: inner } = world;
    const forgotten = Promise.withResolvers<void>();
    const late: (() => Promise<unknown>)[] = [];
    const database: Database = {
      ...through(inner),
      async ask(...asked) {
        if (!asked[0].includes(FORGETTING)) return await inner.ask(...asked);
        late.push(() => inner.ask(...asked));
        // It is on its way still as the next one is carried out.
        if (late.length === 1) throw unavailable();
        const rows = await inner.ask(...asked);
        forgotten.resolve();
        return rows as never;
      },
    };
    await using node = await openLedgerNode(database, "n1", undefined, { idleSweeps: 1 });
    const { ledger, sessions: { session } } = node;
    const [draw, view] = [drawOf({ permit: OWNERS }), viewOf(9n)];
    await ledger.charge(await holdUnpooled(ledger, draw, view), "answered", null);
    await forgotten.promise;
    await ledger.charge(await holdUnpooled(ledger, draw, view), "answered", null);
    await late[0]!();
    await ledger.charge(await holdUnpooled(ledger, draw, view), "answered", null);
    assert.equal(node.sessions.session, session, "all that its calls held was lost");
    await ledger.close();
    const { used, held } = await assertBooks(inner);
    assert.deepEqual([used, held], [3, 0]);
  },
});

/** One credit, and none ahead. */
async function holdUnpooled(ledger: PostgresLedger, draw: Draw, view: PayerView): Promise<Held> {
  const held = await ledger.hold(draw, view, "allowance", false);
  assert.ok(held.payable);
  return held;
}

function through(inner: Database): Database {
  return {
    name: inner.name,
    trouble: () => inner.trouble(),
    script: (statements) => inner.script(statements),
    close: () => inner.close(),
    ask: (...asked) => inner.ask(...asked),
  };
}

/** A database whose turns get no answer for a while. */
function goingAway(inner: Database) {
  const asked = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<void>();
  const back = Promise.withResolvers<void>();
  let isAway = false;
  let failures = 0;
  const database: Database = {
    ...through(inner),
    async ask(statement, parameters, options) {
      if (isAway && statement.includes("SELECT turn_")) {
        asked.resolve();
        await failed.promise;
        if (++failures === 1) throw unavailable();
        await back.promise;
      }
      return await inner.ask(statement, parameters, options);
    },
  };
  return {
    database,
    asked: asked.promise,
    go: () => void (isAway = true),
    fail: () => failed.resolve(),
    comeBack: () => void back.resolve(),
  };
}
