import assert from "node:assert/strict";
import { createSync, openDurable } from "./durable.ts";

/** A disk whose every sync takes what `tookMs` says at the time. */
function disk(cores: number) {
  const log: string[] = [];
  const state = { tookMs: 0.1, nowMs: 0 };
  const record = (how: string) => {
    log.push(how);
    state.nowMs += state.tookMs;
  };
  const file = {
    syncData: () => Promise.resolve(record("elsewhere")),
    syncDataSync: () => record("here"),
  };
  return { log, state, sync: createSync(file, cores, () => state.nowMs) };
}

Deno.test("a small machine waits for a fast disk, not for a slow one, and notices a change", async () => {
  const { log, state, sync } = disk(2);
  for (let time = 0; time < 3; time++) await sync();
  assert.deepEqual(log, ["elsewhere", "here", "here"]);
  state.tookMs = 5;
  for (let time = 0; time < 3; time++) await sync();
  assert.deepEqual(log.splice(3), ["here", "elsewhere", "elsewhere"]);
  state.tookMs = 0.1;
  while (log.at(-1) !== "here") await sync();
  assert.ok(log.length < 30);
});

Deno.test("a machine with cores to spare waits for no disk", async () => {
  const { log, sync } = disk(4);
  for (let time = 0; time < 3; time++) await sync();
  assert.deepEqual(log, ["elsewhere", "elsewhere", "elsewhere"]);
});

Deno.test("a sync that fails rejects, here as elsewhere", async () => {
  let isFull = false;
  const fail = () => {
    if (isFull) throw new Error("no space");
  };
  const sync = createSync({ syncData: async () => await fail(), syncDataSync: fail }, 2, () => 0);
  await sync();
  isFull = true;
  await assert.rejects(sync(), /no space/);
});

Deno.test("what was committed before a sync is in the file that was synced", async () => {
  const dir = await Deno.makeTempDir();
  const durable = openDurable(`${dir}/book.db`, "CREATE TABLE IF NOT EXISTS row (n INTEGER)");
  try {
    durable.database.exec("INSERT INTO row VALUES (7)");
    await durable.sync();
    await durable.sync();
    await Deno.copyFile(`${dir}/book.db`, `${dir}/copy.db`);
    await Deno.copyFile(`${dir}/book.db-wal`, `${dir}/copy.db-wal`);
    const copy = openDurable(`${dir}/copy.db`, "CREATE TABLE IF NOT EXISTS row (n INTEGER)");
    assert.deepEqual(copy.database.prepare("SELECT n FROM row").all().map(({ n }) => n), [7]);
    copy.close();
  } finally {
    durable.close();
    await Deno.remove(dir, { recursive: true });
  }
});
