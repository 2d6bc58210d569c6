import assert from "node:assert/strict";
import { createGroupCommit } from "./group_commit.ts";

/** A disk whose syncs end when the test says so. */
function slowDisk() {
  const written: string[][] = [];
  const syncs: PromiseWithResolvers<void>[] = [];
  const commit = createGroupCommit<string>({
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

Deno.test("an add resolves when its sync has ended, not before", async () => {
  const { commit, written, syncs } = slowDisk();
  const added = commit.add(["a"]);
  assert.equal(await isDone(added), false);
  assert.deepEqual(written, [["a"]]);
  syncs[0]!.resolve();
  await added;
});

Deno.test("what arrives during a sync shares the next one, in order", async () => {
  const { commit, written, syncs } = slowDisk();
  const first = commit.add(["a"]);
  await settle();
  const others = [commit.add(["b", "c"]), commit.add(["d"])];
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

Deno.test("closing waits for everything that was added", async () => {
  const { commit, syncs } = slowDisk();
  commit.add(["a"]);
  await settle();
  commit.add(["b"]);
  const drained = commit.close();
  syncs[0]!.resolve();
  assert.equal(await isDone(drained), false);
  syncs[1]!.resolve();
  await drained;
});

Deno.test("after a failure nothing more is accepted", async () => {
  const { commit, syncs, written } = slowDisk();
  const first = commit.add(["a"]);
  await settle();
  const second = commit.add(["b"]);
  syncs[0]!.reject(new Error("disk full"));
  await assert.rejects(first, /disk full/);
  await assert.rejects(second, /disk full/);
  await assert.rejects(commit.add(["c"]), /disk full/);
  assert.deepEqual(written, [["a"]]);
});

Deno.test("what is written is handed over soon, with all that waited, and synced later", async () => {
  const { commit, written, syncs } = slowDisk();
  const added = commit.add(["a"]);
  await settle();
  const later = commit.add(["b"]);
  await Promise.all([commit.write(["c"]), Promise.resolve().then(() => commit.write(["d"]))]);
  assert.deepEqual(written, [["a"], ["b", "c", "d"]]);
  assert.equal(commit.mark(), 4);
  assert.ok(!commit.isSynced(1));
  syncs[0]!.resolve();
  await added;
  assert.deepEqual([1, 2, 3, 4].map(commit.isSynced), [true, false, false, false]);
  await settle();
  syncs[1]!.resolve();
  await later;
  assert.ok(commit.isSynced(4));
  await commit.write(["e"]);
  assert.equal(syncs.length, 2);
  while (syncs.length < 3) await settle();
  assert.ok(!commit.isSynced(5));
  const closed = commit.close();
  syncs[2]!.resolve();
  await closed;
  assert.ok(commit.isSynced(5));
  assert.equal(syncs.length, 3);
});

Deno.test("a sync that nobody waited for and that failed is told to whoever comes next", async () => {
  const { commit, syncs } = slowDisk();
  await commit.write(["a"]);
  while (syncs.length < 1) await settle();
  syncs[0]!.reject(new Error("disk full"));
  await settle();
  await assert.rejects(commit.write(["b"]), /disk full/);
  assert.ok(!commit.isSynced(0), "nothing is good any more");
  await assert.rejects(commit.close(), /disk full/);
});

Deno.test("closing does not leave behind what was to be written in its turn", async () => {
  const { commit, written, syncs } = slowDisk();
  const write = commit.write(["a"]);
  const closed = commit.close();
  await settle();
  syncs[0]!.resolve();
  await Promise.all([write, closed]);
  assert.deepEqual(written, [["a"]]);
  assert.equal(syncs.length, 1);
});

Deno.test("what cannot be written is said to all who share the write", async () => {
  const commit = createGroupCommit<string>({
    write: () => assert.fail("locked"),
    sync: () => Promise.resolve(),
  });
  const [first, second] = [commit.write(["a"]), commit.write(["b"])];
  await assert.rejects(first, /locked/);
  await assert.rejects(second, /locked/);
  await assert.rejects(commit.add(["c"]), /locked/);
});
