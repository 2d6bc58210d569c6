/** Servers that answer what nobody asked, or what is no answer. */
import assert from "node:assert/strict";
import { startChildProvider } from "../../worlds/child_provider.ts";
import { startMarket } from "../../worlds/market.ts";
import { type Random, seededRandom } from "../../worlds/random.ts";
import { growthDuring } from "../../worlds/processes.ts";
import { RawSocket } from "../../worlds/wire.ts";
import {
  callPolitely,
  deployServer,
  MIB,
  mib,
  ms,
  say,
  serveOutside,
  timed,
} from "./server_stage.ts";

const SETTINGS = { settlement: { mode: "batch" } };
const STOLEN = "STOLEN";
/** What a server that takes a body for requests would answer many times. */
const BODY = "GET /nonce?STOLEN HTTP/1.1\r\nHost: a\r\n\r\n".repeat(4_000);

/** One answer, and what would be another's behind it. */
const AT_ONCE = ["two", "chunked", "bodiless"] as const;
/** One that comes when the next request may be under way, or came before it. */
const LATER = ["late", "tail", "greet", "early"] as const;

Deno.test({
  name: "a caller that trusts a connection gets another's answer",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using outside = await serveOutside();
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: outside.port });
    await using socket = new RawSocket(conn);
    await socket.write("GET /two?first HTTP/1.1\r\nHost: a\r\n\r\n");
    const [, behind] = (await socket.readUntil("first")).split("first");
    await socket.write("GET /nonce?second HTTP/1.1\r\nHost: a\r\n\r\n");
    const next = behind + await socket.readUntil("second");
    assert.match(next, /^HTTP\/1.1 200 OK\r\ncontent-length: 6\r\n\r\nSTOLEN/);
  },
});

interface Tally {
  own: number;
  refused: number;
  /** The server's word to whoever came next, which HTTP lets nobody tell from an answer. */
  stolen: number;
  /** The next one's, to whoever came behind it: the server was one answer ahead. */
  shifted: number;
}

/** Calls with words of their own, many at a time. */
async function callWithWords(
  url: string,
  ways: readonly string[],
  random: Random,
  calls: number,
): Promise<Tally> {
  const words = new Set<string>();
  const tally: Tally = { own: 0, refused: 0, stolen: 0, shifted: 0 };
  // One that nobody has paid for yet is looked up for so many callers at a time.
  await (await fetch(`${url}/nonce?first`)).body?.cancel();
  async function callOnce(): Promise<void> {
    const word = crypto.randomUUID();
    words.add(word);
    const way = random.pick(ways);
    const body = way === "early" ? { method: "POST", body: BODY } : {};
    const response = await fetch(`${url}/${way}?${word}`, body);
    const said = await response.text().catch(() => null);
    if (response.status === 502 || said === null) tally.refused += 1;
    else if (said === word || (way === "bodiless" && said === "")) tally.own += 1;
    else if (said === STOLEN) tally.stolen += 1;
    else if (words.has(said)) tally.shifted += 1;
    else assert.fail(`${way}: ${response.status} ${said}, not ${word}`);
  }
  async function callOn(): Promise<void> {
    for (let call = 0; call < calls; call++) await callOnce();
  }
  await Promise.all(Array.from({ length: 32 }, callOn));
  return tally;
}

Deno.test("what stands behind an answer reaches nobody, and no other server's callers ever", async () => {
  await using market = await startMarket({ settings: SETTINGS, credits: 40_000n });
  const random = seededRandom("answers of servers");
  for (const listen of ["port", "fd"] as const) {
    const { cid } = await deployServer(market, { listen, concurrency: 16, instances: 2 });
    const url = `${market.provider.url}/${cid}`;
    const tally = await callWithWords(url, ["nonce", "nonce", ...AT_ONCE], random, 20);
    assert.deepEqual([tally.stolen, tally.shifted], [0, 0]);
    assert(tally.own >= tally.refused, JSON.stringify(tally));
    say(`by ${listen}, at once: ${JSON.stringify(tally)}`);
  }
  // What comes when the next request is on its way is that one's answer, by all that HTTP says.
  // The server has its own callers to confuse by it, and nobody else's.
  const { cid } = await deployServer(market, { concurrency: 16, instances: 2 });
  await using polite = await callPolitely(market, market.provider.url);
  const url = `${market.provider.url}/${cid}`;
  const tally = await callWithWords(url, ["nonce", "nonce", ...LATER], random, 10);
  say(`later, and before they were asked: ${JSON.stringify(tally)}`);
  await polite.verdict("answers that nobody asked for");
});

/** What a server never stops to send, and the statuses that may come of it; 0: cut off. */
const ENDLESS: Readonly<Record<string, readonly number[]>> = {
  "interim": [502],
  "interim-100": [502],
  "fields": [502],
  "line": [502],
  "reason": [502],
  "nothing": [502],
  "garbage": [502],
  "extension": [502, 0],
  "size": [502, 0],
  "trailers": [502, 0],
  "behind": [200],
};

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;

