/** Requests at instances: sent again or not, out of time, given up, or lost with their instance. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { chunksSource } from "../../byte_source.ts";
import { KhachapuriError } from "../../errors.ts";
import { refusal } from "../../../worlds/refusal.ts";
import { ok, type PlayedRequest } from "../../../worlds/sandbox/played_instance.ts";
import {
  type PlayedServer,
  playServer,
  textOf,
  until,
} from "../../../worlds/sandbox/played_server.ts";
import { makeFolder } from "../../../worlds/home.ts";
import { serverRequest } from "../../../worlds/server_request.ts";
import { aWhile, turn } from "../../../worlds/turns.ts";
import { ServerConnection } from "./connection.ts";
import { type RequestHost, SentRequest } from "./sent_request.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Moves the clock until `work` is over: some of it waits to hear whether an instance is dead. */
async function onTheClock<T>({ clock }: PlayedServer, work: Promise<T>): Promise<T> {
  let isOver = false;
  work.then(() => isOver = true, () => isOver = true);
  for (let step = 0; !isOver && step < 1_000; step++) {
    clock.advance(1);
    await turn();
  }
  return await work;
}

/** Answers all but the first request of a connection by closing it. */
function onceEach() {
  const seen = new Set<number>();
  const requests: string[] = [];
  const handle = ({ method, connection, write, hangUp }: PlayedRequest) => {
    requests.push(method);
    if (seen.has(connection)) return hangUp();
    seen.add(connection);
    return write(ok());
  };
  return { handle, requests };
}

Deno.test("a request that met the end of its connection is sent once more, if that harms nobody", async () => {
  for (const method of ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]) {
    const { handle, requests } = onceEach();
    await using played = await playServer({ handle });
    await played.ask();
    const { response, record } = await played.send({ method });
    assert.equal((await response).status, 200);
    await (await response).read();
    assert.equal((await record).exit, 0);
    assert.deepEqual(requests, ["GET", method, method]);
  }
});

Deno.test("a request is not sent once more that may have been worked on", async () => {
  const once = [
    { method: "POST" },
    { method: "PATCH" },
    { method: "PUT", body: chunksSource([bytes("data")]), bodyBytes: 4 },
  ];
  for (const request of once) {
    const { handle, requests } = onceEach();
    await using played = await playServer({ handle });
    await played.ask();
    const { response, record } = await played.send(request);
    const error = await onTheClock(played, refusal(response));
    assert.equal(error.code, "program_failed");
    assert.deepEqual([(await record).exit, (await record).limit], [null, null]);
    assert.deepEqual(requests, ["GET", request.method]);
    // The server works on.
    assert.equal(await played.ask(), "hello");
  }
});

/** Serves one connection, closes it after its first answer, and serves the next for good. */
const CLOSES = `
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("up", flush=True)
def answer(one, length):
    got = b""
    while b"\\r\\n\\r\\n" not in got: got += one.recv(4096)
    body = got.partition(b"\\r\\n\\r\\n")[2]
    while len(body) < length: body += one.recv(4096)
    one.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
one = listener.accept()[0]
answer(one, 0)
one.close()
open(sys.argv[2], "w").close()
answer(listener.accept()[0], 7)
`;

Deno.test("a request that met a closed connection is sent once more, with all of its body", async () => {
  await using folder = await makeFolder();
  const [socketPath, closedPath] = [join(folder.dir, "in"), join(folder.dir, "closed")];
  const child = new Deno.Command("python3", {
    args: ["-c", CLOSES, socketPath, closedPath],
    stdout: "piped",
  }).spawn();
  const said = child.stdout.getReader();
  await said.read();
  const used = await ServerConnection.open(socketPath);
  const answer = await used.send(serverRequest());
  while (await answer.read() !== null);
  const host: RequestHost = {
    limits: { timeoutMs: 1_000, memoryMb: 1, stdoutBytes: 1_000, stderrBytes: 0 },
    now: () => performance.now(),
    usedConnection: () => used,
    newConnection: () => ServerConnection.open(socketPath),
    giveBack: (connection) => connection.close(),
    death: () => Promise.resolve(null),
    tunnelled() {},
    over() {},
  };
  // The event loop hears nothing of the close before the request is written.
  const args = ["-c", 'until [ -e "$0" ]; do sleep 0.01; done', closedPath];
  new Deno.Command("sh", { args }).outputSync();
  const body = chunksSource([bytes("one "), bytes("two")]);
  const sent = new SentRequest(host, serverRequest({ method: "POST", body, bodyBytes: 7 }));
  sent.begin(null, false);
  assert.equal(await textOf(await sent.response), "one two");
  assert.equal((await sent.record).stdinBytes, 7);
  await said.cancel();
  await child.status;
});

