/** Whom a reader asks for, in the index. */
import type { DatabaseSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import type { CidText } from "../../../cid.ts";
import { prepared } from "../prepared.ts";
import type { Party } from "./block_codec.ts";
import { maskOf, offsetsIn, type PartyRows } from "./postings.ts";

/** Whose entries to read. */
export interface PartyFilter {
  payer?: Address;
  lane?: Hex;
  /** Of runs of this deployment. */
  cid?: CidText;
}

export function isPartys({ payer, lane, cid }: PartyFilter, [ofPayer, ofLane, of]: Party): boolean {
  return (payer === undefined || payer === ofPayer) &&
    (lane === undefined || lane === ofLane) &&
    (cid === undefined || cid === of);
}

/** With more a span is read as a whole: each look-up takes 3 µs. */
const LOOKUPS_MOST = 256;

/** The parties that a filter is about. More may come while it is read. */
export class PartySet {
  readonly #ids = new Set<number>();
  #newest = 0;

  constructor(private readonly database: DatabaseSync, private readonly filter: PartyFilter) {}

  has(party: number): boolean {
    this.#learn();
    return this.#ids.has(party);
  }

  /** Which blocks of a span have rows of theirs, as a mask. */
  maskIn(span: number, blockRows: number): number {
    let mask = 0;
    for (const rows of this.#rowsIn(span)) mask |= maskOf(rows, blockRows);
    return mask >>> 0;
  }

  /** Which rows of a span, not in the archive, are theirs, rising. */
  seqsIn(span: number): number[] {
    const offsets = this.#rowsIn(span).flatMap((rows) => offsetsIn(rows as Uint8Array));
    return offsets.sort((one, other) => one - other).map((offset) => span + offset);
  }

  #rowsIn(span: number): PartyRows[] {
    this.#learn();
    const isFew = this.#ids.size <= LOOKUPS_MOST;
    const found = isFew
      ? prepared(
        this.database,
        `
        SELECT party, rows FROM json_each(?) JOIN span_parties ON span = ? AND party = value
      `,
      ).all(JSON.stringify([...this.#ids]), span)
      : prepared(this.database, "SELECT party, rows FROM span_parties WHERE span = ?").all(span);
    const theirs = found.filter(({ party }) => this.#ids.has(party as number));
    return theirs.map(({ rows }) => rows as PartyRows);
  }

  #learn(): void {
    const row = prepared(this.database, "SELECT max(id) AS id FROM parties").get();
    const newest = Number(row!.id ?? 0);
    if (newest === this.#newest) return;
    const { payer, lane, cid } = this.filter;
    const wanted = { payer, lane, deployment: cid };
    const named = Object.entries(wanted).filter(([, value]) => value !== undefined);
    const clauses = ["id > ?", ...named.map(([column]) => `${column} = ?`)];
    const values = named.map(([, value]) => value!);
    const found = prepared(this.database, `SELECT id FROM parties WHERE ${clauses.join(" AND ")}`)
      .all(this.#newest, ...values);
    for (const { id } of found) this.#ids.add(id as number);
    this.#newest = newest;
  }
}
