import assert from "node:assert/strict";
import { GroupCommit } from "./group_commit.ts";

/** A disk whose syncs end when the test says so. */
function slowDisk() {
  const written: string[][] = [];
  const syncs: PromiseWithResolvers<void>[] = [];
  const commit = new GroupCommit<string>({
    write: (items) => written.push([...items]),
    sync() {
      const sync = Promise.withResolvers<void>();
      syncs.push(sync);
      return sync.promise;
    },
  });
  return { commit, written, syncs };
}

/** Lets every promise that can go on do so. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(() => done = true, () => done = true);
  await settle();
  return done;
}

Deno.test("a write until the disk resolves when its sync has ended, not before", async () => {
  const { commit, written, syncs } = slowDisk();
  const added = commit.write(["a"], "disk");
  assert.equal(await isDone(added), false);
  assert.deepEqual(written, [["a"]]);
  syncs[0]!.resolve();
  await added;
});

Deno.test("what arrives during a sync shares the next one, in order", async () => {
  const { commit, written, syncs } = slowDisk();
  const first = commit.write(["a"], "disk");
  await settle();
  const others = [commit.write(["b", "c"], "disk"), commit.write(["d"], "disk")];
  assert.equal(await isDone(others[0]!), false);
  assert.deepEqual(written, [["a"]]);
  syncs[0]!.resolve();
  await first;
  await settle();
  assert.deepEqual(written, [["a"], ["b", "c", "d"]]);
  assert.equal(await isDone(others[1]!), false);
  syncs[1]!.resolve();
  await Promise.all(others);
  assert.equal(syncs.length, 2);
});

Deno.test("closing waits for everything that was written", async () => {
  const { commit, syncs } = slowDisk();
  commit.write(["a"], "disk");
  await settle();
  commit.write(["b"], "disk");
  const drained = commit.close();
  syncs[0]!.resolve();
  assert.equal(await isDone(drained), false);
  syncs[1]!.resolve();
  await drained;
});

Deno.test("after a failure nothing more is accepted", async () => {
  const { commit, syncs, written } = slowDisk();
  const first = commit.write(["a"], "disk");
  await settle();
  const second = commit.write(["b"], "disk");
  syncs[0]!.reject(new Error("disk full"));
  await assert.rejects(first, /disk full/);
  await assert.rejects(second, /disk full/);
  await assert.rejects(commit.write(["c"], "disk"), /disk full/);
  assert.deepEqual(written, [["a"]]);
});

Deno.test("what is written is handed over soon, with all that waited, and synced later", async () => {
  const { commit, written, syncs } = slowDisk();
  const added = commit.write(["a"], "disk");
  await settle();
  const later = commit.write(["b"], "disk");
  await Promise.all([
    commit.write(["c"], "handed over"),
    Promise.resolve().then(() => commit.write(["d"], "handed over")),
  ]);
  assert.deepEqual(written, [["a"], ["b", "c", "d"]]);
  assert.equal(commit.mark(), 4);
  assert.ok(!commit.isOnDisk(1));
  syncs[0]!.resolve();
  await added;
  assert.deepEqual([1, 2, 3, 4].map((mark) => commit.isOnDisk(mark)), [true, false, false, false]);
  await settle();
  syncs[1]!.resolve();
  await later;
  assert.ok(commit.isOnDisk(4));
  await commit.write(["e"], "handed over");
  assert.equal(syncs.length, 2);
  while (syncs.length < 3) await settle();
  assert.ok(!commit.isOnDisk(5));
  const closed = commit.close();
  syncs[2]!.resolve();
  await closed;
  assert.ok(commit.isOnDisk(5));
  assert.equal(syncs.length, 3);
});

Deno.test("a sync that nobody waited for and that failed is told to whoever comes next", async () => {
  const { commit, syncs } = slowDisk();
  await commit.write(["a"], "handed over");
  while (syncs.length < 1) await settle();
  syncs[0]!.reject(new Error("disk full"));
  await settle();
  await assert.rejects(commit.write(["b"], "handed over"), /disk full/);
  assert.ok(!commit.isOnDisk(0), "nothing is good any more");
  await assert.rejects(commit.close(), /disk full/);
});

Deno.test("closing does not leave behind what was to be written in its turn", async () => {
  const { commit, written, syncs } = slowDisk();
  const write = commit.write(["a"], "handed over");
  const closed = commit.close();
  await settle();
  syncs[0]!.resolve();
  await Promise.all([write, closed]);
  assert.deepEqual(written, [["a"]]);
  assert.equal(syncs.length, 1);
});

Deno.test("what cannot be written is said to all who share the write", async () => {
  const commit = new GroupCommit<string>({
    write: () => assert.fail("locked"),
    sync: () => Promise.resolve(),
  });
  const [first, second] = [commit.write(["a"], "handed over"), commit.write(["b"], "handed over")];
  await assert.rejects(first, /locked/);
  await assert.rejects(second, /locked/);
  await assert.rejects(commit.write(["c"], "disk"), /locked/);
});
