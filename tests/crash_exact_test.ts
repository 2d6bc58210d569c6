/**
 * The real provider, killed at random instants and at chosen ones while strangers pay by x402's
 * `exact`, each of whom sends its payment until it is answered:
 * (I2) a nonce buys one answer, through all lives;
 * (I3) each payment is answered in the end, and moved once;
 * (I6) book, chain and callers' counts agree to the unit.
 *
 * `deno task test:crash` kills often; among the other tests it is a short run. A run is repeated
 * with the seed that it prints.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import type { LocalAccount } from "viem";
import { pause } from "../lib/pause.ts";
import { balanceOf, type ExactEntry, exactHeader, signExact } from "../worlds/exact_payer.ts";
import {
  askedOf,
  auditExact,
  bookOf,
  deployPaid,
  EXACT_PRICE,
  newPayer,
  paidOnChain,
  startExactMarket,
} from "../worlds/exact_market.ts";
import { livesOf } from "../worlds/lives.ts";
import type { Market } from "../worlds/market.ts";
import { type Random, seededRandom } from "../worlds/random.ts";

const KILLS = Number(Deno.env.get("KHACHAPURI_KILLS") ?? 6);
const PAYERS = 6;
const CALLS_MAX = 100_000n;
/** A caller that waits for longer hangs up, and sends the same again. */
const PATIENCE_MS = 20_000;
const HOUR = 3_600n;

/** What the book says of some payment at the instants that are chosen. */
const INSTANTS = {
  "taken down": "state = 'open'",
  "about to be sent": "state = 'sent' AND txHash IS NULL",
  "sent": "state = 'sent' AND txHash IS NOT NULL",
  "paid": "state = 'paid' AND outcome IS NULL",
  "answered": "outcome IS NOT NULL",
} as const;
/** Such an instant is waited for no longer, ms. */
const INSTANT_MS = 3_000;

type Instant = keyof typeof INSTANTS;

/** Resolves when a payment that is newer than `after` is so; false when none came to be. */
async function comes(home: string, instant: Instant, after: number): Promise<boolean> {
  const path = join(home, "state", "book", "purchases.db");
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const sql = `SELECT 1 FROM purchases WHERE id > ? AND ${INSTANTS[instant]} LIMIT 1`;
    const look = database.prepare(sql);
    for (const until = Date.now() + INSTANT_MS; Date.now() < until; await pause(1)) {
      if (look.get(after)) return true;
    }
    return false;
  } finally {
    database.close();
  }
}

/** What a life found under way, or had to find out again, it closes by itself. */
async function untilClosed(market: Pick<Market, "home">): Promise<void> {
  for (const until = Date.now() + 30_000; Date.now() < until; await pause(100)) {
    if (bookOf(market).every(({ state }) => state !== "sent")) return;
  }
}

interface Counts {
  signed: number;
  answered: number;
  /** Times that a payment was sent once more, by what came before. */
  again: Map<string, number>;
}

interface Callers {
  counts: Counts;
  stop(): Promise<void>;
}

interface CallersOptions {
  payers: readonly LocalAccount[];
  entry: ExactEntry;
  cid: string;
  random: Random;
  url(): Promise<string | null>;
}

/** Each payer buys one answer after the other, until told to stop; what was begun is ended. */
function startCallers({ payers, entry, cid, random, url }: CallersOptions): Callers {
  const counts: Counts = { signed: 0, answered: 0, again: new Map() };
  let isStopped = false;

  async function once(at: string, body: string, headers: Record<string, string>): Promise<string> {
    // Some hang up while their payment is on its way.
    const patienceMs = random.chance(0.1) ? random.between(1, 1_500) : PATIENCE_MS;
    const signal = AbortSignal.timeout(patienceMs);
    try {
      const response = await fetch(`${at}/${cid}`, { method: "POST", body, headers, signal });
      const text = await response.text();
      if (response.status === 200) {
        assert.equal(text, `hello ${body}`);
        return "answered";
      }
      const { message, reason = null } = JSON.parse(text);
      return `${response.status} ${reason ?? message}`;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return "cut off";
    }
  }

  async function buy(payer: LocalAccount): Promise<void> {
    const validBefore = BigInt(Math.floor(Date.now() / 1_000)) + HOUR;
    const signed = await signExact(payer, entry, { validBefore });
    const body = signed.authorization.nonce;
    counts.signed += 1;
    for (;;) {
      const at = await url();
      if (at === null) throw new Error("a payment was left unanswered");
      const told = await once(at, body, exactHeader(signed));
      if (told === "answered") break;
      counts.again.set(told, (counts.again.get(told) ?? 0) + 1);
      // Whoever paid and is told that it did not is cheated.
      const isNo = told.startsWith("402") && !told.endsWith("settlement_pending");
      assert.ok(!isNo, `an honest payment was refused: ${told}`);
      await pause(random.between(20, 300));
    }
    counts.answered += 1;
  }

  async function loop(payer: LocalAccount): Promise<void> {
    while (!isStopped && await url() !== null) await buy(payer);
  }

  const loops = payers.map(loop);
  for (const one of loops) one.catch(() => {});
  return {
    counts,
    async stop() {
      isStopped = true;
      await Promise.all(loops);
    },
  };
}

Deno.test("kill -9 loses and doubles no payment for one call", async () => {
  const random = seededRandom("crash, exact");
  await using market = await startExactMarket({ blockTimeSeconds: 1 });
  const cid = await deployPaid(market, {
    files: { main: "#!/bin/sh\nprintf 'hello '; cat\n" },
    fields: {
      limits: { timeoutMs: 5_000, memoryMb: 64, concurrency: 16, ownerCreditsPerMinute: 60 },
    },
  });
  const payers = [];
  for (let n = 0; n < PAYERS; n++) payers.push(await newPayer(market, CALLS_MAX * EXACT_PRICE));
  const entry = await askedOf(market, cid);
  await market.provider.stop();
  const met = new Map<string, number>();
  const newest = () => bookOf(market).length;
  await using lives = livesOf({
    home: market.home,
    random,
    answered: () => callers.counts.answered,
    async dying(url) {
      if (url === null || random.chance(0.4)) return;
      const instant = random.pick(Object.keys(INSTANTS) as Instant[]);
      if (await comes(market.home, instant, newest())) {
        met.set(instant, (met.get(instant) ?? 0) + 1);
      }
    },
  });
  const callers = startCallers({ payers, entry, cid, random, url: lives.url });
  const { counts } = callers;
  try {
    await lives.killOften(KILLS);
    // What was begun is answered by the last life.
    await callers.stop();
  } finally {
    lives.end();
  }
  await untilClosed(market);
  await lives.stop();
  const figures = {
    kills: KILLS,
    ...counts,
    again: Object.fromEntries(counts.again),
    killedWhen: Object.fromEntries(met),
  };
  Deno.stderr.writeSync(new TextEncoder().encode(`exact: ${JSON.stringify(figures)}\n`));
  assert.equal(counts.answered, counts.signed);
  assert.ok(counts.answered >= KILLS, "too few calls to prove anything");
  await auditExact(market, counts.answered);
  const paid = await paidOnChain(market);
  assert.equal(paid.size, counts.answered, "somebody paid for nothing");
  const left = await Promise.all(payers.map(({ address }) => balanceOf(market, address)));
  const spent = BigInt(PAYERS) * CALLS_MAX * EXACT_PRICE - left.reduce((a, b) => a + b);
  assert.equal(spent, BigInt(counts.answered) * EXACT_PRICE);
});
