/** One denial: whom it is about, why, and until when; as it is asked for, kept, and told. */
import * as v from "valibot";
import { getAddress, isAddress } from "viem";
import { formatCid, parseCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { parseShape } from "../../shape.ts";
import { timeTextOfMs } from "../../time_text.ts";
import { networkText, parseNetwork } from "./network.ts";
import { DENIAL_KINDS, type DenialKind } from "./welcome.ts";

/** What an operator asks for. */
export interface DenialWish {
  readonly kind: DenialKind;
  /** An address, a cid or a network, in its one canonical form. */
  readonly what: string;
  /** Told to whoever is refused. */
  readonly reason: string;
  /** For the operator alone. */
  readonly note: string | null;
  /** Unix ms; null: until it is lifted. */
  readonly until: number | null;
}

export interface Denial extends DenialWish {
  /** By which it is lifted, and which whoever is refused can name. */
  readonly id: number;
  /** Since when, Unix ms. */
  readonly at: number;
  /** When the operator lifted it, Unix ms; null: it did not. */
  readonly lifted: number | null;
}

export type DenialState = "in force" | "over" | "lifted";

/** What a line of a refusal, or of a table, has room for. */
const LINE_CHARACTERS = 200;

const lineShape = v.pipe(
  v.string(),
  v.trim(),
  v.minLength(1, "it is empty"),
  v.maxLength(LINE_CHARACTERS, `more than ${LINE_CHARACTERS} characters`),
  v.check((text) => !/\p{Cc}|\p{Zl}|\p{Zp}/u.test(text), "it has more than one line"),
);

const wishShape = v.strictObject({
  kind: v.picklist(DENIAL_KINDS),
  what: v.string(),
  reason: lineShape,
  note: v.nullable(lineShape),
  until: v.nullable(v.pipe(v.number(), v.safeInteger())),
});

/**
 * Reads what an operator asks for.
 * @param now Unix ms
 * @throws KhachapuriError `invalid_input`
 */
export function parseDenialWish(value: unknown, now: number): DenialWish {
  const wish = parseShape(wishShape, value, "denial", "invalid_input");
  if (wish.until !== null && wish.until <= now) {
    const past = `its end has passed: ${timeTextOfMs(wish.until)}`;
    throw new KhachapuriError("invalid_input", past);
  }
  return { ...wish, what: subjectOf(wish.kind, wish.what) };
}

/** @throws KhachapuriError `invalid_input`, `invalid_cid` */
function subjectOf(kind: DenialKind, text: string): string {
  if (kind === "network") return networkText(parseNetwork(text));
  if (kind === "deployment") return formatCid(parseCid(text));
  if (isAddress(text)) return getAddress(text);
  const why = isAddress(text, { strict: false })
    ? "has a wrong checksum: a character was changed"
    : "is not an Ethereum address";
  throw new KhachapuriError("invalid_input", `the ${kind} ${why}: ${text}`);
}

/** @param now Unix ms */
export function stateOfDenial({ until, lifted }: Denial, now: number): DenialState {
  if (lifted !== null) return "lifted";
  return until !== null && until <= now ? "over" : "in force";
}

/** As commands print it. */
export function denialToJson(denial: Denial, now: number) {
  const { id, kind, what, reason, note, at, until, lifted } = denial;
  const timeOf = (ms: number | null) => ms === null ? null : timeTextOfMs(ms);
  const times = { since: timeOf(at), until: timeOf(until), lifted: timeOf(lifted) };
  return { id, kind, what, state: stateOfDenial(denial, now), reason, note, ...times };
}

/** What whoever is denied is refused with. */
export function deniedBy({ id, kind, reason, until }: Denial): KhachapuriError {
  const ends = until === null ? [] : [`it ends ${timeTextOfMs(until)}`];
  const isPayer = kind === "payer" || kind === "owner";
  return new KhachapuriError("denied", `this ${kind} is not served here: ${reason}`, {
    hints: [
      "nothing was charged",
      ...ends,
      ...(isPayer ? ["what is in the escrow stays its payer's: khachapuri revoke, withdraw"] : []),
      `ask the provider, and name denial ${id}`,
    ],
    data: { denied: kind, denial: id, until: until === null ? null : timeTextOfMs(until) },
  });
}
