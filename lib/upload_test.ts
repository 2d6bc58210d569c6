import assert from "node:assert/strict";
import { NO_BODY, type Upload, upload, type UploadBody } from "./upload.ts";

const PART = new Uint8Array(300_000).map((_, i) => i);

function bodyOf(parts: number, onSent?: (bytes: number) => void): UploadBody {
  return {
    bytes: parts * PART.length,
    parts: Array.from({ length: parts }, () => PART),
    onSent,
  };
}

/** One connection; `serve` is given what came of the head, and writes octets. */
function serveOnce(serve: (conn: Deno.TcpConn, head: string) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using conn = await listener.accept();
    const head = await readHead(conn);
    await serve(conn, head);
  })();
  const url = new URL(`http://127.0.0.1:${listener.addr.port}/there?q=1`);
  return {
    send: (request: Partial<Upload>) =>
      upload({
        url,
        method: "POST",
        headers: { "x-said": "so" },
        body: NO_BODY,
        answerBytesMax: 1_000,
        ...request,
      }),
    async [Symbol.asyncDispose]() {
      listener.close();
      await served;
    },
  };
}

async function readHead(conn: Deno.TcpConn): Promise<string> {
  const byte = new Uint8Array(1);
  let head = "";
  while (!head.endsWith("\r\n\r\n") && await conn.read(byte) !== null) {
    head += String.fromCharCode(byte[0]!);
  }
  return head;
}

async function readBody(conn: Deno.TcpConn, bytes: number): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let read = 0;
  while (read < bytes) {
    const count = await conn.read(buffer);
    if (count === null) break;
    read += count;
  }
  return read;
}

const write = (conn: Deno.TcpConn, text: string) => conn.write(new TextEncoder().encode(text));

Deno.test("a body goes out with its length, and tells how much of it has gone", async () => {
  const heads: string[] = [];
  await using server = serveOnce(async (conn, head) => {
    heads.push(head);
    const read = await readBody(conn, 2 * PART.length);
    await write(conn, `HTTP/1.1 201 Made\r\nx-read: ${read}\r\ncontent-length: 2\r\n\r\nok`);
  });
  const told: number[] = [];
  const answer = await server.send({ body: bodyOf(2, (bytes) => told.push(bytes)) });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers["x-read"], "600000");
  assert.equal(new TextDecoder().decode(answer.bytes), "ok");
  assert.match(heads[0]!, /^POST \/there\?q=1 HTTP\/1\.1\r\n/);
  assert.match(heads[0]!, /\r\nx-said: so\r\n/i);
  assert.match(heads[0]!, /\r\ncontent-length: 600000\r\n/i);
  assert.doesNotMatch(heads[0]!, /expect|transfer-encoding/i);
  assert.ok(told.length > 4, `told ${told.length} times`);
  assert.deepEqual(told, told.toSorted((a, b) => a - b));
  assert.equal(told.at(-1), 600_000);
});

Deno.test("an expected body goes when it is asked for, and not at all when it is refused", async () => {
  {
    await using server = serveOnce(async (conn, head) => {
      assert.match(head, /\r\nexpect: 100-continue\r\n/i);
      await write(conn, "HTTP/1.1 402 Pay\r\ncontent-length: 4\r\n\r\nmore");
      assert.equal(await readBody(conn, 1), 0, "no byte of the body came");
    });
    const told: number[] = [];
    const body = bodyOf(2, (bytes) => told.push(bytes));
    const answer = await server.send({ body, isExpecting: true });
    assert.deepEqual([answer.status, new TextDecoder().decode(answer.bytes)], [402, "more"]);
    assert.deepEqual(told, []);
  }
  await using server = serveOnce(async (conn) => {
    await write(conn, "HTTP/1.1 100 Continue\r\n\r\n");
    const read = await readBody(conn, PART.length);
    await write(conn, `HTTP/1.1 201 Made\r\ncontent-length: 0\r\nx-read: ${read}\r\n\r\n`);
  });
  const answer = await server.send({ body: bodyOf(1), isExpecting: true });
  assert.equal(answer.headers["x-read"], "300000");
});

Deno.test("a refusal that comes while the body goes out is read, though the rest is not taken", async () => {
  await using server = serveOnce(async (conn) => {
    await readBody(conn, 100_000);
    await write(
      conn,
      "HTTP/1.1 413 Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large",
    );
  });
  const answer = await server.send({ body: bodyOf(60) });
  assert.deepEqual([answer.status, new TextDecoder().decode(answer.bytes)], [413, "too large"]);
});

Deno.test("a connection that breaks without an answer is a failure, and so is an endless answer", async () => {
  {
    await using server = serveOnce(async (conn) => {
      await readBody(conn, 100_000);
    });
    await assert.rejects(server.send({ body: bodyOf(60) }), /reset|closed|EPIPE|hang up/i);
  }
  await using server = serveOnce(async (conn) => {
    await write(conn, `HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n${"x".repeat(2_000)}`);
  });
  await assert.rejects(server.send({}), /more than 1000 bytes/);
});

Deno.test("whoever asked may end it, and its reason is what it fails with", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  await using server = serveOnce(async (conn) => {
    await readBody(conn, 1);
    controller.abort(reason);
    await readBody(conn, Infinity).catch(() => {});
  });
  await assert.rejects(server.send({ body: bodyOf(60), signal: controller.signal }), reason);
});
