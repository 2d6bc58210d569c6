import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { getAddress, type Hex } from "viem";
import { Stops } from "./stops.ts";

const OWNER = getAddress(`0x${"11".repeat(20)}`);
const OTHER = getAddress(`0x${"22".repeat(20)}`);
const ID: Hex = `0x${"01".repeat(32)}`;
const STOPPED = { owner: OWNER, id: ID };

Deno.test("a stop holds at once, and across restarts, for one owner's deployment", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = join(dir, "stops.db");
    const open = () => new DatabaseSync(path);
    const database = open();
    const stops = new Stops(database, () => 5);
    assert.ok(!stops.has({ owner: OWNER, id: ID }));
    stops.add({ owner: OWNER, id: ID });
    stops.add({ owner: OWNER, id: ID });
    assert.ok(stops.has({ owner: OWNER, id: ID }));
    assert.ok(!stops.has({ owner: OTHER, id: ID }), "an id is its owner's word only");
    // No close: the process is gone, and what it had said is on disk.
    const next = new Stops(open(), () => 6);
    assert.ok(next.has({ owner: OWNER, id: ID }));
    assert.ok(!next.has({ owner: OTHER, id: ID }));
    next.add({ owner: OWNER, id: ID });
    const rows = database.prepare("SELECT at FROM stops").all();
    assert.deepEqual(rows.map(({ at }) => at), [5], "the first stop is the one that counts");
    database.close();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a stop that could not be written down is none", () => {
  const database = new DatabaseSync(":memory:");
  const stops = new Stops(database, () => 0);
  database.exec(
    "CREATE TRIGGER full BEFORE INSERT ON stops BEGIN SELECT RAISE(ABORT, 'full'); END",
  );
  assert.throws(() => stops.add(STOPPED));
  assert.equal(stops.has(STOPPED), false);
  database.close();
});

Deno.test("a stop waits for the disk, and what comes after it does not", () => {
  const database = new DatabaseSync(":memory:");
  database.exec("PRAGMA synchronous = NORMAL");
  const levels: unknown[] = [];
  const levelOf = () => database.prepare("PRAGMA synchronous").get()!.synchronous;
  // The clock is asked in the midst of the writing.
  const stops = new Stops(database, () => {
    levels.push(levelOf());
    return 0;
  });
  stops.add(STOPPED);
  const [NORMAL, FULL] = [1, 2];
  assert.deepEqual([...levels, levelOf()], [FULL, NORMAL]);
  database.close();
});
