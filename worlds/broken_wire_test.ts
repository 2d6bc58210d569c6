import assert from "node:assert/strict";
import { BrokenWire } from "./broken_wire.ts";
import { turn } from "./turns.ts";

/** Says what it is told, and hears when somebody has said all. */
function startEcho() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const heard: string[] = [];
  const serving = (async () => {
    for await (const conn of listener) {
      conn.readable
        .pipeThrough(
          new TransformStream({
            transform(bytes, controller) {
              heard.push(new TextDecoder().decode(bytes));
              controller.enqueue(bytes);
            },
          }),
        )
        .pipeTo(conn.writable).catch(() => {});
    }
  })();
  return {
    port: listener.addr.port,
    heard,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving.catch(() => {});
    },
  };
}

async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const echo = stack.use(startEcho());
  const wire = stack.use(new BrokenWire(echo.port));
  const owned = stack.move();
  return {
    echo,
    wire,
    async call() {
      const conn = await Deno.connect({ port: wire.port, hostname: "127.0.0.1" });
      owned.defer(() => conn.close());
      return conn;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function say(conn: Deno.Conn, text: string): Promise<void> {
  assert.equal(await conn.write(new TextEncoder().encode(text)), text.length);
}

/** What comes next; null: nothing more does. */
async function hear(conn: Deno.Conn): Promise<string | null> {
  const buffer = new Uint8Array(100);
  const count = await conn.read(buffer).catch(() => null);
  return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
}

async function exchange(conn: Deno.Conn, text: string): Promise<string | null> {
  await say(conn, text);
  return await hear(conn);
}

Deno.test("a whole wire carries both ways, to the end", async () => {
  await using world = await openWorld();
  const conn = await world.call();
  assert.equal(await exchange(conn, "hello"), "hello");
  await conn.closeWrite();
  assert.equal(await hear(conn), null);
});

Deno.test("connections are cut at once, or after so many bytes either way, and others are not", async () => {
  await using world = await openWorld();
  const conn = await world.call();
  await exchange(conn, "hello");
  world.wire.cut();
  assert.equal(await hear(conn), null);
  for (const direction of ["up", "down"] as const) {
    const next = await world.call();
    await exchange(next, "hello");
    world.wire.cutAfter(direction, 3);
    if (direction === "down") assert.equal(await exchange(next, "gamarjoba"), "gam");
    else await say(next, "gamarjoba");
    assert.equal(await hear(next), null);
  }
  assert.equal(world.wire.cuts, 2);
  assert.equal(await exchange(await world.call(), "again"), "again");
  assert.deepEqual(world.echo.heard, ["hello", "hello", "gam", "hello", "gamarjoba", "again"]);
});

Deno.test("what a silent network swallowed never comes, and new connections do once it is well", async () => {
  await using world = await openWorld();
  const conn = await world.call();
  await exchange(conn, "hello");
  world.wire.swallow();
  await say(conn, "lost");
  const late = await world.call();
  await say(late, "lost, too");
  while (world.wire.connections < 2) await turn();
  world.wire.heal();
  assert.equal(await exchange(await world.call(), "again"), "again");
  assert.deepEqual(world.echo.heard, ["hello", "again"]);
});

Deno.test("what a network held back comes late, even of who has gone", async () => {
  await using world = await openWorld();
  const conn = await world.call();
  await exchange(conn, "hello");
  world.wire.hold();
  await say(conn, "late");
  const other = await world.call();
  await say(other, "other");
  await other.closeWrite();
  assert.deepEqual(world.echo.heard, ["hello"]);
  world.wire.heal();
  assert.equal(await hear(conn), "late");
  assert.equal(await hear(other), "other");
  assert.equal(await hear(other), null);
});

Deno.test("a client hears the end of a server that goes on listening", async () => {
  await using world = await openWorld();
  const conn = await world.call();
  await exchange(conn, "hello");
  world.wire.halfClose();
  assert.equal(await exchange(conn, "more"), null);
  await conn.closeWrite();
  const slow = await world.call();
  world.wire.delay(30);
  const from = performance.now();
  assert.equal(await exchange(slow, "slow"), "slow");
  assert.ok(performance.now() - from >= 59);
  assert.deepEqual(world.echo.heard, ["hello", "more", "slow"]);
});
