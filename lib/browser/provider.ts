/** What the page asks of the provider that it came from. Nobody else is asked anything. */
import { Trouble } from "./trouble.ts";
import type { Hex } from "./words.ts";

/** What the page was sent with; amounts are USDC base units in decimal. */
export interface Terms {
  readonly name: string;
  readonly webDomain: string;
  readonly chainId: number;
  /** For people. */
  readonly chain: string;
  readonly escrow: Hex;
  readonly asset: Hex;
  readonly provider: Hex;
  /** Notice before locked credits can leave. */
  readonly thawingSeconds: number;
}

/** An entry of x402's `accepts`, as the provider writes it. */
export interface Accept {
  readonly scheme: string;
  readonly network: string;
  readonly amount: string;
  readonly asset: Hex;
  readonly payTo: Hex;
  readonly maxTimeoutSeconds: number;
  readonly extra: Readonly<Record<string, string | undefined>>;
}

/** How the provider may be paid now. */
export interface Offer {
  readonly credits: Accept;
  /** USDC base units. */
  readonly price: bigint;
  /** The least that a relayed deposit must lock; null while none is relayed. */
  readonly depositMinimum: bigint | null;
  /** A single payment (x402 `exact`); null where none is taken. */
  readonly exact: Accept | null;
}

/** The fee of a relayed message; null where none is relayed. */
export type RelayFee = bigint | null;

/** Credits of one of the payer's lanes that the escrow has not taken. */
export interface DueLane {
  readonly lane: Hex;
  /** USDC base units. */
  readonly amount: string;
}

export interface LaneAnswer {
  readonly cumulative: string;
  /** On all lanes, to who asks with a permit that never was in time. */
  readonly due?: readonly DueLane[];
}

export const PAYMENT_SIGNATURE = "PAYMENT-SIGNATURE";

async function reach(path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(path, init).catch(() => {
    throw new Trouble("The provider does not answer.", "Try again in a moment.");
  });
}

/** @throws Trouble with what the provider says */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const answer = await reach(path, init);
  if (!answer.ok) throw refusalIn(await answer.text(), answer.status);
  return await answer.json();
}

/** What a refusal of the provider's says. */
export function refusalIn(body: string, status: number): Trouble {
  try {
    const { message, hints = [] } = JSON.parse(body) as { message: string; hints?: string[] };
    const hint = hints.find((text) => !text.includes("khachapuri"));
    return new Trouble(`The provider says: ${message}.`, hint ? `${capital(hint)}.` : "");
  } catch {
    return new Trouble(`The provider answered with status ${status}.`);
  }
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export async function post<T>(path: string, body: object): Promise<T> {
  return await ask<T>(path, { method: "POST", body: JSON.stringify(body) });
}

export async function readOffer(): Promise<Offer> {
  const headers = { accept: "application/json" };
  const { accepts } = await ask<{ accepts: readonly Accept[] }>("/pay", { headers });
  const credits = accepts.find(({ scheme }) => scheme === "credits");
  if (!credits) throw new Trouble("This provider takes no credits.");
  const { depositMinimum } = credits.extra;
  return {
    credits,
    price: BigInt(credits.amount),
    depositMinimum: depositMinimum === undefined ? null : BigInt(depositMinimum),
    exact: accepts.find(({ scheme }) => scheme === "exact") ?? null,
  };
}

export async function readRelayFee(): Promise<RelayFee> {
  const answer = await reach("/relay");
  if (!answer.ok) return null;
  return BigInt((await answer.json()).fee);
}

/** Base64 of UTF-8 JSON, as x402 headers carry it. */
export function toHeader(value: object): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(value))));
}

/** null where there is none, or what there is cannot be read. */
export function fromHeader<T>(text: string | null): T | null {
  try {
    const bytes = Uint8Array.from(atob(text ?? ""), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