/** What a server sends before it closes the connection. */
const LIES: readonly (readonly [octets: string, statuses: readonly number[]])[] = [
  ["", [502]],
  ["HTTP/1.1 20", [502]],
  [`${OK}content-length: 1`, [502]],
  [`${OK}content-length: 100\r\n\r\nshort`, [0, 502]],
  [`${OK}content-length: 2\r\n\r\nok and more`, [200]],
  [`${OK}content-length: 2\r\ncontent-length: 3\r\n\r\nok!`, [502]],
  [`${OK}content-length: 2, 3\r\n\r\nok!`, [502]],
  [`${OK}content-length: -2\r\n\r\nok`, [502]],
  [`${OK}content-length: %2b2\r\n\r\nok`, [502]],
  [`${OK}content-length: 0x2\r\n\r\nok`, [502]],
  [`${OK}content-length: 99999999999999999999999\r\n\r\nok`, [502, 0]],
  [`${OK}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`, [502]],
  [`${OK}transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`, [502]],
  [`${OK}transfer-encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`, [502]],
  [`${OK}transfer-encoding: identity\r\n\r\nok`, [502]],
  [`${CHUNKED}-2\r\nok\r\n0\r\n\r\n`, [502, 0]],
  [`${CHUNKED}0x2\r\nok\r\n0\r\n\r\n`, [502, 0]],
  [`${CHUNKED}ffffffffffffffffff\r\nok\r\n0\r\n\r\n`, [502, 0]],
  [`${CHUNKED}2\r\nokay\r\n0\r\n\r\n`, [502, 0]],
  [`${CHUNKED}2\r\nok\r\n`, [502, 0]],
  [`${OK}x: a\r\n folded\r\ncontent-length: 2\r\n\r\nok`, [502]],
  [`${OK}x : a\r\ncontent-length: 2\r\n\r\nok`, [502]],
  ["HTTP/1.1 200 OK\ncontent-length: 2\n\nok", [502]],
  [`${OK}x: a\x01\r\ncontent-length: 2\r\n\r\nok`, [502]],
  ["HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok", [502]],
  ["HTTP/1.1 099 No\r\ncontent-length: 2\r\n\r\nok", [502]],
  ["HTTP/1.1 600 No\r\ncontent-length: 2\r\n\r\nok", [502]],
  ["HTTP/1.1 101 Switch\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", [502]],
  ["ICY 200 OK\r\n\r\nok", [502]],
];

/** In which a lie is found out, on a machine that does other things too, ms. */
const FOUND_OUT_MS = 3_000;
/** All of them at the same time, bytes. */
const GROWTH_MAX = 96 * MIB;
const SHORT_MS = 1_500;

/** The status of a call, 0 when its answer broke off. */
async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  const isWhole = await response.arrayBuffer().then(() => true, () => false);
  return isWhole ? response.status : 0;
}

Deno.test("what is no answer is found out soon, and costs the provider no memory", async () => {
  await using market = await startMarket({ settings: SETTINGS, credits: 40_000n });
  await market.provider.stop();
  const provider = await startChildProvider(market.home, { logLevel: "info" });
  const base = await provider.url;
  const { cid } = await deployServer(market, { concurrency: 64 });
  const { cid: silent } = await deployServer(market, { timeoutMs: SHORT_MS });
  let slowest = 0;
  async function expect(target: string, statuses: readonly number[]): Promise<void> {
    let status = -1;
    const took = await timed(async () => status = await statusOf(`${base}/${cid}/${target}`));
    assert(statuses.includes(status), `${target}: ${status}`);
    assert(took < FOUND_OUT_MS, `${target}: ${ms(took)}`);
    slowest = Math.max(slowest, took);
  }
  {
    await using polite = await callPolitely(market, base!);
    await expect("nonce?warm", [200]);
    const growth = await growthDuring(provider.pid, async () => {
      for (const [what, statuses] of Object.entries(ENDLESS)) {
        const calls = Array.from({ length: 4 }, () => expect(`endless?${what}`, statuses));
        await Promise.all(calls);
      }
    });
    say(`endless answers: found out after ${ms(slowest)}, provider grew by ${mib(growth)}`);
    assert(growth < GROWTH_MAX, mib(growth));
    for (const [octets, statuses] of LIES) {
      const query = encodeURIComponent(octets.replaceAll("%2b", "+"));
      await expect(`raw?${query}`, statuses);
    }
    // One that begins and does not go on has the time that a request has, and no more.
    for (const begun of ["~", "HTTP/1.1 20~", `${OK}content-le~`, "HTTP/1.1 103 Wait\r\n\r\n~"]) {
      const query = encodeURIComponent(begun);
      assert.equal(await statusOf(`${base}/${silent}/raw?${query}`), 504, begun);
    }
    await polite.verdict("what is no answer");
  }
  assert.equal(await provider.stop(), 0);
});
