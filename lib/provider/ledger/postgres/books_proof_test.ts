import assert from "node:assert/strict";
import {
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../../../worlds/fleet_database.ts";
import { openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import { drawOf, holdOne, sell, viewOf } from "../../../../worlds/ledger.ts";
import { proveBooks } from "./books_proof.ts";

const SERVER = await startFleetServer();

/** Three charges of one payer, and one credit more that a run holds. */
function test(name: string, work: (world: FleetDatabase) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      await using node = await openLedgerNode(world.database);
      for (let sales = 0; sales < 3; sales++) await sell(node.ledger, drawOf(), viewOf(1_000n));
      await holdOne(node.ledger, drawOf(), viewOf(1_000n));
      await work(world);
    },
  });
}

/** @returns what the difference is said to be */
async function wrongAfter({ database }: FleetDatabase, change: string): Promise<string> {
  const [before, after] = change.split(" / ") as [string, string];
  await database.script(before);
  const error = await proveBooks(database).then(() => null, (thrown) => thrown);
  await database.script(after);
  assert.equal(error?.code, "file_unusable", before);
  return error.shortMessage;
}

test("books that agree are proved, and counted", async ({ database }) => {
  const { held, ...proof } = await proveBooks(database);
  assert.deepEqual(proof, { rows: 3, gone: 0, payers: 1, lanes: 1, used: 3n, over: 0 });
  assert.ok(held >= 1n);
});

test("whatever does not agree is told", async (world) => {
  const changes: [string, RegExp][] = [
    [
      "UPDATE accounts SET used = used + 1 / UPDATE accounts SET used = used - 1",
      /payer 0x1+ has used 4 credits, and its lanes 3$/,
    ],
    [
      "UPDATE accounts SET held = held + 1 / UPDATE accounts SET held = held - 1",
      /are held of payer 0x1+, and \d+ on its lanes/,
    ],
    [
      "UPDATE accounts SET settled = 1 / UPDATE accounts SET settled = 0",
      /1 are settled of payer 0x1+, and 0 on its lanes/,
    ],
    [
      "UPDATE holds SET credits = credits + 1 / UPDATE holds SET credits = credits - 1",
      /are held on lane 0xa+, and \d+ by nodes/,
    ],
    [
      `INSERT INTO holds VALUES (9, 77, 1, 2, 1, 2, 0) / DELETE FROM holds WHERE lane = 77`,
      /2 are held by nodes on lane 77, which is none/,
    ],
    [
      "UPDATE lanes SET owed = owed + 1 / UPDATE lanes SET owed = owed - 1",
      /owes 16, and its steps come to 15/,
    ],
    [
      "UPDATE journal SET charged = 1 WHERE charged = 2 / " +
      "UPDATE journal SET charged = 2 WHERE ctid = (SELECT max(ctid) FROM journal)",
      /two charges of lane 0xa+ under one counter/,
    ],
    [
      "UPDATE journal SET charged = 9 WHERE charged = 3 / " +
      "UPDATE journal SET charged = 3 WHERE charged = 9",
      /up to 9, which has used up to 3/,
    ],
    [
      "INSERT INTO journal VALUES (1, 1, 77, 1, 1, '', '') / DELETE FROM journal WHERE lane = 77",
      /the journal has 1 charges of lane 77, which has used 0/,
    ],
    [
      "UPDATE journal_gone SET charges = 1 / UPDATE journal_gone SET charges = 0",
      /3 charges are in the journal, 1 are gone from it, and lanes have used 3 credits/,
    ],
  ];
  for (const [change, said] of changes) assert.match(await wrongAfter(world, change), said);
  assert.equal((await proveBooks(world.database)).rows, 3);
});

test("a journal whose oldest charges went by the policy is proved, and one that lacks one is not", async ({ database }) => {
  await database.ask("SELECT prune_journal_1($1, 2)", [String(2 ** 50)]);
  const { rows, gone } = await proveBooks(database);
  assert.deepEqual([rows, gone], [1, 2]);
  await database.ask("DELETE FROM journal");
  await assert.rejects(proveBooks(database), /0 charges are in the journal, 2 are gone from it/);
});

test("what a payer takes back is no fault of the books, and is told", async ({ database }) => {
  await database.ask("UPDATE accounts SET ceiling = 1");
  assert.equal((await proveBooks(database)).over, 1);
});

test("of many differences some are told, and how many more there are", async ({ database }) => {
  await database.script(`
    INSERT INTO accounts (payer, used) SELECT 'payer ' || n, 1 FROM generate_series(1, 30) n
  `);
  await assert.rejects(proveBooks(database), (error: { hints: string[] }) => {
    assert.equal(error.hints.length, 21);
    assert.equal(error.hints[19], "and 10 more");
    return true;
  });
});
