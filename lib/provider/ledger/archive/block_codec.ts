/**
 * Rows of the journal as one line of JSON, column by column: what follows from the row before, or
 * from the reservation that a charge or a release ends, is not written, and what is left repeats
 * so much that a row takes 1 to 3 bytes when it is compressed (a receipt's two hashes, 64 more).
 */
import type { StoredRow } from "../codec.ts";

/** Whom a row is of; deployment "" where there is none. */
export type Party = readonly [payer: string, lane: string, deployment: string];

/** A row, and which of its file's parties it is of. */
export interface PartyRow {
  readonly row: StoredRow;
  readonly party: number;
}

const LETTERS: Readonly<Record<StoredRow["kind"], string>> = {
  open: "o",
  permit: "p",
  reserve: "r",
  charge: "c",
  release: "x",
  settle: "s",
  skip: "k",
};
const KINDS = new Map(
  Object.entries(LETTERS).map(([kind, letter]) => [letter, kind as StoredRow["kind"]]),
);

/** In a receipt, for the deployment that its party names: nothing else in one is so written. */
const OWN_DEPLOYMENT = '"="';

interface Columns {
  /** Of the first row. */
  seq: number;
  /** A letter for each row's kind. */
  kinds: string;
  /** Unix ms of the first row, then the distances. */
  at: number[];
  /** How many rows further each is than the one before; only where some are left out. */
  seqs?: number[];
  /** Of each charge and release: the last, second last, … reserve before it; 0: none of these. */
  back: number[];
  /** Of each row but those that say `back`. */
  party: number[];
  /** Of a reserve: how far behind the reserve before; of what has `back` 0: the number itself. */
  reservation: number[];
  /** Of each row but charges and releases; 0: a reserve with the amount of the one before. */
  amount: (string | null | 0)[];
  /** Of each row but opens and reserves. */
  detail: (string | null)[];
}

/**
 * @param rows rising
 * @param parties of the file
 * @throws Error when a row could not be read back as it is
 */
export function encodeBlock(rows: readonly PartyRow[], parties: readonly Party[]): string {
  const text = JSON.stringify(columnsOf(rows, parties));
  const back = decodeBlock(text, parties);
  for (const [index, { row }] of rows.entries()) {
    if (isSame(row, back[index]!.row)) continue;
    throw new Error(`row ${row.seq} of the ledger can't be archived as it is`);
  }
  return text;
}

function columnsOf(rows: readonly PartyRow[], parties: readonly Party[]): Columns {
  const columns: Columns = {
    seq: rows[0]!.row.seq,
    kinds: rows.map(({ row }) => LETTERS[row.kind]).join(""),
    at: [],
    back: [],
    party: [],
    reservation: [],
    amount: [],
    detail: [],
  };
  const seqs = rows.map(({ row: { seq } }, index) => seq - (rows[index - 1]?.row.seq ?? seq - 1));
  if (seqs.some((distance) => distance !== 1)) columns.seqs = seqs;
  const reserves = new Map<number, { place: number; party: number }>();
  let [at, reservation, amount]: [number, number, string | null] = [0, 0, null];
  for (const { row, party } of rows) {
    columns.at.push(row.at - at);
    at = row.at;
    if (row.kind === "charge" || row.kind === "release") {
      const reserve = reserves.get(row.reservation);
      const isBack = reserve?.party === party;
      columns.back.push(isBack ? reserves.size - reserve.place : 0);
      if (!isBack) columns.reservation.push(row.reservation);
      if (!isBack) columns.party.push(party);
      columns.detail.push(shortDetail(row, parties[party]!));
      continue;
    }
    columns.party.push(party);
    if (row.kind === "reserve") {
      reserves.set(row.reservation, { place: reserves.size, party });
      columns.reservation.push(row.reservation - reservation);
      reservation = row.reservation;
      columns.amount.push(row.amount === amount ? 0 : row.amount);
      amount = row.amount;
      continue;
    }
    columns.amount.push(row.amount);
    if (row.kind !== "open") columns.detail.push(row.detail);
  }
  return columns;
}

/** @param text what `encodeBlock` has made */
export function decodeBlock(text: string, parties: readonly Party[]): PartyRow[] {
  const columns: Columns = JSON.parse(text);
  const next = { back: 0, party: 0, reservation: 0, amount: 0, detail: 0 };
  const reserves: { reservation: number; party: number }[] = [];
  const rows: PartyRow[] = [];
  let [seq, at, reserved, price]: [number, number, number, string | null] = [0, 0, 0, null];
  for (const [index, letter] of [...columns.kinds].entries()) {
    const kind = KINDS.get(letter)!;
    const isEnd = kind === "charge" || kind === "release";
    seq = index === 0 ? columns.seq : seq + (columns.seqs?.[index] ?? 1);
    at += columns.at[index]!;
    const back = isEnd ? columns.back[next.back++]! : 0;
    const known = back > 0 ? reserves[reserves.length - back]! : null;
    const party = known?.party ?? columns.party[next.party++]!;
    const [payer, lane, deployment] = parties[party]!;
    let [reservation, amount, detail]: (string | number | null)[] = [null, null, null];
    if (isEnd) {
      reservation = known?.reservation ?? columns.reservation[next.reservation++]!;
      detail = longDetail(columns.detail[next.detail++]!, parties[party]!);
    } else if (kind === "reserve") {
      reservation = reserved += columns.reservation[next.reservation++]!;
      const written = columns.amount[next.amount++]!;
      amount = price = written === 0 ? price : written;
      reserves.push({ reservation, party });
    } else {
      amount = columns.amount[next.amount++]!;
      if (kind !== "open") detail = columns.detail[next.detail++]!;
    }
    const row = { seq, at, kind, payer, lane, reservation, amount, detail };
    const run = { deployment: kind === "reserve" ? deployment : null };
    rows.push({ row: { ...row, ...run } as StoredRow, party });
  }
  return rows;
}

function shortDetail({ detail }: StoredRow, [, , deployment]: Party): string | null {
  if (deployment === "" || detail === null || !detail.startsWith("[")) return detail;
  return detail.replace(JSON.stringify(deployment), OWN_DEPLOYMENT);
}

function longDetail(detail: string | null, [, , deployment]: Party): string | null {
  if (deployment === "" || detail === null || !detail.startsWith("[")) return detail;
  return detail.replace(OWN_DEPLOYMENT, () => JSON.stringify(deployment));
}

const FIELDS = [
  "seq",
  "at",
  "kind",
  "payer",
  "lane",
  "reservation",
  "deployment",
  "amount",
  "detail",
] as const;

function isSame(one: StoredRow, other: StoredRow): boolean {
  return FIELDS.every((field) => one[field] === other[field]);
}
