/** What the lines of a ledger come to: equal where each line of one is in the other. */
import { createHash } from "node:crypto";
import type { Address } from "viem";
import { unsettledAmount } from "../lane.ts";
import { laneOfLine, type Line } from "./format.ts";

type Kind = Line[0];
const KINDS: readonly Kind[] = ["lane", "charge", "purchase", "answer", "gone"];

/** Sums for a person; credits, and USDC base units. */
export interface Sums {
  payers: number;
  lanes: number;
  /** Credits that runs have used, over all lanes, and that the escrow has taken. */
  charged: bigint;
  settled: bigint;
  /** USDC that the escrow has neither paid nor refused, and on how many lanes. */
  due: bigint;
  dueLanes: number;
  /** USDC that it has refused. */
  refused: bigint;
  charges: number;
  receipts: number;
  /** USDC of the charges. */
  chargesAmount: bigint;
  purchases: number;
  /** USDC that came by single payments, and how many of these nothing was given for yet. */
  paid: bigint;
  unanswered: number;
  answers: number;
  /** Charges whose rows were let go of, and their USDC. */
  gone: number;
  goneAmount: bigint;
}

/** As JSON has it: numbers of 64 bits are text, digests hex. */
export interface TotalsJson {
  readonly sums: { readonly [K in keyof Sums]: number | string };
  readonly digests: Readonly<Record<Kind, string>>;
}

/** The last line of a file. */
export type EndLine = readonly ["end", { readonly totals: TotalsJson; readonly sha256: string }];

const MODULUS = 1n << 256n;

export class Totals {
  readonly sums: Sums = {
    ...{ payers: 0, lanes: 0, charged: 0n, settled: 0n, due: 0n, dueLanes: 0, refused: 0n },
    ...{ charges: 0, receipts: 0, chargesAmount: 0n, purchases: 0, paid: 0n, unanswered: 0 },
    ...{ answers: 0, gone: 0, goneAmount: 0n },
  };
  readonly #payers = new Set<Address>();
  /** Σ sha256, so that stores may give their lines in orders of their own. */
  readonly #digests = new Map<Kind, bigint>();

  /** @param text the same, as JSON */
  take(line: Line, text: string = JSON.stringify(line)): void {
    const [kind] = line;
    const digest = BigInt(`0x${createHash("sha256").update(text).digest("hex")}`);
    this.#digests.set(kind, ((this.#digests.get(kind) ?? 0n) + digest) % MODULUS);
    count(this.sums, line);
    if (line[0] === "lane") this.sums.payers = this.#payers.add(line[1]).size;
  }

  json(): TotalsJson {
    const sums = Object.entries(this.sums).map(([name, sum]) => [
      name,
      typeof sum === "bigint" ? String(sum) : sum,
    ]);
    const digests = KINDS.map((kind) => [
      kind,
      (this.#digests.get(kind) ?? 0n).toString(16).padStart(64, "0"),
    ]);
    return { sums: Object.fromEntries(sums), digests: Object.fromEntries(digests) };
  }
}

/** What differs first between what came and what is there, in words; null: nothing. */
export function difference(came: TotalsJson, there: TotalsJson): string | null {
  for (const [name, sum] of Object.entries(came.sums)) {
    const other = there.sums[name as keyof Sums];
    if (other !== sum) return `${name} is ${other}, and ${sum} came`;
  }
  const kind = KINDS.find((each) => came.digests[each] !== there.digests[each]);
  return kind === undefined ? null : `a line of the kind "${kind}" is not what came`;
}

function count(sums: Sums, line: Line): void {
  switch (line[0]) {
    case "lane": {
      const lane = laneOfLine(line);
      const amount = unsettledAmount(lane);
      sums.lanes += 1;
      sums.charged += lane.charged;
      sums.settled += lane.settled;
      if (lane.refused !== null) sums.refused += amount;
      else if (amount > 0n) {
        sums.due += amount;
        sums.dueLanes += 1;
      }
      break;
    }
    case "charge":
      sums.charges += 1;
      sums.chargesAmount += BigInt(line[5]);
      if (line[8] !== null) sums.receipts += 1;
      break;
    case "purchase":
      sums.purchases += 1;
      if (line[1].state !== "paid") break;
      sums.paid += BigInt(line[1].value);
      if (line[1].outcome === null) sums.unanswered += 1;
      break;
    case "answer":
      sums.answers += 1;
      break;
    case "gone":
      sums.gone += line[1];
      sums.goneAmount += BigInt(line[2]);
  }
}
