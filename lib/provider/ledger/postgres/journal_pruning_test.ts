import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { turn } from "../../../../worlds/turns.ts";
import type { Database } from "../../fleet/database.ts";
import { JournalPruning } from "./journal_pruning.ts";

const SERVER = await startFleetServer();
const HOUR_MS = 3_600_000;
const NOW_MS = 1_000 * HOUR_MS;

/** Charges of 3 units each, an hour after one another; the last is an hour old. */
async function charge(database: Database, count: number): Promise<void> {
  await database.ask(
    `INSERT INTO journal (reservation, at, lane, charged, price, cid, outcome)
      SELECT n, $2::int8 - ($1::int4 - n + 1) * $3::int8, 1, n, 3, 'cid', 'answered'
      FROM generate_series(1, $1::int4) AS n`,
    [count, String(NOW_MS), String(HOUR_MS)],
  );
}

async function left(database: Database) {
  const [row] = await database.ask<{ from: number; rows: number; gone: number; amount: string }>(
    `SELECT coalesce(min(reservation), 0)::int4 AS from, count(*)::int4 AS rows,
      (SELECT charges::int4 FROM journal_gone) AS gone,
      (SELECT amount::text FROM journal_gone) AS amount FROM journal`,
  );
  return row!;
}

function test(name: string, rowsMost: number, use: (database: Database) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      const { database } = world;
      await charge(database, 100);
      const troubles: unknown[] = [];
      const onTrouble = (error: unknown) => void troubles.push(error);
      const pruning = new JournalPruning({
        ...{ database, rowsMost, now: () => NOW_MS, onTrouble, everyMs: 1 },
      });
      try {
        await use(database);
      } finally {
        await pruning.close();
      }
      assert.deepEqual(troubles, []);
    },
  });
}

test("the oldest charges beyond so many go, and what they came to stays", 60, async (database) => {
  while ((await left(database)).rows > 60) await turn();
  const { from, rows, gone, amount } = await left(database);
  assert.deepEqual([from, rows, gone, amount], [41, 60, 40, "120"]);
});

test("none goes by which an answer under a key may be asked for", 10, async (database) => {
  while ((await left(database)).rows > 24) await turn();
  const { from, rows, gone, amount } = await left(database);
  // Those of less than 25 hours ago.
  assert.deepEqual([from, rows, gone, amount], [77, 24, 76, "228"]);
});

test("where there are no more than may be all stay", 100, async (database) => {
  for (let look = 0; look < 20; look++) await database.ask("SELECT journal_cutoff_1(100, 0)");
  assert.deepEqual(await left(database), { from: 1, rows: 100, gone: 0, amount: "0" });
});
