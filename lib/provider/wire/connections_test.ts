import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import {
  ANSWER_REST_TIMEOUT_MS,
  CONNECTIONS_MAX,
  HEAD_TIMEOUT_MS,
  IDLE_CONNECTION_MS,
  NETWORK_CONNECTIONS_MAX,
} from "../../limits.ts";
import { Connections } from "./connections.ts";

/** A socket as far as connections are kept by it. */
class PlayedSocket extends EventEmitter {
  readonly done: string[] = [];
  keepAlive: unknown[] = [];
  writable = true;

  constructor(readonly remoteAddress: string) {
    super();
  }

  destroy(): void {
    if (this.done.includes("destroyed")) return;
    this.done.push("destroyed");
    queueMicrotask(() => this.emit("close"));
  }

  setKeepAlive(...how: unknown[]): void {
    this.keepAlive = how;
  }

  destroySoon(): void {
    this.destroy();
  }

  resetAndDestroy(): void {
    this.done.push("reset");
  }

  write(text: string): void {
    this.done.push(text.slice(0, "HTTP/1.1 408".length));
  }

  end(): void {}
}

const NOBODY = { leave() {}, breakOff() {} };

function open() {
  const clock = { now: 0 };
  const connections = new Connections({
    networkOf: (address) => address === "127.0.0.1" ? null : address.slice(0, 6),
    now: () => clock.now,
  });
  const admit = (address = "127.0.0.1") => {
    const socket = new PlayedSocket(address);
    connections.admit(socket as unknown as Socket);
    return { socket, connection: connections.of(socket as unknown as Socket) };
  };
  const pass = (ms: number) => {
    clock.now += ms;
    connections.sweep();
  };
  return { connections, admit, pass, [Symbol.asyncDispose]: () => connections.drain(0) };
}

Deno.test("one network has so many connections, and others have theirs", async () => {
  await using world = open();
  const own = Array.from(
    { length: NETWORK_CONNECTIONS_MAX },
    (_, host) => world.admit(`10.0.0.${host}`),
  );
  assert.ok(own.every(({ connection }) => connection));
  assert.deepEqual(world.admit("10.0.0.9").socket.done, ["destroyed"]);
  assert.ok(world.admit("10.1.0.1").connection);
  own[0]!.socket.destroy();
  await Promise.resolve();
  assert.ok(world.admit("10.0.0.9").connection);
});

Deno.test("a connection's peer is asked whether it is still there", async () => {
  await using world = open();
  assert.deepEqual(world.admit().socket.keepAlive, [true, 30_000]);
});

Deno.test("beyond the most the longest idle makes room, and nothing that is served does", async () => {
  await using world = open();
  const first = world.admit();
  first.connection!.serve(NOBODY);
  world.pass(1);
  const idle = world.admit();
  world.pass(1);
  const others = Array.from({ length: CONNECTIONS_MAX - 2 }, () => world.admit());
  assert.ok(world.admit().connection);
  assert.deepEqual([first.socket.done, idle.socket.done], [[], ["destroyed"]]);
  for (const { connection } of others) connection!.serve(NOBODY);
});

Deno.test("a connection may do nothing for so long, by what it does", async () => {
  await using world = open();
  const [early, idle, ending, serving] = [1, 2, 3, 4].map(() => world.admit());
  idle!.connection!.finish();
  serving!.connection!.serve(NOBODY);
  ending!.connection!.serve(NOBODY);
  ending!.connection!.end();
  world.pass(HEAD_TIMEOUT_MS);
  assert.deepEqual(early!.socket.done, []);
  world.pass(1);
  assert.deepEqual(early!.socket.done, ["HTTP/1.1 408"]);
  world.pass(ANSWER_REST_TIMEOUT_MS - HEAD_TIMEOUT_MS);
  assert.deepEqual(ending!.socket.done, ["reset", "destroyed"]);
  world.pass(IDLE_CONNECTION_MS - ANSWER_REST_TIMEOUT_MS);
  assert.deepEqual(idle!.socket.done, ["destroyed"]);
  assert.deepEqual(serving!.socket.done, []);
});

Deno.test("a caller that closes its half, or all, has left", async () => {
  await using world = open();
  for (const event of ["end", "close"]) {
    const { socket, connection } = world.admit();
    let left = 0;
    connection!.serve({ ...NOBODY, leave: () => left += 1 });
    socket.emit(event);
    assert.equal(left, 1);
  }
});

Deno.test("the end waits for what is served, for as long as it is told", async () => {
  const world = open();
  const idle = world.admit();
  const serving = world.admit();
  serving.connection!.serve(NOBODY);
  const drained = world.connections.drain(60_000);
  assert.deepEqual([idle.socket.done, serving.socket.done], [["destroyed"], []]);
  assert.deepEqual(world.admit().socket.done, ["destroyed"]);
  serving.connection!.finish();
  await drained;
  const late = open();
  const stuck = late.admit();
  stuck.connection!.serve(NOBODY);
  await late.connections.drain(1);
  assert.deepEqual(stuck.socket.done, ["destroyed"]);
});
