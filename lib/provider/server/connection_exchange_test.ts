import assert from "node:assert/strict";
import { type ByteSource, chunksSource } from "../../byte_source.ts";
import { bytesOf } from "../../../worlds/scripted_server.ts";
import { bodyOf, connected } from "../../../worlds/server_connection.ts";
import { serverRequest } from "../../../worlds/server_request.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { KhachapuriError } from "../../errors.ts";
import { SERVER_INTERIM_ANSWERS_MAX } from "../../limits_of_servers.ts";
import { isUnanswered, isUnwritten } from "./connection.ts";

const HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

function post(body: ByteSource, bodyBytes: number | null = null) {
  return serverRequest({ method: "POST", body, bodyBytes });
}

/** A source that gives nothing before it is told to, or cancelled. */
function waitingSource() {
  const given = Promise.withResolvers<Uint8Array | null>();
  let cancelled = 0;
  const source: ByteSource = {
    read: () => given.promise,
    cancel: () => {
      cancelled++;
      given.resolve(null);
    },
  };
  return { source, cancelled: () => cancelled, fail: given.reject };
}

/** Sends a request that is answered with these octets, and then with the end. */
async function answeredWith(octets: string) {
  await using its = await connected();
  const response = its.connection.send(serverRequest());
  response.catch(() => {});
  await its.server.until("\r\n\r\n");
  await its.server.write(octets);
  its.server.close();
  return await bodyOf(await response);
}

Deno.test("a small body goes out with its head, and its answer comes", async () => {
  await using its = await connected();
  const answer = its.connection.send(post(chunksSource([bytesOf("abc")]), 3));
  assert.equal(
    await its.server.some(),
    "POST / HTTP/1.1\r\nhost: example.org\r\nContent-Length: 3\r\n\r\nabc",
  );
  await its.server.write(HELLO);
  const { status, fields, bodyBytes, tunnel, ...response } = await answer;
  assert.deepEqual([status, fields, bodyBytes, tunnel], [200, [["content-length", "5"]], 5, null]);
  assert.deepEqual(response.trailers(), []);
  assert.deepEqual(its.freed, [true]);
});

Deno.test("a body of no bytes is not waited for", async () => {
  await using its = await connected();
  const { source, cancelled } = waitingSource();
  const answer = its.connection.send(post(source, 0));
  const head = "POST / HTTP/1.1\r\nhost: example.org\r\nContent-Length: 0\r\n\r\n";
  assert.equal(await its.server.some(), head);
  assert.equal(cancelled(), 1);
  await its.server.write(HELLO);
  assert.equal((await answer).status, 200);
  assert.deepEqual(its.freed, [true]);
});

Deno.test("an answer comes as it is written, and its trailers behind it", async () => {
  await using its = await connected();
  const answer = its.connection.send(serverRequest());
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  const response = await answer;
  assert.equal(response.bodyBytes, null);
  for (const text of ["a", "bc"]) {
    await its.server.write(`${text.length}\r\n${text}\r\n`);
    assert.deepEqual(await response.read(), bytesOf(text));
  }
  assert.deepEqual([response.trailers(), its.freed], [[], []]);
  await its.server.write("0\r\nT: u\r\n\r\n");
  assert.equal(await response.read(), null);
  assert.deepEqual([response.trailers(), its.freed], [[["t", "u"]], [true]]);
  assert.equal(await response.read(), null);
});

Deno.test("bytes go both ways at once", async () => {
  await using its = await connected();
  const parts = ["a", "b"];
  const wanted = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const body: ByteSource = {
    async read() {
      const part = parts.shift();
      if (part) await wanted.shift()!.promise;
      return part ? bytesOf(part) : null;
    },
    cancel() {},
  };
  const [first, second] = [...wanted];
  const answer = its.connection.send(post(body, 2));
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  const response = await answer;
  for (const [part, want] of [["a", first!], ["b", second!]] as const) {
    want.resolve();
    assert.equal(await its.server.until(part), part);
    await its.server.write(part);
    assert.deepEqual(await response.read(), bytesOf(part));
  }
  // It answered before it knew all that was asked: who knows what it takes for the next request.
  assert.deepEqual(its.freed, [false]);
});

Deno.test("interim answers are dropped, to a number", async () => {
  const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
  const most = interim.repeat(SERVER_INTERIM_ANSWERS_MAX / 2);
  assert.equal(await answeredWith(most + HELLO), "hello");
  await assert.rejects(answeredWith(`${most}HTTP/1.1 102 Processing\r\n\r\n${HELLO}`), {
    code: "program_failed",
    message: /more than 16 interim answers/,
  });
  const framed = "HTTP/1.1 100 Continue\r\nContent-Length: 5, 5\r\n\r\n";
  await assert.rejects(answeredWith(framed + HELLO), { code: "program_failed" });
});

Deno.test("an answer that breaks off fails, and says where", async () => {
  const message = "the program broke off its answer after 4 of 5 bytes";
  await assert.rejects(answeredWith(HELLO.slice(0, -1)), { code: "program_failed", message });
  await assert.rejects(answeredWith("HTTP/1.1 200 OK\r\nA:"), {
    code: "program_failed",
    message: "the program sent a malformed answer: its head is cut off",
  });
});

