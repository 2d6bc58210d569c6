import assert from "node:assert/strict";
import { Connection, toOctets } from "./connection.ts";

const DEADLINE_MS = 5_000;

/** What is read of these octets, which a server sends before it ends the connection. */
async function readFrom(octets: string, method = "GET") {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sent = listener.accept().then(async (conn) => {
    await conn.write(toOctets(octets));
    conn.close();
  });
  using connection = await Connection.open(listener.addr.port);
  await sent;
  const answer = await connection.readAnswer(method, DEADLINE_MS);
  return { ...answer, ending: await connection.readEnd(DEADLINE_MS) };
}

Deno.test("answers are read by each framing, and a part is no whole", async () => {
  const read = async (octets: string, method?: string) => {
    const { body, framing, isWhole } = await readFrom(`HTTP/1.1 200 OK\r\n${octets}`, method);
    return [body, framing, isWhole];
  };
  assert.deepEqual(await read("content-length: 3\r\n\r\nabc"), ["abc", "length", true]);
  assert.deepEqual(await read("content-length: 4\r\n\r\nabc"), ["abc", "length", false]);
  const chunked = "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
  assert.deepEqual(await read(`${chunked}0\r\n\r\n`), ["abc", "chunked", true]);
  assert.deepEqual(await read(`${chunked}0\r\n`), ["abc", "chunked", false]);
  assert.deepEqual(await read(chunked), ["abc", "chunked", false]);
  assert.deepEqual(await read("\r\nabc"), ["abc", "close", true]);
  assert.deepEqual(await read("content-length: 3\r\n\r\n", "HEAD"), ["", "none", true]);
});

Deno.test("an answer that is malformed fails", async () => {
  for (
    const octets of [
      "HTTP/1.1 200\r\n\r\n",
      "HTTP/1.1 200 OK\ncontent-length: 0\n\n\r\n\r\n",
      "HTTP/1.1 200 OK\r\nx-a : b\r\n\r\n",
      "HTTP/1.1 200 OK\r\nx-a: b\rc\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\n\r\nabc",
      "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcd",
    ]
  ) await assert.rejects(readFrom(octets), assert.AssertionError, JSON.stringify(octets));
});
