/** Somewhere that says what a name points to: a chain, DNS, or a provider's register. */
import type { LocalAccount } from "viem";
import type { CidText } from "../cid.ts";

/** What it says of a name now. */
export interface NameState {
  cid: CidText | null;
  /** What it pointed to, oldest first; null where that can't be found out there. */
  history: readonly NamePoint[] | null;
  /** What else is said there, for `--json`. */
  facts: Readonly<Record<string, unknown>>;
}

export interface NamePoint {
  /** null when it pointed to nothing that can be called. */
  cid: CidText | null;
  /** Since when, Unix ms. */
  at: number;
}

/** What came of moving a name there. */
export interface NameMoved {
  /** "by hand": only the owner can, outside of this program. */
  action: "set" | "removed" | "unchanged" | "by hand";
  /** What else is said of it, for `--json`. */
  facts: Readonly<Record<string, unknown>>;
  /** And for people. */
  lines: readonly string[];
}

export interface NamePlace {
  /** For people: which chain, which provider. */
  readonly where: string;
  /** @throws KhachapuriError when it can't be asked */
  look(): Promise<NameState>;
  /**
   * Finds out whether the account may move the name there, and signs nothing.
   * @returns what moves it, null to nowhere
   * @throws KhachapuriError why it may not
   */
  prepare(account: LocalAccount): Promise<(cid: CidText | null) => Promise<NameMoved>>;
}

/** Which entry is the present one: the latest that points where the name does; -1 for none. */
export function presentIndex(history: readonly NamePoint[], present: CidText | null): number {
  return history.findLastIndex(({ cid }) => cid === present);
}

/**
 * The deployment that the name had before the present one: the entry below that in `history`. As a
 * rollback is an entry itself, the next one goes forth again.
 */
export function before(history: readonly NamePoint[], present: CidText | null): CidText | null {
  const index = presentIndex(history, present);
  const passed = index === -1 ? history : history.slice(0, index);
  return passed.findLast(({ cid }) => cid !== null && cid !== present)?.cid ?? null;
}
