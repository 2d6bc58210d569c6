/**
 * Callers and servers that hold what others need: places by slow answers, connections by slow
 * requests, the provider's memory by what nobody reads, its processor by what a server prints.
 */
import assert from "node:assert/strict";
import { type ChildProvider, startChildProvider } from "../../worlds/child_provider.ts";
import { type Market, startMarket } from "../../worlds/market.ts";
import { factsOf, growthDuring, workOf } from "../../worlds/processes.ts";
import { RawSocket } from "../../worlds/wire.ts";
import {
  callPolitely,
  deployServer,
  MIB,
  mib,
  ms,
  type PoliteCaller,
  say,
  timed,
  until,
} from "./server_stage.ts";
import { pause } from "../../lib/pause.ts";

interface Scene {
  readonly market: Market;
  readonly provider: ChildProvider;
  readonly url: string;
  readonly polite: PoliteCaller;
}

/** Whole bodies of this size; `KHACHAPURI_ABUSE_MIB=1024` for what is promised. */
const BODY_BYTES = Number(Deno.env.get("KHACHAPURI_ABUSE_MIB") ?? 256) * MIB;
/** What one body or a few of them may cost the provider, beside what it calls its own. */
const GROWTH_MAX = 96 * MIB;
/** A caller that is served beside all that, on a machine that is busy with it. */
const POLITE_P99_MS = 2_000;

/** A provider of its own process, whose memory and processor time are nobody else's. */
async function play(act: (scene: Scene) => Promise<void>): Promise<void> {
  const sandbox = {
    timeoutMs: 120_000,
    responseBytes: 2 * BODY_BYTES,
    requestBytes: 2 * BODY_BYTES,
  };
  const settings = { settlement: { mode: "batch" }, sandbox };
  await using market = await startMarket({ settings, credits: 40_000n });
  await market.provider.stop();
  const provider = await startChildProvider(market.home, { logLevel: "info" });
  try {
    const url = (await provider.url)!;
    await using polite = await callPolitely(market, url);
    await act({ market, provider, url, polite });
    assert(await polite.verdict("the rest") < POLITE_P99_MS);
  } finally {
    assert.equal(await provider.stop(), 0);
  }
}

async function connect(url: string): Promise<RawSocket> {
  return new RawSocket(
    await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url).port) }),
  );
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.status;
}

async function nonce(url: string, cid: string): Promise<void> {
  assert.equal(await (await fetch(`${url}/${cid}/nonce?own`)).text(), "own");
}

Deno.test("slow answers hold their own server's places alone, and for their time", () =>
  play(async ({ market, url, polite }) => {
    const { cid } = await deployServer(market, { concurrency: 8, timeoutMs: 5_000 });
    await nonce(url, cid);
    const silent = Array.from({ length: 8 }, () => statusOf(`${url}/${cid}/silence`));
    await pause(200);
    const took = await timed(async () => {
      const more = Array.from({ length: 16 }, () => statusOf(`${url}/${cid}/nonce?more`));
      for (const status of await Promise.all(more)) assert.match(String(status), /^(429|503)$/);
    });
    assert(took < 4_000, ms(took));
    assert.deepEqual(new Set(await Promise.all(silent)), new Set([504]));
    await until(async () => await statusOf(`${url}/${cid}/nonce?again`) === 200);
    await polite.verdict("slow answers");
  }));

const LORISES = 200;
const SLOW_BODIES = 16;

Deno.test("slow callers hold nobody up, and end no instance", () =>
  play(async ({ market, url, polite }) => {
    const { cid, tag } = await deployServer(market, { concurrency: 32, timeoutMs: 4_000 });
    await nonce(url, cid);
    const { pids } = await workOf(tag);
    await using held = new AsyncDisposableStack();
    const body = `POST /${cid}/sink HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n`;
    const heads = await Promise.all(Array.from({ length: LORISES }, () => connect(url)));
    const bodies = await Promise.all(Array.from({ length: SLOW_BODIES }, () => connect(url)));
    for (const socket of [...heads, ...bodies]) held.use(socket);
    for (const socket of heads) await socket.write(`GET /${cid}/nonce?a HTTP/1.1\r\nX-Slow: `);
    for (const socket of bodies) await socket.write(body);
    const unanswered = new Set([...heads, ...bodies]);
    const ends = [...unanswered].map(async (socket) => {
      const answer = await socket.read().catch(() => null);
      unanswered.delete(socket);
      return answer ?? "";
    });
    let isOver = false;
    const dawdling = (async () => {
      while (!isOver) {
        await Promise.all([...unanswered].map((one) => one.write("x").catch(() => {})));
        await pause(200);
      }
    })();
    while (!isOver) {
      await nonce(url, cid);
      isOver = await Promise.race([
        Promise.all(ends).then(() => true),
        pause(20).then(() => false),
      ]);
    }
    await dawdling;
    const statuses = (await Promise.all(ends)).map((answer) => answer.slice(9, 12));
    assert.deepEqual(new Set(statuses.slice(0, LORISES)), new Set(["408"]));
    assert.deepEqual(new Set(statuses.slice(LORISES)), new Set(["504"]));
    assert.deepEqual((await workOf(tag)).pids, pids, "others' slowness ended an instance");
    await polite.verdict(`${LORISES} slow heads, ${SLOW_BODIES} slow bodies`);
  }));

