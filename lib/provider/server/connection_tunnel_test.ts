import assert from "node:assert/strict";
import { bytesOf, textOf } from "../../../worlds/scripted_server.ts";
import { type Connected, connected } from "../../../worlds/server_connection.ts";
import { serverRequest } from "../../../worlds/server_request.ts";
import { aWhile } from "../../../worlds/turns.ts";

const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n";

async function tunnelled(its: Connected, behind = "") {
  const answer = its.connection.send(serverRequest({ upgrade: "websocket" }));
  await its.server.until("\r\n\r\n");
  await its.server.write(`${SWITCH}\r\n${behind}`);
  const response = await answer;
  assert.deepEqual([response.status, response.bodyBytes], [101, null]);
  assert.equal(await response.read(), null);
  return response.tunnel!;
}

async function read(tunnel: { read(): Promise<Uint8Array | null> }): Promise<string | null> {
  const bytes = await tunnel.read();
  return bytes && textOf(bytes);
}

Deno.test("what came behind the head comes first, and then bytes go both ways", async () => {
  await using its = await connected();
  const tunnel = await tunnelled(its, "hello");
  assert.equal(await read(tunnel), "hello");
  await tunnel.write(bytesOf("HTTP/1.1 200 OK"));
  assert.equal(await its.server.until("OK"), "HTTP/1.1 200 OK");
  await its.server.write("more");
  assert.equal(await read(tunnel), "more");
  assert.deepEqual([its.freed, its.connection.isOpen], [[], false]);
  tunnel.close();
  tunnel.close();
  assert.deepEqual(its.freed, [false]);
  assert.equal(await its.server.some(), null);
});

Deno.test("what was read stays as it is", async () => {
  await using its = await connected();
  const tunnel = await tunnelled(its, "hello");
  const first = await tunnel.read();
  await its.server.write("x".repeat(5_000));
  const others = [await tunnel.read(), await tunnel.read()];
  assert.equal(textOf(first!), "hello");
  for (const other of others) assert.match(textOf(other!), /^x+$/);
});

Deno.test("a tunnel ends with its other end", async () => {
  await using its = await connected();
  const tunnel = await tunnelled(its);
  const reading = tunnel.read();
  await its.server.end();
  assert.equal(await reading, null);
  await tunnel.write(bytesOf("still"));
  assert.equal(await its.server.until("still"), "still");
  its.server.close();
  await assert.rejects(
    async () => {
      while (true) await tunnel.write(new Uint8Array(1_000));
    },
    { code: "program_failed", message: "the connection to the program broke" },
  );
  tunnel.close();
});

Deno.test("who reads a tunnel that is closed is told that it is over", async () => {
  await using its = await connected();
  const tunnel = await tunnelled(its);
  const reading = tunnel.read();
  tunnel.close();
  assert.deepEqual([await reading, await tunnel.read()], [null, null]);
  await assert.rejects(tunnel.write(bytesOf("x")), { code: "program_failed" });
});

Deno.test("a tunnel breaks with its connection", async () => {
  await using its = await connected();
  const tunnel = await tunnelled(its);
  const reading = tunnel.read();
  its.connection.close();
  await assert.rejects(reading, { code: "program_failed" });
  assert.deepEqual(its.freed, [false]);
});

Deno.test("a tunnel takes no more than is read, and no more than there is room for", async () => {
  await using its = await connected();
  const tunnel = await tunnelled(its);
  let written = 0;
  const flood = (async () => {
    for (; written < 1 << 22; written += 1 << 14) await its.server.write("x".repeat(1 << 14));
    await its.server.end();
  })();
  await aWhile();
  assert.ok(written < 1 << 20, `${written} bytes were taken`);
  let sent = 0;
  const up = (async () => {
    for (; sent < 1 << 22; sent += 1 << 14) await tunnel.write(new Uint8Array(1 << 14));
  })();
  await aWhile();
  assert.ok(sent < 1 << 20, `${sent} bytes were sent`);
  let read = 0;
  for (let bytes = await tunnel.read(); bytes; bytes = await tunnel.read()) read += bytes.length;
  await flood;
  assert.equal(read, 1 << 22);
  for (let got = 0; got < 1 << 22;) got += (await its.server.some())!.length;
  await up;
});

Deno.test("a protocol is switched to only as it was asked", async () => {
  const websocket = { upgrade: "websocket" } as const;
  for (
    const [request, octets] of [
      [{}, `${SWITCH}\r\n`],
      [websocket, SWITCH.replace("WebSocket", "h2c") + "\r\n"],
      [websocket, "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
      [websocket, `${SWITCH}Upgrade: websocket\r\n\r\n`],
      [websocket, SWITCH.replace("1.1", "1.0") + "\r\n"],
    ] as const
  ) {
    await using its = await connected();
    const answer = its.connection.send(serverRequest(request));
    answer.catch(() => {});
    await its.server.until("\r\n\r\n");
    await its.server.write(octets);
    await assert.rejects(answer, { code: "program_failed", message: /that was not asked for/ });
    assert.deepEqual(its.freed, [false]);
  }
});

Deno.test("who asked for another protocol may be answered in this one", async () => {
  await using its = await connected();
  const answer = its.connection.send(serverRequest({ upgrade: "websocket" }));
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
  const { status, tunnel } = await answer;
  assert.deepEqual([status, tunnel, its.freed], [426, null, [true]]);
});
