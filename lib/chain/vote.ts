/** What several endpoints said to one question, and what is believed of it. */
import { type Hex, numberToHex } from "viem";
import { KhachapuriError } from "../errors.ts";
import { RPC_AGE_SECONDS_MAX } from "../limits.ts";
import type { Endpoint } from "./endpoint.ts";
import type { BlockAnswer } from "./rpc_answer.ts";

export interface Question<T> {
  /** For messages. */
  what: string;
  ask(endpoint: Endpoint): Promise<T>;
  /** @throws BaseError for what is no answer to it */
  meaningOf(answer: T): string;
}

export interface Vote<T> {
  endpoint: Endpoint;
  /** `silent`: nothing is known of the chain; `behind`: it does not have that block. */
  kind: "said" | "behind" | "silent";
  meaning: string;
  /** What it answered, or throws what it threw. */
  tell(): T;
}

/** One of two that said the same. */
export function agreement<T>(votes: readonly Vote<T>[]): Vote<T> | null {
  const said = votes.filter(({ kind }) => kind === "said");
  return said.find((vote, at) => said.findIndex((v) => v.meaning === vote.meaning) < at) ?? null;
}

/** The only one that is up is believed. */
export function alone<T>(votes: readonly Vote<T>[]): Vote<T> | null {
  return votes.length === 1 && votes[0]!.kind === "said" ? votes[0]! : null;
}

/** What it answered; null where it has nothing, or refuses. */
export function toldBy({ tell }: Vote<unknown>): unknown {
  try {
    return tell() ?? null;
  } catch {
    return null;
  }
}

/** What a node says of the chain tells more than that another one is down. */
export function mostTelling<T>(votes: readonly Vote<T>[]): Vote<T> {
  return votes.find(({ kind }) => kind === "said") ?? votes.at(-1)!;
}

/** As `meaningOf` words what is not there. */
const NONE = "none";

/**
 * The end of a question on which they did not agree.
 * @param unless what is answered when one says that there is none
 * @throws KhachapuriError `chain_unavailable`
 */
export function noAgreement<T>(question: Question<T>, votes: readonly Vote<T>[], unless?: T): T {
  const said = votes.filter(({ kind }) => kind === "said");
  const origins = votes.map(({ endpoint }) => endpoint.origin);
  if (votes.length === 1) return votes[0]!.tell();
  const lacking = votes.find(({ kind, meaning }) => kind === "behind" || meaning === NONE);
  if (lacking && unless !== undefined) return unless;
  if (lacking) {
    const message = `${lacking.endpoint.origin} lags behind: it cannot tell ${question.what}`;
    throw new KhachapuriError("chain_unavailable", message, { hints: ["try again"] });
  }
  for (const { endpoint } of said) endpoint.contradicted();
  const message = `the endpoints ${origins.join(" and ")} disagree on ${question.what}`;
  throw new KhachapuriError("chain_unavailable", message, {
    hints: ["one of them lies or is broken: take it out of `rpc`, or list a third"],
  });
}

/** Its newest block is old, and another's is not: it stands still, while the chain goes on. */
export function isLeftBehind(low: BlockAnswer, high: BlockAnswer, nowMs: number): boolean {
  const [old, young] = [Number(low.timestamp), Number(high.timestamp)];
  return old + RPC_AGE_SECONDS_MAX < Math.min(young, nowMs / 1_000);
}

/** Of nonces used: one that counts as used before it is makes us give a transaction up. */
export function leastOf(counts: readonly unknown[]): Hex {
  const numbers = counts.map((count) => BigInt(count as Hex));
  return numberToHex(numbers.reduce((a, b) => a < b ? a : b));
}

/** Of nonces taken: one that any of them holds a transaction for must not be taken again. */
export function mostOf(counts: readonly unknown[]): Hex {
  const numbers = counts.map((count) => BigInt(count as Hex));
  return numberToHex(numbers.reduce((a, b) => a > b ? a : b));
}
