import assert from "node:assert/strict";
import { ok, playInstance } from "../../../worlds/sandbox/played_instance.ts";
import { until } from "../../../worlds/sandbox/played_server.ts";
import { ServerConnection } from "./connection.ts";
import { ConnectionPool } from "./connection_pool.ts";

async function withConnections(
  count: number,
  work: (
    connections: ServerConnection[],
    instance: ReturnType<typeof playInstance>,
  ) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const instance = playInstance({
    number: 1,
    dir,
    onOutput() {},
    handle: ({ write }) => write(ok()),
  });
  const opening = Array.from({ length: count }, () => ServerConnection.open(instance.socketPath));
  try {
    await work(await Promise.all(opening), instance);
  } finally {
    await instance.close();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("the connection that was used last is used first", async () => {
  await withConnections(2, async ([one, two]) => {
    const pool = new ConnectionPool();
    assert.equal(pool.take(0), null);
    assert.equal(pool.put(one!, 0), 1_000);
    pool.put(two!, 10);
    assert.equal(pool.take(20), two);
    assert.equal(pool.take(20), one);
    assert.equal(pool.take(20), null);
    one!.close();
    two!.close();
    await Promise.resolve();
  });
});

Deno.test("those kept for too long are closed, asked for or not", async () => {
  await withConnections(3, async ([one, two, three], instance) => {
    const pool = new ConnectionPool();
    pool.put(one!, 0);
    pool.put(two!, 500);
    assert.equal(pool.sweep(999), 1_000);
    assert.equal(pool.sweep(1_000), 1_500);
    assert.deepEqual([one!.isOpen, two!.isOpen], [false, true]);
    await until(() => instance.connections() === 2);
    assert.equal(pool.take(1_500), null);
    assert.equal(two!.isOpen, false);
    pool.put(three!, 2_000);
    pool.clear();
    assert.equal(three!.isOpen, false);
    assert.equal(pool.sweep(2_000), Infinity);
    await until(() => instance.connections() === 0);
  });
});

Deno.test("one that its server closed is not given out", async () => {
  await withConnections(2, async ([one, two], instance) => {
    const pool = new ConnectionPool();
    pool.put(one!, 0);
    pool.put(two!, 0);
    await until(() => instance.connections() === 2);
    instance.die();
    await until(() => !one!.isOpen && !two!.isOpen);
    assert.equal(pool.take(1), null);
  });
});
