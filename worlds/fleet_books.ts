/** Nodes of a fleet, as far as what they keep about deployments goes, each with its own files. */
import { join } from "node:path";
import { getAddress, type Hex } from "viem";
import type { CidText } from "../lib/cid.ts";
import { KEEP_NOTHING } from "../lib/keep.ts";
import { deploymentLane } from "../lib/permit.ts";
import { DenialBook } from "../lib/provider/denial/denial_book.ts";
import { Denials } from "../lib/provider/denial/denials.ts";
import type { Denial } from "../lib/provider/denial/denial.ts";
import { CurrentOffer } from "../lib/provider/deployment/current_offer.ts";
import type { Deployment } from "../lib/provider/deployment/deployment.ts";
import { openRecords, type Records } from "../lib/provider/deployment/records.ts";
import { openSharedBooks, type SharedBooks } from "../lib/provider/deployment/shared_books.ts";
import type { Configured } from "../lib/provider/deployment/shared_records.ts";
import type { Offer } from "../lib/provider/deployment/tariff_book.ts";
import type { Database } from "../lib/provider/fleet/database.ts";
import { Sessions } from "../lib/provider/fleet/sessions.ts";
import { termsHash } from "../lib/spec/terms.ts";
import { permitOf } from "./ledger.ts";

export interface BooksNode extends AsyncDisposable {
  readonly records: Records;
  readonly own: Denials;
  readonly current: CurrentOffer;
  readonly books: SharedBooks;
  /** Denials that it was told are in force. */
  readonly denied: Denial[];
  /** Deployments that are stopped, as it heard of it. */
  readonly stopped: string[];
}

export interface BooksNodeOptions {
  /** Of its files. */
  readonly dir: string;
  readonly configured?: Configured;
  /** Unix ms. */
  readonly now?: () => number;
  /** Whether its session begins, and beats; else it does when a test says so. */
  readonly isLive?: boolean;
}

/** What a node is configured to offer. */
export function configured(
  price: bigint,
  texts: readonly string[] = ["the terms\n"],
  changes: Partial<Offer> = {},
): Configured {
  const bytes = texts.map((text) => new TextEncoder().encode(text));
  const listed = new Map(bytes.map((text) => [termsHash(text), text]));
  const keep = { price: KEEP_NOTHING, terms: KEEP_NOTHING };
  return { offer: { price, terms: [...listed.keys()], keep, ...changes }, texts: listed };
}

/**
 * Has a node join. What was opened is closed with it; where a test opens the same files again
 * without that, it is as after a kill.
 */
export async function openBooksNode(
  database: Database,
  { dir, configured: asked = configured(7n), now = () => 1_000_000, isLive = false }:
    BooksNodeOptions,
): Promise<BooksNode> {
  await Deno.mkdir(dir, { recursive: true });
  const records = openRecords(join(dir, "deployments.db"), { now });
  const book = DenialBook.open(join(dir, "denials.db"));
  const own = new Denials({ book, now });
  const { offer: { price, keep }, texts } = asked;
  const current = new CurrentOffer({ price, keep, terms: texts });
  const denied: Denial[] = [];
  const stopped: string[] = [];
  records.stops.onStop(({ id }) => void stopped.push(id));
  let sessions: Sessions | null = null;
  const books = await openSharedBooks({
    ...{ database, node: dir, records, current, configured: asked, now },
    denials: { book, denials: own },
    session: () => sessions?.session ?? 0,
    onDenied: (denial) => void denied.push(denial),
  });
  if (isLive) {
    sessions = await Sessions.begin({
      database,
      card: { node: dir, url: "http://127.0.0.1:1", version: "1" },
      facts: () => ({ seen: books.seen() }),
      besideBeats: () => books.beat(),
      onLost() {},
    });
  }
  return {
    ...{ records, own, current, books, denied, stopped },
    async [Symbol.asyncDispose]() {
      await sessions?.end();
      records.close();
      book.close();
    },
  };
}

/** The nth owner's address. */
export function ownerOf(number: number) {
  return getAddress(`0x${number.toString(16).padStart(40, "0")}`);
}

export function numberedId(number: number): Hex {
  return `0x${number.toString(16).padStart(64, "0")}`;
}

/** The nth deployment, of that owner. */
export function deploymentOf(number: number, owner = number): Deployment {
  const id = numberedId(number);
  const permit = permitOf({ payer: ownerOf(owner), lane: deploymentLane(id), price: 7n });
  const about = { description: `number ${number} \u0000 \ud800` };
  return {
    cid: `bafy${number}` as CidText,
    spec: { id, owner: ownerOf(owner), access: "public", about },
    entry: { terms: id, permit },
    recipient: `age1…${number % 3}`,
  } as unknown as Deployment;
}
