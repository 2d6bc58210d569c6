import assert from "node:assert/strict";
import { beginSession, freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import type { Database } from "./database.ts";
import { reap } from "./reaping.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

/** Accounts with two lanes each, of which each session holds two credits. */
async function holdMuch(database: Database, payers: number, sessions: number[]): Promise<void> {
  await database.ask(
    `WITH s AS (SELECT value::int4 AS id FROM jsonb_array_elements_text($2::text::jsonb)), a AS (
      INSERT INTO accounts (payer, held)
        SELECT 'p' || n, 4 * (SELECT count(*) FROM s) FROM generate_series(1, $1) n
      RETURNING id, held
    ), l AS (
      INSERT INTO lanes (account, lane, opened, opened_at, charged, held, settled)
        SELECT id, lane, 0, 0, 0, held / 2, 0 FROM a, (VALUES ('0x1'), ('0x2')) n (lane)
      RETURNING id, account
    ) INSERT INTO holds (session, lane, account, credits, turn, granted, charged_from)
      SELECT s.id, l.id, account, 2, 1, 2, 0 FROM l, s`,
    [payers, JSON.stringify(sessions)],
    { isLong: true },
  );
}

async function heldOf(database: Database): Promise<unknown> {
  const [row] = await database.ask(
    `SELECT (SELECT sum(held) FROM accounts)::int4 AS accounts,
      (SELECT sum(held) FROM lanes)::int4 AS lanes,
      (SELECT coalesce(sum(credits), 0) FROM holds)::int4 AS holds`,
  );
  return row;
}

const all = (held: number) => ({ accounts: held, lanes: held, holds: held });

async function end(database: Database, session: number): Promise<void> {
  await database.ask("UPDATE sessions SET until = now() - interval '1 ms' WHERE id = $1", [
    session,
  ]);
}

Deno.test({
  name: "what was held of many payers is given back in few statements, so many of them at most",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const [dead, living] = [await beginSession(database, "a"), await beginSession(database, "b")];
    await holdMuch(database, 2_200, [dead, living]);
    let asked = 0;
    const ask: Database["ask"] = (...words) => {
      asked += 1;
      return database.ask(...words);
    };
    await end(database, dead);
    await reap({ ...database, ask }, 2);
    assert.deepEqual(await heldOf(database), all(17_600 - 4_000));
    await reap({ ...database, ask });
    assert.deepEqual(await heldOf(database), all(8_800));
    assert.ok(asked < 10, `${asked} statements`);
  },
});

Deno.test({
  name: "who gives back at once, and for several that are over, gives back once",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const dead = [await beginSession(database, "a"), await beginSession(database, "b")];
    await holdMuch(database, 700, dead);
    for (const each of dead) await end(database, each);
    await Promise.all([1, 2, 3, 4].map(() => reap(database)));
    assert.deepEqual(await heldOf(database), all(0));
  },
});

Deno.test({
  name: "what a last turn changed that was under way counts as it left it",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const dead = await beginSession(database, "a");
    await holdMuch(database, 3, [dead]);
    await end(database, dead);
    // As a turn that holds one more, and has not ended yet when it is waited for.
    const turn = world.database.script(`
      BEGIN;
      UPDATE accounts SET held = held + 1 WHERE id = 2;
      SELECT pg_advisory_lock(1), pg_sleep(0.3);
      UPDATE lanes SET held = held + 1 WHERE account = 2 AND lane = '0x1';
      UPDATE holds SET credits = credits + 1 WHERE account = 2
        AND lane = (SELECT id FROM lanes WHERE account = 2 AND lane = '0x1');
      COMMIT;
      SELECT pg_advisory_unlock(1)
    `);
    const isUnderWay = "SELECT FROM pg_locks WHERE locktype = 'advisory'";
    while ((await database.ask(isUnderWay)).length === 0);
    await Promise.all([turn, reap(database)]);
    assert.deepEqual(await heldOf(database), all(0));
  },
});
