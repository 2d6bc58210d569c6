/**
 * Callers of a fleet who hold it to its word: each call has a key, and comes again under it until
 * it has its answer; then it was charged once, whatever died meanwhile, and has a receipt.
 */
import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { pause } from "../../lib/pause.ts";
import { receiptFromJson } from "../../lib/receipt.ts";

/** Between two tries, ms. */
const AGAIN_MS = 100;
/** A try that has no answer by then is given up, ms. */
const TRY_MS = 20_000;
/** No fault lasts as long as this, ms. */
const PATIENCE_MS = 90_000;

export interface KeyedLane {
  readonly payer: Address;
  readonly lane: Hex;
  readonly headers: Readonly<Record<string, string>>;
  /** Calls that have their answer. */
  answered: number;
  /** Paths of receipts. */
  readonly receipts: string[];
}

/** Who calls without a key: what a lost call cost is not known. */
export interface OwnersLane {
  readonly payer: Address;
  readonly lane: Hex;
  answered: number;
  lost: number;
}

export interface CrowdOptions {
  readonly url: string;
  readonly cid: string;
  readonly answer: string;
  /** One caller each. */
  readonly lanes: readonly KeyedLane[];
  readonly owners: OwnersLane;
  /** Tries that were refused or lost, by why. */
  readonly troubles: Map<string, number>;
}

export interface Crowd {
  /** No new calls; resolves when all have their answers. */
  stop(): Promise<void>;
}

export function startCrowd(options: CrowdOptions): Crowd {
  let isStopped = false;
  async function keepOn(work: () => Promise<void>): Promise<void> {
    while (!isStopped) await work();
  }
  const loops = [
    ...options.lanes.map((lane) => keepOn(() => callUnderKey(options, lane))),
    keepOn(() => callAsOwner(options)),
  ];
  return {
    async stop() {
      isStopped = true;
      await Promise.all(loops);
    },
  };
}

/** Comes again until there is an answer. */
async function callUnderKey(options: CrowdOptions, lane: KeyedLane): Promise<void> {
  const key = { "idempotency-key": `"${crypto.randomUUID()}"` };
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const said = await tryOnce(options, { ...lane.headers, ...key });
    if (said.isAnswer) {
      lane.answered += 1;
      if (said.receipt !== null) lane.receipts.push(said.receipt);
      return;
    }
    note(options.troubles, said.why);
    assert.ok(performance.now() < until, `a call has no answer after all: ${said.why}`);
    await pause(AGAIN_MS);
  }
}

async function callAsOwner(options: CrowdOptions): Promise<void> {
  const said = await tryOnce(options, {});
  if (said.isAnswer) return void (options.owners.answered += 1);
  options.owners.lost += 1;
  note(options.troubles, said.why);
  await pause(AGAIN_MS);
}

type Tried =
  | { readonly isAnswer: true; readonly receipt: string | null }
  | { readonly isAnswer: false; readonly why: string };

async function tryOnce(
  { url, cid, answer }: CrowdOptions,
  headers: Record<string, string>,
): Promise<Tried> {
  try {
    const signal = AbortSignal.timeout(TRY_MS);
    const response = await fetch(`${url}/${cid}`, { method: "POST", headers, signal });
    const text = await response.text();
    if (response.status === 200 && text === answer) {
      return { isAnswer: true, receipt: response.headers.get("khachapuri-receipt") };
    }
    return { isAnswer: false, why: `${response.status} ${wordsOf(text)}` };
  } catch (error) {
    return { isAnswer: false, why: (error as Error).name };
  }
}

function wordsOf(text: string): string {
  try {
    return JSON.parse(text).message;
  } catch {
    return text.slice(0, 40).replaceAll(/\s+/g, " ");
  }
}

function note(troubles: Map<string, number>, why: string): void {
  troubles.set(why, (troubles.get(why) ?? 0) + 1);
}

/** Each is there, and is for a credit of its own. */
export async function assertReceipts(url: string, { receipts, lane }: KeyedLane): Promise<void> {
  const counts = new Set<bigint>();
  for (const path of receipts) {
    const response = await fetch(url + path);
    assert.equal(response.status, 200, `a receipt is gone: ${path}`);
    const receipt = receiptFromJson(await response.json());
    assert.equal(receipt.lane, lane);
    counts.add(receipt.cumulative);
  }
  assert.equal(counts.size, receipts.length, "two answers have a receipt for the same credit");
}