Deno.test("a request that woke its instance is sent once more where its connection ended unanswered", async () => {
  const requests: string[] = [];
  await using played = await playServer({
    handle({ method, write, hangUp }) {
      requests.push(method);
      return requests.length % 3 === 2 ? hangUp() : write(ok());
    },
  });
  await played.ask();
  for (const method of ["GET", "POST"]) {
    played.clock.advance(150);
    await until(() => played.states()[0] === "1 frozen");
    const { response } = await played.send({ method });
    // It is told from one whose instance is dead, as is known a moment later.
    if (method === "GET") assert.equal(await textOf(await onTheClock(played, response)), "hello");
    else await onTheClock(played, refusal(response));
    await played.ask();
  }
  assert.deepEqual(requests, ["GET", "GET", "GET", "GET", "POST", "GET"]);
});

Deno.test("a request that a new connection ends without an answer is not sent once more", async () => {
  let requests = 0;
  await using played = await playServer({
    handle({ hangUp }) {
      requests++;
      hangUp();
    },
  });
  const first = await played.send();
  await onTheClock(played, refusal(first.response));
  assert.equal(requests, 2, "the connection of its start counts as one that was used");
  const second = await played.send();
  await onTheClock(played, refusal(second.response));
  assert.equal(requests, 3);
});

Deno.test("a request out of time is 504, and its instance ends when others have ended", async () => {
  const gate = Promise.withResolvers<void>();
  await using played = await playServer({
    async handle({ target, write }) {
      if (target === "/slow") await gate.promise;
      if (target !== "/never") await write(ok(target));
      else await new Promise(() => {});
    },
  });
  const stuck = await played.send({ target: "/never" });
  played.clock.advance(600);
  const slow = await played.send({ target: "/slow" });
  await aWhile();
  played.clock.advance(400);
  const { code, message } = await refusal(stuck.response);
  assert.equal(code, "program_timeout");
  assert.equal(message, "the program ran longer than 1000 ms");
  assert.equal((await stuck.record).limit, "timeout");
  assert.deepEqual(played.states(), ["1 draining"]);
  // Others get another instance, although there may be only one.
  assert.equal(await played.ask("/other"), "/other");
  assert.deepEqual(played.states(), ["1 draining", "2 awake"]);
  gate.resolve();
  assert.equal(await textOf(await slow.response), "/slow");
  assert.equal((await slow.record).exit, 0);
  await until(() => played.states().length === 1);
  assert.deepEqual(played.story, ["started 1", "started 2", "ended 1 timeout"]);
});

Deno.test("a stream whose time is over is cut, and its instance works on", async () => {
  await using played = await playServer({
    async handle({ target, write }) {
      if (target !== "/stream") return await write(ok());
      await write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
      await new Promise(() => {});
    },
  });
  const run = await played.send({ target: "/stream" });
  const response = await run.response;
  assert.deepEqual(await response.read(), bytes("one"));
  const next = refusal(response.read());
  played.clock.advance(1_000);
  assert.equal((await next).code, "program_timeout");
  const { limit, stdoutBytes } = await run.record;
  assert.deepEqual([limit, stdoutBytes], ["timeout", 3]);
  assert.deepEqual(played.states(), ["1 awake"]);
  assert.equal(await played.ask(), "hello");
});

Deno.test("a caller who sends its body too slowly harms no instance", async () => {
  await using played = await playServer();
  const body = { read: () => new Promise<null>(() => {}), cancel() {} };
  const run = await played.send({ method: "POST", body, bodyBytes: 4 });
  await aWhile();
  played.clock.advance(1_000);
  assert.equal((await refusal(run.response)).code, "program_timeout");
  assert.deepEqual(played.states(), ["1 awake"]);
});

Deno.test("a request may get more time, and knows when it began", async () => {
  await using played = await playServer({ handle: () => new Promise(() => {}) });
  const run = await played.send();
  assert.equal(run.begun(), played.clock.now());
  run.extend(1_000);
  played.clock.advance(1_999);
  await aWhile();
  assert.deepEqual(played.states(), ["1 awake"]);
  played.clock.advance(1);
  assert.equal((await refusal(run.response)).message, "the program ran longer than 2000 ms");
});

Deno.test("a crash is told to all in flight, with its reason", async () => {
  await using played = await playServer({
    async handle({ target, write }, instance) {
      if (target === "/crash") return instance.die({ exit: null, signal: "SIGSEGV" });
      if (target === "/half") await write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
      await new Promise(() => {});
    },
  });
  const half = await played.send({ target: "/half" });
  const response = await half.response;
  assert.deepEqual(await response.read(), bytes("half"));
  const waiting = await played.send({ target: "/wait" });
  const crashing = await played.send({ target: "/crash" });
  const reason = "the server was ended by SIGSEGV while it worked on the request";
  for (const failed of [response.read(), waiting.response, crashing.response]) {
    const { code, message } = await refusal(failed);
    assert.deepEqual([code, message], ["program_failed", reason]);
  }
  for (const run of [half, waiting, crashing]) assert.equal((await run.record).signal, "SIGSEGV");
  await until(() => played.states().length === 0);
  assert.deepEqual(played.story, ["started 1", "ended 1 crashed"]);
});

