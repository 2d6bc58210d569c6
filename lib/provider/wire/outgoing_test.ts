import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { createHash, randomBytes } from "node:crypto";
import { certificateFiles } from "../../../worlds/certificate.ts";
import { openWire, textAnswer } from "../../../worlds/wire.ts";
import { free } from "../../byte_source.ts";
import type { AnswerStream } from "../http/request.ts";

const HEAD = "Host: a\r\nConnection: close\r\n\r\n";

/** A body in these chunks; an error at its end breaks it off. */
function streamed(chunks: (string | Error)[]): AnswerStream & { cancelled: number } {
  return {
    cancelled: 0,
    ended: Promise.resolve(),
    read() {
      const chunk = chunks.shift() ?? null;
      if (chunk instanceof Error) return Promise.reject(chunk);
      return Promise.resolve(chunk === null ? null : new TextEncoder().encode(chunk));
    },
    cancel() {
      this.cancelled += 1;
      return Promise.resolve();
    },
  };
}

Deno.test("an answer's length is said where it is known, and no body where there may be none", async () => {
  const statuses: [string, number, RegExp, string][] = [
    ["GET", 200, /content-length: 3\r\n/, "abc"],
    ["HEAD", 200, /content-length: 3\r\n/, ""],
    ["GET", 204, /^(?!.*content-length)/s, ""],
    ["GET", 304, /^(?!.*content-length)/s, ""],
  ];
  for (const [method, status, head, body] of statuses) {
    await using wire = await openWire(() => Promise.resolve(textAnswer("abc", status)));
    const [top, rest] = (await wire.say(`${method} / HTTP/1.1\r\n${HEAD}`)).split("\r\n\r\n");
    assert.match(`${top}\r\n`, head, `${method} ${status}`);
    assert.equal(rest, body, `${method} ${status}`);
  }
});

Deno.test("an answer without a body says so, but to HEAD, which it would lie to", async () => {
  await using wire = await openWire(() =>
    Promise.resolve({ status: 200, headers: [], body: null })
  );
  assert.match(await wire.say(`GET / HTTP/1.1\r\n${HEAD}`), /content-length: 0\r\n/);
  assert.doesNotMatch(await wire.say(`HEAD / HTTP/1.1\r\n${HEAD}`), /content-length/);
});

Deno.test("repeated fields stay apart, in their order", async () => {
  await using wire = await openWire(() =>
    Promise.resolve({
      status: 200,
      headers: [["set-cookie", "a=1"], ["x", "y"], ["set-cookie", "b=2"]],
      body: null,
    })
  );
  assert.match(
    await wire.say(`GET / HTTP/1.1\r\n${HEAD}`),
    /set-cookie: a=1\r\nx: y\r\nset-cookie: b=2\r\n/,
  );
});

Deno.test("a stream is framed in HTTP/1.1, and ends with its connection in HTTP/1.0", async () => {
  await using wire = await openWire(() =>
    Promise.resolve({ status: 200, headers: [], body: streamed(["ab", "c"]) })
  );
  assert.match(await wire.say(`GET / HTTP/1.1\r\n${HEAD}`), /2\r\nab\r\n1\r\nc\r\n0\r\n\r\n$/);
  assert.match(await wire.say("GET / HTTP/1.0\r\n\r\n"), /\r\n\r\nabc$/);
});

Deno.test("a stream is told to have ended while its caller's body is still to come", async () => {
  await using wire = await openWire(() =>
    Promise.resolve({ status: 200, headers: [], body: streamed(["ab", "c"]) })
  );
  await using socket = await wire.connect();
  await socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
  assert.match(await socket.readUntil("\r\n0\r\n\r\n"), /2\r\nab\r\n1\r\nc\r\n0\r\n\r\n$/);
  await socket.write("xyz");
  assert.equal(await socket.read(), null, "and told so once");
  assert.match(await wire.say("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n"), /\r\n\r\nabc$/);
});

Deno.test("an answer that is cut off is seen to be, in HTTP/1.0 too", async () => {
  for (const protocol of ["HTTP/1.0", "HTTP/1.1"]) {
    await using wire = await openWire(() =>
      Promise.resolve({ status: 200, headers: [], body: streamed(["half", new Error("a limit")]) })
    );
    const logged = wire.logged("an answer was cut off");
    await assert.rejects(wire.say(`GET / ${protocol}\r\n${HEAD}`), Deno.errors.ConnectionReset);
    assert.equal((await logged).level, "error");
  }
});

Deno.test("a caller that goes away while its answer goes out is told of", async () => {
  const body = streamed([]);
  const cancelled = Promise.withResolvers<void>();
  body.read = () => new Promise((resolve) => setTimeout(resolve, 1, new Uint8Array(65_536)));
  body.cancel = () => Promise.resolve(cancelled.resolve());
  await using wire = await openWire(() => Promise.resolve({ status: 200, headers: [], body }));
  const socket = await wire.connect();
  await socket.write(`GET / HTTP/1.1\r\n${HEAD}`);
  await socket.read();
  socket.close();
  await cancelled.promise;
});

