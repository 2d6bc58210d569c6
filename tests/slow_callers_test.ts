/** Callers that take an answer, or send a request, slowly or not at all: whose time that is. */
import assert from "node:assert/strict";
import { pause } from "../lib/pause.ts";
import { deploymentLane } from "../lib/permit.ts";
import { startChildProvider } from "../worlds/child_provider.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { growthDuring } from "../worlds/processes.ts";

const TIMEOUT_MS = 2_000;
const LIMITS = {
  timeoutMs: TIMEOUT_MS,
  memoryMb: 64,
  concurrency: 32,
  ownerCreditsPerMinute: 6_000,
};
/** More than the kernel takes of it for a caller that reads none. */
const BYTES = 24_000_000;
const FLOOD = `#!/bin/sh\nhead -c ${BYTES} /dev/zero\n`;
const COUNT = `#!/bin/sh\nwc -c\n`;
const MEBIBYTE = 1024 * 1024;

const encode = (text: string) => new TextEncoder().encode(text);

async function deploy(market: Market, main: string, timeoutMs = TIMEOUT_MS) {
  const limits = { ...LIMITS, timeoutMs };
  const spec = await market.spec({ files: { main }, fields: { limits } });
  return { cid: await market.publishSpec(spec), lane: deploymentLane(spec.id) };
}

type Deployed = Awaited<ReturnType<typeof deploy>>;

/** How often a deployment's owner was charged. */
function charges(market: Market, { lane }: Deployed): number {
  return market.entries({ lane }).filter(({ kind }) => kind === "charge").length;
}

async function connect(url: string): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(url);
  return await Deno.connect({ hostname, port: Number(port) });
}

/** Gets an answer, a piece every so often; what came of it, and for how long. */
async function takeSlowly(url: string, cid: string, pieceBytes: number, everyMs: number) {
  using caller = await connect(url);
  await caller.write(encode(`GET /${cid} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`));
  const piece = new Uint8Array(pieceBytes);
  const startedAt = performance.now();
  let [bytes, tail] = [0, ""];
  for (let got; (got = await caller.read(piece)) !== null; await pause(everyMs)) {
    bytes += got;
    tail = (tail + new TextDecoder("latin1").decode(piece.subarray(Math.max(0, got - 8), got)))
      .slice(-8);
  }
  return { bytes, isWhole: tail.endsWith("\r\n0\r\n\r\n"), ms: performance.now() - startedAt };
}

/** Takes nothing of an answer until its connection is reset; the run's reason in the log. */
async function takeNothing(market: Market, { cid }: Deployed): Promise<string> {
  const ended = market.logged("run ended");
  using caller = await connect(market.provider.url);
  await caller.write(encode(`GET /${cid} HTTP/1.1\r\nHost: a\r\n\r\n`));
  const { reason, limit } = await ended;
  assert.equal(limit, "aborted");
  await assert.rejects(async () => {
    while (await caller.read(new Uint8Array(MEBIBYTE)) !== null);
    throw new Error("half an answer ended as a whole one does");
  }, Deno.errors.ConnectionReset);
  return String(reason);
}

/** Sends a body of 8,000 bytes in pieces, or some of them; what is answered. */
async function sendSlowly(url: string, cid: string, pieces: number, everyMs: number) {
  using caller = await connect(url);
  const head = `POST /${cid} HTTP/1.1\r\nHost: a\r\nContent-Length: 8000\r\nConnection: close\r\n`;
  await caller.write(encode(`${head}\r\n`));
  for (let piece = 0; piece < pieces; piece++) {
    await pause(everyMs);
    await caller.write(new Uint8Array(1_000));
  }
  let answer = "";
  const some = new Uint8Array(65_536);
  // Whoever owes a part of its body is cut off behind the answer.
  const read = () => caller.read(some).catch(() => null);
  for (let got; (got = await read()) !== null;) {
    answer += new TextDecoder().decode(some.subarray(0, got));
  }
  return answer;
}

Deno.test("a slow caller's time is its own, and ends by a rule of its own", async (t) => {
  await using market = await startMarket();
  const flood = await deploy(market, FLOOD);
  const count = await deploy(market, COUNT);
  const { url } = market.provider;

  await t.step("an answer that is taken slowly arrives whole", async () => {
    const { bytes, isWhole, ms } = await takeSlowly(url, flood.cid, 256 * 1024, 50);
    assert.ok(isWhole && bytes > BYTES, `${bytes} bytes came`);
    assert.ok(ms > 2 * TIMEOUT_MS, `it took ${ms} ms`);
  });

  await t.step("a body that is sent slowly is worked on whole", async () => {
    const answer = await sendSlowly(url, count.cid, 8, 600);
    assert.match(answer, /^HTTP\/1.1 200 OK\r\n[^]*8000\n/);
  });

  await t.step("who takes nothing is cut off, and the log says why", async () => {
    const reason = await takeNothing(market, flood);
    assert.match(reason, /^the caller took nothing of the answer for 6\d s$/);
  });

  await t.step("who sends nothing is told, and the log says why", async () => {
    const ended = market.logged("run ended");
    const answer = await sendSlowly(url, count.cid, 1, 0);
    const why = /the caller sent nothing of the request body for 1\d s/;
    assert.match(answer, /^HTTP\/1.1 400 /);
    assert.match(answer, why);
    const { reason, limit } = await ended;
    assert.match(String(reason), why);
    assert.equal(limit, "aborted");
  });

  await t.step("each of them was one credit", async () => {
    await market.provider.stop();
    assert.deepEqual([charges(market, flood), charges(market, count)], [2, 2]);
  });
});

Deno.test("sixteen slow callers at once leave the provider's memory as it is", async () => {
  await using market = await startMarket();
  const { cid } = await deploy(market, FLOOD, 15_000);
  await market.provider.stop();
  const provider = await startChildProvider(market.home, { logLevel: "info" });
  try {
    const url = (await provider.url)!;
    await Promise.all(Array.from({ length: 4 }, () => takeSlowly(url, cid, MEBIBYTE, 0)));
    const grown = await growthDuring(provider.pid, async () => {
      const slow = () => takeSlowly(url, cid, 256 * 1024, 50);
      const all = await Promise.all(Array.from({ length: 16 }, slow));
      assert.ok(all.every(({ isWhole }) => isWhole), "one was cut off");
    });
    // Of each a window, and a piece on its way; 16 answers as a whole would be 384 MB.
    assert.ok(grown < 96 * MEBIBYTE, `it grew by ${grown / MEBIBYTE} MiB`);
  } finally {
    await provider.stop();
  }
});
