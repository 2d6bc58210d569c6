/** The two ends of a ledger's way from one store to another. */
import type { Header, Line, NextNumbers, StoreName } from "./format.ts";

/** A store that nobody writes to meanwhile. */
export interface LedgerSource {
  readonly store: StoreName;
  next(): Promise<NextNumbers>;
  /** All that it knows, as format.ts orders it. */
  lines(): AsyncIterable<Line>;
  close(): Promise<void>;
}

/** A store that takes a whole ledger, or none: until `commit` nobody can serve by it. */
export interface LedgerTarget {
  readonly store: StoreName;
  /**
   * What an import has left that was given up goes.
   * @throws KhachapuriError `invalid_input` where there is a ledger already, `access_denied` where
   *   somebody serves by it
   */
  begin(): Promise<void>;
  /** The line as the store can have it. */
  adapted(line: Line): Line;
  put(line: Line): Promise<void>;
  /** Resolves when all that was put is there; then it can be read back. */
  flush(): Promise<void>;
  source(): LedgerSource;
  commit(header: Header): Promise<void>;
  close(): Promise<void>;
}
