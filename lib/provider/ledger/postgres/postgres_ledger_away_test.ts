import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { assertBooks, openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import { drawOf, holdOne, permitOf, viewOf } from "../../../../worlds/ledger.ts";
import { UINT128_MAX } from "../../../permit.ts";
import type { Database } from "../../fleet/database.ts";
import { unavailable } from "../../fleet/trouble.ts";

const SERVER = await startFleetServer();
const OWNERS = permitOf({ credits: UINT128_MAX });

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

/** A database whose turns get no answer for a while. */
function goingAway(inner: Database) {
  const asked = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<void>();
  const back = Promise.withResolvers<void>();
  let isAway = false;
  let failures = 0;
  const database: Database = {
    name: inner.name,
    trouble: () => inner.trouble(),
    script: (statements) => inner.script(statements),
    close: () => inner.close(),
    async ask(statement, parameters, options) {
      if (isAway && statement.includes("turn_1")) {
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
