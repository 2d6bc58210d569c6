/**
 * What a run came to that could take more than one credit. The head of its answer says what was
 * charged until then; the receipt, which is there once the answer has ended, says it all.
 */
import { KhachapuriError } from "../errors.ts";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { pause } from "../pause.ts";
import { creditsIn, type Outcome, receiptFromJson } from "../receipt.ts";
import { parseJson } from "../shape.ts";
import type { LaneKey, PermitBook } from "./permit_book.ts";
import { askProvider } from "./provider_http.ts";

export interface RunQuestion {
  webDomain: string;
  /** What the answer's head gave as the receipt's path. */
  path: string;
  key: LaneKey;
  /** The permit's credits: nothing beyond is believed. */
  signedFor: bigint;
  book: Pick<PermitBook, "noteCharged">;
  fetch?: typeof fetch;
  sleep?: (ms: number) => Promise<void>;
}

/** What a run has taken. */
export interface RunCost {
  credits: number;
  outcome: Outcome;
}

/** A run that its caller left is charged a moment later: it is asked for so often, */
const ATTEMPTS = 10;
/** so long apart, ms. */
const WAIT_MS = 200;

/**
 * Asks for the receipt and remembers how far it says that the lane is charged.
 * @returns null where there is none, or it is about another lane
 * @throws KhachapuriError `provider_unavailable`
 */
export async function runCost(question: RunQuestion): Promise<RunCost | null> {
  const { webDomain, path, key, signedFor, book, sleep = pause } = question;
  if (!path.startsWith("/")) return null;
  for (let attempts = 1;; attempts++) {
    const answer = await receiptAt(question).catch(orNothing);
    if (answer === null) {
      if (attempts === ATTEMPTS) return null;
      await sleep(WAIT_MS);
      continue;
    }
    const what = `${webDomain}${path}`;
    const receipt = receiptFromJson(parseJson(answer, what, "provider_unavailable"));
    const { lane, payer, provider, cumulative: charged, outcome } = receipt;
    if (lane !== key.lane || payer !== key.payer || provider !== key.provider) return null;
    await book.noteCharged(key, charged < signedFor ? charged : signedFor);
    return { credits: creditsIn(receipt), outcome };
  }
}

async function receiptAt({ webDomain, path, fetch }: RunQuestion): Promise<string> {
  const bytesMax = PROVIDER_JSON_BYTES_MAX;
  const bytes = await askProvider({ webDomain, path, bytesMax, ...(fetch ? { fetch } : {}) });
  return new TextDecoder().decode(bytes);
}

/** The run may not have ended yet. */
function orNothing(error: unknown): null {
  if (error instanceof KhachapuriError && error.code === "not_found") return null;
  throw error;
}