Deno.test("memory that ran out is told as that", async () => {
  await using played = await playServer({
    handle: (_, instance) => instance.die({ exit: null, signal: "SIGKILL", limit: "memory" }),
  });
  const { response, record } = await played.send();
  const { code, message } = await refusal(response);
  assert.deepEqual([code, message], [
    "program_limit",
    "the program used more than 64 MiB of memory",
  ]);
  assert.equal((await record).limit, "memory");
});

Deno.test("nobody is charged where our side failed: there is no record", async () => {
  const ours = new KhachapuriError("sandbox_unavailable", "the helper was killed");
  await using played = await playServer({ handle: (_, instance) => instance.fail(ours) });
  const { response, record } = await played.send();
  assert.equal((await refusal(response)).code, "sandbox_unavailable");
  assert.equal((await refusal(record)).code, "sandbox_unavailable");
});

Deno.test("what its caller gives up ends there, and its connection with it", async () => {
  await using played = await playServer({
    async handle({ write }) {
      await write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
      await new Promise(() => {});
    },
  });
  const killed = await played.send();
  await killed.response;
  killed.kill();
  assert.equal((await killed.record).limit, "aborted");
  const cancelled = await played.send();
  (await cancelled.response).cancel();
  assert.equal((await cancelled.record).limit, "aborted");
  const early = await played.send();
  early.kill();
  assert.equal((await refusal(early.response)).code, "program_limit");
  assert.equal(played.server.view().instances[0]!.inFlight, 0);
  assert.deepEqual(played.states(), ["1 awake"]);
});

Deno.test("the end of an answer is still read while its connection serves another", async () => {
  const gate = Promise.withResolvers<void>();
  const connections: number[] = [];
  await using played = await playServer({
    async handle({ target, write, connection }) {
      connections.push(connection);
      if (target === "/slow") await gate.promise;
      await write(ok(target));
    },
  });
  const first = await played.send({ target: "/first" });
  const response = await first.response;
  const second = await played.send({ target: "/slow" });
  await until(() => connections.length === 2);
  assert.deepEqual(connections, [1, 1]);
  // The first has its answer here, and its end is no concern of the second.
  first.kill();
  assert.equal(await textOf(response), "/first");
  gate.resolve();
  assert.equal(await textOf(await second.response), "/slow");
});

Deno.test("an answer is cut where it grows larger than it may be", async () => {
  await using played = await playServer({
    handle: ({ write }) => write(ok("x".repeat(100))),
    limits: { stdoutBytes: 99 },
  });
  const { response, record } = await played.send();
  const error = await refusal((await response).read());
  assert.deepEqual([error.code, error.data], ["program_limit", { limit: "stdout" }]);
  assert.equal((await record).limit, "stdout");
});

Deno.test("a body that breaks off fails the request as its source does", async () => {
  await using played = await playServer();
  const left = new KhachapuriError("invalid_input", "the caller left");
  const body = { read: () => Promise.reject(left), cancel() {} };
  const { response, record } = await played.send({ method: "POST", body, bodyBytes: 4 });
  assert.equal((await refusal(response)).message, "the caller left");
  assert.equal((await record).limit, "aborted");
  assert.deepEqual(played.states(), ["1 awake"]);
});

Deno.test("a body is counted", async () => {
  await using played = await playServer({ handle: ({ body, write }) => write(ok(body)) });
  const body = chunksSource([bytes("some "), bytes("bytes")]);
  const { response, record } = await played.send({ method: "POST", body, bodyBytes: 10 });
  assert.equal(await textOf(await response), "some bytes");
  const { stdinBytes, stdoutBytes } = await record;
  assert.deepEqual([stdinBytes, stdoutBytes], [10, 10]);
});

Deno.test("an answer without a body is over when its head is here", async () => {
  for (
    const [method, head] of [
      ["GET", "204 No Content\r\n"],
      ["GET", "304 Not Modified\r\n"],
      ["HEAD", "200 OK\r\nContent-Length: 10\r\n"],
      ["GET", "200 OK\r\nContent-Length: 0\r\n"],
    ] as const
  ) {
    await using played = await playServer({
      handle: ({ write }) => write(`HTTP/1.1 ${head}\r\n`),
    });
    const { response, record } = await played.send({ method });
    await response;
    assert.equal((await record).exit, 0);
    assert.equal(played.server.view().instances[0]!.inFlight, 0);
  }
});
