import assert from "node:assert/strict";
import { turn } from "../../../worlds/turns.ts";
import { type ClientHttp2Session, connect } from "node:http2";
import { connect as connectTls } from "node:tls";
import { frame, PING, PREFACE, SETTINGS } from "../../../tests/wire/http2/frames.ts";
import { certificateFiles } from "../../../worlds/certificate.ts";
import { mirror, openWire, textAnswer, textOf } from "../../../worlds/wire.ts";
import { ANSWER_REST_TIMEOUT_MS, HTTP2_RESETS_MAX, HTTP2_STREAMS_MAX } from "../../limits.ts";
import type { Handle } from "../http/request.ts";

async function open(handle: Handle) {
  const files = await certificateFiles("p.example");
  const wire = await openWire(handle, files);
  const session = connect(wire.url, { rejectUnauthorized: false });
  session.on("error", () => {});
  return {
    wire,
    cert: await Deno.readTextFile(files.cert),
    session,
    ask: (headers: Record<string, string>, body?: string) => ask(session, headers, body),
    [Symbol.asyncDispose]: async () => {
      session.destroy();
      await wire[Symbol.asyncDispose]();
      await files[Symbol.asyncDispose]();
    },
  };
}

function ask(session: ClientHttp2Session, headers: Record<string, string>, body?: string) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    let status = 0;
    let text = "";
    stream.on("response", (head) => status = Number(head[":status"]));
    stream.setEncoding("utf8").on("data", (chunk: string) => text += chunk);
    stream.on("end", () => resolve({ status, text }));
    stream.on("error", reject);
    stream.on("close", () => reject(new Error("the stream was closed")));
    if (body !== undefined) stream.end(body);
  });
}

Deno.test("a request over HTTP/2 is heard as it was sent", async () => {
  await using world = await open(mirror);
  const { text } = await world.ask({ ":method": "POST", ":path": "/a'%27?" }, "abc");
  const seen = JSON.parse(text);
  assert.deepEqual([seen.protocol, seen.path, seen.query], ["HTTP/2.0", "/a'%27", ""]);
  assert.deepEqual([seen.host, seen.body], [new URL(world.wire.url).host, "abc"]);
  assert.ok(seen.fields.every(([name]: [string]) => !name.startsWith(":")));
  const { text: bare } = await world.ask({ ":path": "/" });
  assert.equal(JSON.parse(bare).body, null);
});

Deno.test("a refusal is seen, though its body is not read", async () => {
  await using world = await open(() => Promise.resolve(textAnswer("pay first", 402)));
  const answer = await world.ask({ ":method": "POST", ":path": "/" }, "x".repeat(200_000));
  assert.deepEqual(answer, { status: 402, text: "pay first" });
});

Deno.test("one stream that is cut off or given up takes no other with it", async () => {
  const begun = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  await using world = await open((request) => {
    if (request.path === "/hang") {
      begun.resolve();
      return new Promise((resolve) =>
        request.whenGone(() => {
          gone.resolve();
          resolve(textAnswer("nobody hears it"));
        })
      );
    }
    if (request.path !== "/cut") return mirror(request);
    const body = {
      ended: Promise.resolve(),
      read: () => Promise.reject(new Error("a limit")),
      cancel: () => Promise.resolve(),
    };
    return Promise.resolve({ status: 200, headers: [], body });
  });
  const other = world.ask({ ":path": "/other" });
  await assert.rejects(world.ask({ ":path": "/cut" }));
  const hanging = world.session.request({ ":path": "/hang" });
  hanging.on("error", () => {});
  await begun.promise;
  hanging.close(8);
  await gone.promise;
  assert.equal((await other).status, 200);
  assert.equal((await world.ask({ ":path": "/again" })).status, 200);
});

Deno.test("a connection has so many streams at a time", async () => {
  await using world = await open(mirror);
  await world.ask({ ":path": "/" });
  assert.equal(world.session.remoteSettings.maxConcurrentStreams, HTTP2_STREAMS_MAX);
});

Deno.test("an answer for which its caller leaves no window is cut off in the end", async () => {
  const { setTimeout } = globalThis;
  // The one wait that is too long for a test is over at once.
  globalThis.setTimeout =
    ((callback: () => void, ms: number) =>
      setTimeout(callback, ms === ANSWER_REST_TIMEOUT_MS ? 50 : ms)) as typeof setTimeout;
  try {
    await using world = await open(() => Promise.resolve(textAnswer("x".repeat(100_000))));
    const stream = world.session.request({ ":path": "/" });
    stream.on("error", () => {});
    stream.pause();
    await new Promise<void>((resolve) => stream.once("close", resolve));
    assert.equal((await world.ask({ ":path": "/again" })).status, 200);
  } finally {
    globalThis.setTimeout = setTimeout;
  }
});

Deno.test("who gives up stream after stream is served no more", async () => {
  await using world = await open(() => new Promise(() => {}));
  let isEnded = false;
  const end = () => void (isEnded = true);
  world.session.once("goaway", end).once("close", end);
  for (let each = 0; each < 4 * HTTP2_RESETS_MAX && !isEnded; each++) {
    try {
      const stream = world.session.request({ ":path": "/" });
      stream.on("error", () => {});
      await turn();
      if (!stream.destroyed) stream.close(8);
    } catch (error) {
      // The session has ended: it takes no stream any more. It may never say so itself.
      const { code } = error as { code?: string };
      assert.match(String(code), /^ERR_HTTP2_(INVALID|GOAWAY)_SESSION$/);
      return;
    }
  }
  assert.ok(isEnded, "it is still served");
});

Deno.test("who says goodbye is let go, and ends nobody else", async () => {
  await using world = await open(mirror);
  // Garbage of the first session is what the second one stumbled over.
  for (let session = 0; session < 2; session++) {
    using client = Deno.createHttpClient({ caCerts: [world.cert] });
    for (let call = 0; call < 1_500; call++) {
      await (await fetch(world.wire.url, { client })).body?.cancel();
    }
  }
  assert.equal((await world.ask({ ":path": "/" })).status, 200);
});

Deno.test("a flood of frames is slowed down, and is no end of anything", async () => {
  await using world = await open(mirror);
  await world.ask({ ":path": "/" });
  const { port } = new URL(world.wire.url);
  const flooding = connectTls({
    host: "127.0.0.1",
    port: Number(port),
    ALPNProtocols: ["h2"],
    ca: [world.cert],
  });
  flooding.on("error", () => {}).on("data", () => {});
  const pings = PREFACE + frame(SETTINGS, 0, 0, "") + frame(PING, 0, 0, "12345678").repeat(20_000);
  await new Promise<void>((resolve) =>
    flooding.write(Uint8Array.from(pings, (char) => char.charCodeAt(0)), () => resolve())
  );
  for (let call = 0; call < 20; call++) {
    assert.equal((await world.ask({ ":path": "/" })).status, 200);
  }
  assert.ok(!flooding.destroyed);
  flooding.destroy();
});

Deno.test("a large body over TLS is taken whole, in chunks and in frames", async () => {
  await using world = await open(async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return textAnswer(String((await textOf(request)).length));
  });
  for (const http2 of [false, true]) {
    using client = Deno.createHttpClient({ caCerts: [world.cert], http2 });
    const body = ReadableStream.from(Array.from({ length: 200 }, () => new Uint8Array(65_536)));
    const answer = await fetch(world.wire.url, { client, method: "POST", body });
    assert.equal(await answer.text(), String(200 * 65_536));
  }
});
