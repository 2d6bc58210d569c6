/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the same request of the same payer
 * under the same key is charged once, and answered again from here. An answer is on disk before
 * its charge commits; one whose charge a crash took back counts for nothing.
 */
import { createHash } from "node:crypto";
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { IDEMPOTENCY_KEY_CHARACTERS_MAX } from "../../limits.ts";
import type { FieldReader } from "../http/fields.ts";
import type { HttpRequest } from "../http/request.ts";
import type { DeploymentTarget } from "../http/target.ts";
import type { Bill } from "../money/scheme.ts";

export const IDEMPOTENCY_HEADER = "Idempotency-Key";
/** On an answer that was given, and charged, before. */
export const REPLAYED_HEADER = "Idempotency-Replayed";

/** What a request is known by: payer, lane, deployment, or the name that was called, and key. */
export interface RequestKey {
  /** Their digest. */
  readonly id: Uint8Array;
  readonly payer: Address;
  /** The request has none of its own: its payment stands in for one. */
  readonly isPayment: boolean;
}

export interface StoredAnswer {
  status: number;
  headers: [string, string][];
  body: Uint8Array<ArrayBuffer>;
}

/** What is kept of an answer that cannot be given again: why. */
export interface LostAnswer {
  why: string;
}

/** A key that is being answered. */
export interface Claim {
  /**
   * The answer, durable when it resolves; it counts once `reservation` is charged.
   * @throws KhachapuriError when it is not kept, and its run is not to be charged:
   * `idempotency_conflict` where another run has the key by now
   */
  store(answer: StoredAnswer | LostAnswer, reservation: number): Promise<void>;
  /**
   * The run has ended: unless it was charged, the key is free again when this resolves, or where
   * that cannot be done now, soon. More calls do nothing.
   * @param isCharged whether it is known to be
   */
  end(isCharged?: boolean): Promise<void>;
}

/** A key that was taken for one run, or the answer that it has. */
export type Taken = { readonly stored: StoredAnswer } | { readonly claim: Claim };

/** Answers, wherever they are kept. */
export interface Idempotency {
  /** Whether something is known under the key, be it a run that goes on. */
  isKnown(key: RequestKey): Promise<boolean>;
  /**
   * Takes the key for one run, unless it has been answered.
   * @param fingerprint of the request; another one under the same key is refused
   * @throws KhachapuriError `idempotency_mismatch`, or `payment_required` where a payment is the
   * key; `idempotency_conflict` when it is running, or
   * was charged and its answer was not kept; `rate_limited` when its answer was given too often, or
   * no more of the payer's can be kept
   */
  take(key: RequestKey, fingerprint: Uint8Array): Promise<Taken>;
  close(): void;
}

/**
 * The key of a request, or null when it has none. One that is sent again to a name is the same,
 * though the name may point elsewhere by now: it was paid for.
 * @throws KhachapuriError `invalid_input` unless it is a quoted string (RFC 8941) or a bare one
 */
export function requestKey(
  fields: FieldReader,
  bill: Bill,
  { name }: Pick<DeploymentTarget, "name"> = {},
): RequestKey | null {
  const text = fields.get(IDEMPOTENCY_HEADER);
  if (text === null) return bill.key === undefined ? null : keyOf(bill, name, bill.key, true);
  const key = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text)?.[1] ?? text;
  if (key === "" || key.length > IDEMPOTENCY_KEY_CHARACTERS_MAX || !/^[\x21-\x7e]*$/.test(key)) {
    const most = `1 to ${IDEMPOTENCY_KEY_CHARACTERS_MAX} visible characters`;
    throw new KhachapuriError("invalid_input", `${IDEMPOTENCY_HEADER} has ${most}`);
  }
  return keyOf(bill, name, key, false);
}

/** A payment's key has a place of its own among the keys of its payer. */
function keyOf(
  { payer, scope, cid }: Bill,
  name: string | undefined,
  key: string,
  isPayment: boolean,
): RequestKey {
  const called = name === undefined ? cid : `name ${name}`;
  const parts = [payer, scope, called, key, ...(isPayment ? ["payment"] : [])];
  const id = createHash("sha256").update(JSON.stringify(parts)).digest();
  return { id: new Uint8Array(id), payer, isPayment };
}

/** By these a program knows whom it answers. */
const CREDENTIALS = ["authorization", "cookie"];

/**
 * What makes two requests the same: method, path with query, content type and body. Where a payment
 * is the key, also whom the program takes the caller for: once it is mined, everybody can read the
 * payment on chain, and would else read what its payer was answered.
 */
export function fingerprintOf(
  { method, fields, query }: HttpRequest,
  { path }: Pick<DeploymentTarget, "path">,
  bodyHash: string,
  isPayment: boolean,
): Uint8Array {
  const target = query === null ? path : `${path}?${query}`;
  const credentials = isPayment ? CREDENTIALS.map((name) => fields.get(name)) : [];
  const parts = [method, target, fields.get("content-type"), bodyHash, ...credentials];
  return new Uint8Array(createHash("sha256").update(JSON.stringify(parts)).digest());
}

/** What a key is known by among those that run. */
export function keyText({ id }: Pick<RequestKey, "id">): string {
  return id.toBase64();
}
