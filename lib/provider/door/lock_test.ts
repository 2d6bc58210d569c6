import assert from "node:assert/strict";
import { join } from "node:path";
import { holderOf, LOCK_FILE, lockState } from "./lock.ts";

async function withLockPath(use: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await use(join(dir, LOCK_FILE));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a lock that was asked about, or let go, can be taken at once", async () => {
  await withLockPath(async (path) => {
    for (let i = 0; i < 100; i++) {
      const lock = await lockState(path);
      lock.release();
      assert.equal(await holderOf(path), null);
    }
  });
});

Deno.test("a lock is held by one, who says where it listens", async () => {
  await withLockPath(async (path) => {
    assert.equal(await holderOf(path), null);
    const lock = await lockState(path);
    await assert.rejects(lockState(path), { code: "access_denied" });
    await lock.announce("http://127.0.0.1:8402");
    assert.equal(await holderOf(path), "http://127.0.0.1:8402");
    lock.release();
    assert.equal(await holderOf(path), null);
  });
});