Deno.test("bodies pass in bounded memory, whoever reads them or does not", () =>
  play(async ({ market, provider, url, polite }) => {
    const { cid } = await deployServer(market, { timeoutMs: 100_000 });
    await nonce(url, cid);
    await using held = new AsyncDisposableStack();
    const unread = await growthDuring(provider.pid, async () => {
      for (let count = 0; count < 8; count++) {
        const socket = held.use(await connect(url));
        await socket.write(`GET /${cid}/pour?${BODY_BYTES} HTTP/1.1\r\nHost: a\r\n\r\n`);
        assert.match((await socket.read())!, /^HTTP\/1.1 200/);
      }
      await pause(2_000);
    });
    say(
      `8 answers of ${mib(BODY_BYTES)} that nobody reads: provider grew by ${mib(unread)}`,
    );
    assert(unread < GROWTH_MAX, mib(unread));
    await held.disposeAsync();
    let took = 0;
    const both = await growthDuring(provider.pid, async () => {
      took = await timed(() => sendBothWays(`${url}/${cid}/echo`));
    });
    say(`${mib(BODY_BYTES)} both ways in ${ms(took)}: provider grew by ${mib(both)}`);
    assert(both < GROWTH_MAX, mib(both));
    await polite.verdict("large bodies");
  }));

/** Sends a body of so many bytes while its echo is read. */
async function sendBothWays(url: string): Promise<void> {
  const { hostname, port, pathname } = new URL(url);
  using conn = await Deno.connect({ hostname, port: Number(port) });
  const head = `POST ${pathname} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n` +
    `Content-Length: ${BODY_BYTES}\r\n\r\n`;
  const sending = (async () => {
    const piece = new Uint8Array(256 * 1024);
    const { writable } = conn;
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode(head));
    for (let left = BODY_BYTES; left > 0; left -= piece.length) await writer.write(piece);
  })();
  const buffer = new Uint8Array(256 * 1024);
  let received = 0;
  for (let size; (size = await conn.read(buffer)) !== null;) received += size;
  await sending;
  assert(received > BODY_BYTES && received < BODY_BYTES + 4_096, `${received} bytes came back`);
}

const SOCKETS = 1_000;
/** For each of them: both ends of it in the provider, and its accounts. */
const SOCKET_BYTES_MAX = 128 * 1024;

Deno.test("a thousand WebSockets that say nothing cost little, and are all closed", () =>
  play(async ({ market, provider, url, polite }) => {
    const server = await deployServer(market, { concurrency: 64, timeoutMs: 100_000 });
    await nonce(url, server.cid);
    const handshake = `GET /${server.cid}/upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n` +
      "Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
      "Sec-WebSocket-Version: 13\r\n\r\n";
    await using held = new AsyncDisposableStack();
    const sockets: RawSocket[] = [];
    const shake = async () => {
      const socket = held.use(await connect(url));
      await socket.write(handshake);
      const answer = await socket.readUntil("\r\n\r\n");
      return { socket, status: answer.slice(9, 12) };
    };
    const growth = await growthDuring(provider.pid, async () => {
      for (let count = 0; count < SOCKETS; count += 20) {
        const shaken = await Promise.all(Array.from({ length: 20 }, shake));
        for (const { socket, status } of shaken) {
          assert.equal(status, "101");
          sockets.push(socket);
        }
      }
    });
    say(`${SOCKETS} WebSockets: provider grew by ${mib(growth)}`);
    assert(growth < SOCKETS * SOCKET_BYTES_MAX, mib(growth));
    polite.reset();
    await pause(2_000);
    await polite.verdict(`${SOCKETS} idle WebSockets`);
    // The bound of one network, which is this machine's loopback.
    const beyond = await Promise.all(Array.from({ length: 32 }, shake));
    const refused = beyond.filter(({ status }) => status === "503");
    assert.equal(refused.length, 8, "more than a network, or an instance, may have");
    await nonce(url, server.cid);
    const ends = sockets.map((socket) => socket.readAll().catch(() => ""));
    assert.equal(await statusOf(`${url}/${server.cid}/die`), 502);
    await Promise.all(ends);
    await until(async () => (await shake()).status !== "503");
  }));

const PRINTING_MS = 3_000;
/** Of one processor. */
const SHARE_MAX = 0.4;

Deno.test("a server that prints without end is held up", () =>
  play(async ({ market, provider, url, polite }) => {
    const { cid } = await deployServer(market);
    await nonce(url, cid);
    const before = await cpuMs(provider.pid);
    const begun = performance.now();
    const printed = Number(await (await fetch(`${url}/${cid}/print?${PRINTING_MS}`)).text());
    const share = (await cpuMs(provider.pid) - before) / (performance.now() - begun);
    say(`it printed ${mib(printed)} in ${PRINTING_MS} ms; provider's share ${share.toFixed(2)}`);
    assert(printed < 8 * MIB, mib(printed));
    assert(share < SHARE_MAX, String(share));
    await polite.verdict("a server that prints");
  }));

/** Processor time that a process has taken itself. */
async function cpuMs(pid: number): Promise<number> {
  const [facts] = await factsOf([pid]);
  return facts!.ownCpuMs;
}
