import assert from "node:assert/strict";
import {
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../../../worlds/fleet_database.ts";
import { CID, LANE, OTHER_CID, OTHER_LANE, OTHER_PAYER, PAYER } from "../../../../worlds/ledger.ts";
import type { JournalFilter } from "../journal_reader.ts";
import { type JournalCharge, pageJournal } from "./journal_pages.ts";

const SERVER = await startFleetServer();
const DAY_MS = 86_400_000;

/** Charges of two payers on three lanes, in an order of their own, with bursts and long pauses. */
async function fill({ database }: FleetDatabase, count: number): Promise<void> {
  for (const [payer, lane] of [[PAYER, LANE], [PAYER, OTHER_LANE], [OTHER_PAYER, LANE]]) {
    await database.ask("SELECT open_1($1, $2, 0)", [payer!, lane!]);
  }
  await database.ask(
    `INSERT INTO journal (reservation, at, lane, charged, price, cid, outcome)
      SELECT (n * 7919) % 104729, (n / 50) * $2::int8 + (n % 50) / 20, 1 + n % 3, n, 5,
        CASE WHEN n % 5 = 0 THEN $3 ELSE $4 END, 'answered'
      FROM generate_series(1, $1::int4) n`,
    [count, DAY_MS, OTHER_CID, CID],
  );
}

async function read(world: FleetDatabase, filter: JournalFilter, pageRows: number) {
  const statements: number[] = [];
  const database = {
    ...world.database,
    async ask<Row>(...asked: Parameters<FleetDatabase["database"]["ask"]>): Promise<Row[]> {
      const rows = await world.database.ask<Row>(...asked);
      statements.push(rows.length);
      return rows;
    },
  } as FleetDatabase["database"];
  const charges = await Array.fromAsync(pageJournal(database, filter, pageRows));
  return { charges, statements };
}

async function expected({ database }: FleetDatabase, where: string): Promise<number[]> {
  const rows = await database.ask<{ reservation: string }>(
    `SELECT j.reservation FROM journal j JOIN lanes l ON l.id = j.lane
      JOIN accounts a ON a.id = l.account WHERE ${where} ORDER BY at, reservation`,
  );
  return rows.map(({ reservation }) => Number(reservation));
}

const numbersOf = (charges: readonly JournalCharge[]) =>
  charges.map(({ reservation }) => reservation);

function test(name: string, work: (world: FleetDatabase) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      await work(world);
    },
  });
}

test("a journal is read in pages, the oldest charge first, each of them once", async (world) => {
  await fill(world, 500);
  const all = await expected(world, "true");
  for (const pageRows of [1, 2, 7, 10_000]) {
    const { charges, statements } = await read(world, {}, pageRows);
    assert.deepEqual(numbersOf(charges), all, `pages of ${pageRows}`);
    assert.ok(statements.every((rows) => rows <= pageRows));
  }
  const { statements } = await read(world, {}, 100);
  assert.ok(statements.length < 40, `${statements.length} statements`);
});

test("no charge is lost where one span of time ends and the next begins", async (world) => {
  const { database } = world;
  await database.ask("SELECT open_1($1, $2, 0)", [PAYER, LANE]);
  // Spans are of a minute at first, and then twice as long each.
  await database.ask(
    `INSERT INTO journal (reservation, at, lane, charged, price, cid, outcome)
      SELECT row_number() OVER (), at, 1, 1, 5, '', 'answered'
      FROM (SELECT 0 AS at UNION ALL SELECT border + ms
        FROM unnest('{60000, 180001, 420002}'::int8[]) border, generate_series(-2, 2) ms) x`,
  );
  const { charges, statements } = await read(world, {}, 10);
  assert.deepEqual(numbersOf(charges), await expected(world, "true"));
  assert.equal(statements.length, 5);
});

test("what is asked for is a payer's, a lane's, a deployment's, or since a time", async (world) => {
  await fill(world, 300);
  const asked: [JournalFilter, string][] = [
    [{ payer: PAYER }, `a.payer = '${PAYER}'`],
    [{ lane: LANE }, `l.lane = '${LANE}'`],
    [{ payer: PAYER, lane: OTHER_LANE }, `a.payer = '${PAYER}' AND l.lane = '${OTHER_LANE}'`],
    [{ cid: OTHER_CID }, `cid = '${OTHER_CID}'`],
    [{ since: new Date(3 * DAY_MS) }, `at >= ${3 * DAY_MS}`],
  ];
  for (const [filter, where] of asked) {
    const { charges } = await read(world, filter, 20);
    const wanted = await expected(world, where);
    assert.ok(wanted.length > 0 && wanted.length < 300);
    assert.deepEqual(numbersOf(charges), wanted);
  }
  assert.deepEqual((await read(world, { since: new Date(99 * DAY_MS) }, 20)).charges, []);
});

test("a charge is told with all that stands of it, and an empty journal with nothing", async (world) => {
  assert.deepEqual((await read(world, {}, 10)).charges, []);
  await fill(world, 1);
  const { charges } = await read(world, {}, 10);
  assert.deepEqual(charges, [{
    reservation: 7919,
    at: new Date(0),
    payer: PAYER,
    lane: OTHER_LANE,
    cid: CID,
    price: 5n,
    charged: 1n,
    outcome: "answered",
  }]);
});
