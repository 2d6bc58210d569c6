import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { chunksSource } from "../../byte_source.ts";
import { openScriptedServer } from "../../../worlds/scripted_server.ts";
import { bodyOf, type Connected, connected } from "../../../worlds/server_connection.ts";
import { serverRequest } from "../../../worlds/server_request.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { isUnanswered, isUnwritten, ServerConnection } from "./connection.ts";

const HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/** Sends a request, which the server answers so; returns the whole body. */
async function exchange(its: Connected, octets: string, method = "GET"): Promise<string> {
  const answer = its.connection.send(serverRequest({ method }));
  await its.server.until("\r\n\r\n");
  await its.server.write(octets);
  return await bodyOf(await answer);
}

/** What is in use when everything that is not was collected. */
function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return Deno.memoryUsage().heapUsed;
}

Deno.test("one request goes after another", async () => {
  await using its = await connected();
  assert.equal(its.connection.isOpen, true);
  for (let count = 1; count <= 3; count++) {
    assert.equal(await exchange(its, HELLO), "hello");
    assert.equal(its.freed.length, count);
    assert.equal(its.connection.isOpen, true);
  }
  assert.deepEqual(its.freed, [true, true, true]);
});

Deno.test("the next request may be sent where the last is told to be over", async () => {
  await using its = await connected();
  const next = Promise.withResolvers<string>();
  its.connection.whenFree(() => {
    its.connection.whenFree(() => {});
    next.resolve(exchange(its, HELLO.replace("hello", "again")));
  });
  assert.equal(await exchange(its, HELLO), "hello");
  assert.equal(await next.promise, "again");
});

Deno.test("a connection is used again only behind an answer with a clean end", async () => {
  const kept = {
    "HTTP/1.1 204 No Content\r\n\r\n": "GET",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n": "GET",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n": "HEAD",
    "HTTP/1.1 200 OK\r\nConnection: keep-alive, x\r\nContent-Length: 0\r\n\r\n": "GET",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n": "GET",
  };
  for (const [octets, method] of Object.entries(kept)) {
    await using its = await connected();
    await exchange(its, octets, method);
    assert.deepEqual([its.freed, its.connection.isOpen], [[true], true], octets);
  }
  for (
    const octets of [
      "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nX",
      `${HELLO}${HELLO}`,
      "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    ]
  ) {
    await using its = await connected();
    await exchange(its, octets);
    assert.deepEqual([its.freed, its.connection.isOpen], [[false], false], octets);
    assert.equal(await its.server.some(), null);
  }
});

Deno.test("an answer that its connection's end ends is whole, and the last", async () => {
  await using its = await connected();
  const answer = its.connection.send(serverRequest());
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 200 OK\r\n\r\nhello");
  await its.server.end();
  assert.equal(await bodyOf(await answer), "hello");
  assert.deepEqual(its.freed, [false]);
});

Deno.test("a connection that the server closes while idle is gone", async () => {
  await using its = await connected();
  await exchange(its, HELLO);
  its.server.close();
  await its.gone;
  assert.equal(its.connection.isOpen, false);
  assert.deepEqual(its.freed, [true]);
});

Deno.test("a connection on which comes what nobody asked for is gone", async () => {
  for (const isFresh of [true, false]) {
    await using its = await connected();
    if (!isFresh) await exchange(its, HELLO);
    await its.server.write(HELLO);
    await its.gone;
    assert.equal(its.connection.isOpen, false);
    const error = await its.connection.send(serverRequest()).catch((error) => error);
    assert.equal(isUnwritten(error), true);
    assert.equal(its.freed.at(-1), false);
    assert.equal(await its.server.some(), null);
  }
});

Deno.test("a request that cannot be sent leaves the connection as it is", async () => {
  await using its = await connected();
  await assert.rejects(its.connection.send(serverRequest({ target: "/ HTTP/1.1\r\n" })), {
    code: "invalid_input",
  });
  assert.deepEqual([its.connection.isOpen, its.freed], [true, [true]]);
  assert.equal(await exchange(its, HELLO), "hello");
});

Deno.test("one request at a time", async () => {
  await using its = await connected();
  const first = its.connection.send(serverRequest());
  const error = await its.connection.send(serverRequest()).catch((error) => error);
  assert.equal(isUnwritten(error), true);
  await its.server.until("\r\n\r\n");
  await its.server.write(HELLO);
  assert.equal(await bodyOf(await first), "hello");
});

Deno.test("what is under way fails when its connection is cut", async () => {
  await using its = await connected();
  const answer = its.connection.send(serverRequest());
  await its.server.until("\r\n\r\n");
  its.connection.close();
  const error = await answer.catch((error) => error);
  assert.equal(error.message, "the connection to the program was cut");
  assert.equal(isUnanswered(error), false);
  its.connection.close();
  assert.deepEqual([its.freed, its.connection.isOpen], [[false], false]);
});

Deno.test("an answer that has begun fails when its connection is cut", async () => {
  await using its = await connected();
  const answer = its.connection.send(serverRequest());
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  const reading = (await answer).read();
  its.connection.close();
  await assert.rejects(reading, { message: "the connection to the program was cut" });
});

Deno.test("a connection that is cut while a body goes out ends for the server too", async () => {
  await using its = await connected();
  const body = chunksSource(Array.from({ length: 64 }, () => new Uint8Array(1 << 16)));
  const answer = its.connection.send(serverRequest({ method: "PUT", body }));
  await its.server.until("\r\n\r\n");
  // The socket is full: a write waits.
  await aWhile();
  its.connection.close();
  await assert.rejects(answer, { message: "the connection to the program was cut" });
  await its.server.rest();
});

Deno.test("where nobody listens nothing is written", async () => {
  const server = await openScriptedServer();
  await server[Symbol.asyncDispose]();
  const error = await ServerConnection.open(server.path).catch((error) => error);
  assert.equal(error.message, "the program takes no connections");
  assert.deepEqual([error.code, isUnwritten(error)], ["program_failed", true]);
});

Deno.test("a full queue of connections is waited for", async () => {
  await using server = await openScriptedServer();
  const waiting: Deno.UnixConn[] = [];
  await assert.rejects(async () => {
    while (true) waiting.push(await Deno.connect({ transport: "unix", path: server.path }));
  }, Deno.errors.WouldBlock);
  const opening = ServerConnection.open(server.path);
  await aWhile();
  // One at the head of the queue is taken, which makes room.
  await server.accept();
  (await opening).close();
  for (const connection of waiting) connection.close();
});

Deno.test("requests leave nothing behind", async () => {
  await using its = await connected();
  const some = async (count: number) => {
    for (let sent = 0; sent < count; sent++) await exchange(its, HELLO);
    return heapBytes();
  };
  const before = await some(1_000);
  const bytes = await some(10_000) - before;
  assert.ok(bytes < 10_000 * 50, `${bytes} bytes stayed`);
});