Deno.test("a stream whose length is known is told it, and held to it", async () => {
  const tell = (chunks: string[], bodyBytes: number) => () =>
    Promise.resolve({ status: 200, headers: [], body: streamed(chunks), bodyBytes });
  await using wire = await openWire(tell(["ab", "c"], 3));
  for (const version of ["1.0", "1.1"]) {
    await using whole = await openWire(tell(["ab", "c"], 3));
    const answer = await whole.say(`GET / HTTP/${version}\r\n${HEAD}`);
    assert.match(answer, /\r\ncontent-length: 3\r\n.*\r\n\r\nabc$/s);
    assert.doesNotMatch(answer, /transfer-encoding/i);
  }
  for (const chunks of [["ab"], ["ab", "cd"]]) {
    await using other = await openWire(tell(chunks, 3));
    const cut = other.logged("an answer was cut off");
    await assert.rejects(other.say(`GET / HTTP/1.1\r\n${HEAD}`), Deno.errors.ConnectionReset);
    await cut;
  }
  await using socket = await wire.connect();
  await socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
  assert.match(await socket.readUntil("abc"), /content-length: 3\r\n/);
  await socket.write("xyz");
  assert.equal(await socket.read(), null);
});

Deno.test("what there would be of a body is told to HEAD and with a 304", async () => {
  for (const [method, status] of [["HEAD", 200], ["GET", 304]] as const) {
    const answer = { status, headers: [], body: null, bodyBytes: 7 };
    await using wire = await openWire(() => Promise.resolve(answer));
    const said = await wire.say(`${method} / HTTP/1.1\r\n${HEAD}`);
    assert.match(said, /\r\ncontent-length: 7\r\n.*\r\n\r\n$/s, method);
  }
});

Deno.test("fields behind a body go out behind it, where it is framed so that they can", async () => {
  let isOver = false;
  await using wire = await openWire(() => {
    const body = streamed(["ab"]);
    const { read } = body;
    body.read = async () => {
      const chunk = await read();
      isOver = chunk === null;
      return chunk;
    };
    const trailers = () => {
      assert.ok(isOver);
      return [["x-sum", "1"], ["x-other", "2"]] as [string, string][];
    };
    return Promise.resolve({ status: 200, headers: [], body, trailers });
  });
  assert.match(
    await wire.say(`GET / HTTP/1.1\r\n${HEAD}`),
    /2\r\nab\r\n0\r\nx-sum: 1\r\nx-other: 2\r\n\r\n$/,
  );
  assert.match(await wire.say("GET / HTTP/1.0\r\n\r\n"), /\r\n\r\nab$/);
});

const SIZES = [1, 70_000, 200, 300_000, 1_000_000, 40_000, 262_136, 262_136, 3];

/** Random chunks, each of which is freed when it has been sent. */
function freed() {
  const chunks = SIZES.map((size) => new Uint8Array(randomBytes(size)));
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  const sent: number[] = [];
  let next = 0;
  const body: AnswerStream = {
    ended: Promise.resolve(),
    read: () => Promise.resolve(chunks[next++] ?? null),
    cancel: () => Promise.resolve(),
    sent(chunk) {
      sent.push(chunk.length);
      free(chunk);
    },
  };
  return { body, sent, sha256: hash.digest("hex") };
}

Deno.test("each chunk is told to be sent once it is, so that its memory may go", async () => {
  await using files = await certificateFiles("p.example");
  const caCerts = [await Deno.readTextFile(files.cert)];
  using client = Deno.createHttpClient({ caCerts, http2: false });
  for (const tls of [null, files]) {
    const { body, sent, sha256 } = freed();
    await using wire = await openWire(
      () => Promise.resolve({ status: 200, headers: [], body }),
      tls,
    );
    const came = await (await fetch(wire.url, { client })).bytes();
    assert.equal(createHash("sha256").update(came).digest("hex"), sha256, wire.url);
    assert.deepEqual(sent, SIZES);
  }
});

Deno.test("chunks that are freed when they were sent come whole over HTTP/2, to a slow reader too", async () => {
  await using files = await certificateFiles("p.example");
  const { body, sent, sha256 } = freed();
  await using wire = await openWire(
    () => Promise.resolve({ status: 200, headers: [], body }),
    files,
  );
  const session = connectHttp2(wire.url, { rejectUnauthorized: false });
  const stream = session.request({ ":path": "/" });
  const hash = createHash("sha256");
  for await (const chunk of stream) {
    hash.update(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  }
  session.destroy();
  assert.equal(hash.digest("hex"), sha256);
  assert.deepEqual(sent, SIZES);
});