Deno.test("an answer until the end of its connection, which broke, is no whole one", async () => {
  await using its = await connected();
  const body = chunksSource([new Uint8Array(1 << 16), new Uint8Array(1 << 16)]);
  const answer = its.connection.send(post(body, 1 << 17));
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 200 OK\r\n\r\nhello");
  const response = await answer;
  assert.deepEqual(await response.read(), bytesOf("hello"));
  // A socket that is closed with something unread in it is reset.
  its.server.close();
  await assert.rejects(response.read(), { code: "program_failed" });
  assert.deepEqual(its.freed, [false]);
});

Deno.test("without a byte of an answer the request may have been at work", async () => {
  await using its = await connected();
  const answer = its.connection.send(serverRequest());
  await its.server.until("\r\n\r\n");
  its.server.close();
  const error = await answer.catch((error) => error);
  assert.equal(error.message, "the program closed the connection without an answer");
  assert.deepEqual([isUnanswered(error), isUnwritten(error)], [true, false]);
  assert.deepEqual(its.freed, [false]);
});

Deno.test("with a byte of an answer it is not unanswered", async () => {
  const error = await answeredWith("H").catch((error) => error);
  assert.deepEqual([isUnanswered(error), isUnwritten(error)], [false, false]);
});

Deno.test("what could not be written was not", async () => {
  await using its = await connected();
  its.server.close();
  // The end was not heard of: the request is written to nobody.
  const error = await its.connection.send(serverRequest()).catch((error) => error);
  assert.deepEqual([isUnanswered(error), isUnwritten(error)], [true, true]);
  assert.deepEqual(its.freed, [false]);
});

Deno.test("an answer before the body's end counts, and the rest is not sent", async () => {
  await using its = await connected();
  const { source, cancelled } = waitingSource();
  const answer = its.connection.send(post(source, 3));
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
  assert.equal((await answer).status, 413);
  assert.equal(cancelled(), 1);
  assert.deepEqual(its.freed, [false]);
  assert.equal(await its.server.some(), null);
});

Deno.test("a server that takes no more may still answer", async () => {
  await using its = await connected();
  const body = chunksSource(Array.from({ length: 64 }, () => new Uint8Array(1 << 16)));
  const answer = its.connection.send(post(body));
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge");
  its.server.close();
  assert.equal(await bodyOf(await answer), "large");
  assert.deepEqual(its.freed, [false]);
});

Deno.test("a body whose source fails cuts the connection, and its error is the request's", async () => {
  await using its = await connected();
  const { source, fail } = waitingSource();
  const answer = its.connection.send(post(source, 3));
  await its.server.until("\r\n\r\n");
  const reason = new KhachapuriError("invalid_input", "0 bytes of the request body came");
  fail(reason);
  await assert.rejects(answer, reason);
  assert.equal(isUnanswered(reason), false);
  assert.deepEqual([await its.server.some(), its.freed], [null, [false]]);
});

Deno.test("a body whose source fails fails the answer that has begun", async () => {
  await using its = await connected();
  const { source, fail } = waitingSource();
  const answer = its.connection.send(post(source));
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  const response = await answer;
  const reason = new KhachapuriError("invalid_input", "0 bytes of the request body came");
  fail(reason);
  assert.equal(await its.server.rest(), "");
  assert.deepEqual(await response.read(), bytesOf("he"));
  await assert.rejects(response.read(), reason);
});

Deno.test("who gives an answer up cuts its connection, unless it is over", async () => {
  await using its = await connected();
  const send = async (octets: string) => {
    const answer = its.connection.send(serverRequest());
    await its.server.until("\r\n\r\n");
    await its.server.write(octets);
    return await answer;
  };
  const whole = await send(HELLO);
  whole.cancel();
  assert.equal(await whole.read(), null);
  assert.deepEqual(its.freed, [true]);

  const part = await send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  whole.cancel();
  assert.deepEqual(its.freed, [true]);
  const waiting = part.read();
  part.cancel();
  assert.deepEqual([await waiting, await part.read(), its.freed], [null, null, [true, false]]);
  assert.equal(await its.server.some(), null);
});

Deno.test("what nobody reads is not taken off the server", async () => {
  await using its = await connected();
  const answer = its.connection.send(serverRequest());
  await its.server.until("\r\n\r\n");
  await its.server.write("HTTP/1.1 200 OK\r\n\r\n");
  let written = 0;
  const flood = (async () => {
    for (; written < 1 << 24; written += 1 << 14) await its.server.write("x".repeat(1 << 14));
    its.server.close();
  })();
  const response = await answer;
  await aWhile();
  const before = written;
  assert.ok(before < 1 << 20, `${before} bytes were taken`);
  await aWhile();
  assert.equal(written, before);
  let read = 0;
  for (let chunk = await response.read(); chunk; chunk = await response.read()) {
    read += chunk.length;
    assert.ok(written - read < 1 << 20, `${written - read} bytes were taken ahead`);
  }
  await flood;
  assert.equal(read, 1 << 24);
});

Deno.test("what the server does not read is not taken off the caller", async () => {
  await using its = await connected();
  let taken = 0;
  const body: ByteSource = {
    read: () => Promise.resolve(taken++ < 1_024 ? new Uint8Array(1 << 14) : null),
    cancel() {},
  };
  const answer = its.connection.send(post(body, 1 << 24));
  await its.server.until("\r\n\r\n");
  await aWhile();
  const before = taken;
  assert.ok(before < 64, `${before} chunks were taken`);
  await aWhile();
  assert.equal(taken, before);
  let read = 0;
  for (; read < 1 << 24;) read += (await its.server.some())!.length;
  await its.server.write(HELLO);
  assert.equal(await bodyOf(await answer), "hello");
  assert.deepEqual(its.freed, [true]);
});
