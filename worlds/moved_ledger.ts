/** Ledgers that are moved from one store to another, and the files between. */
import { join } from "node:path";
import { AnswersTable } from "../lib/provider/call/answers_table.ts";
import { writeAll } from "../lib/provider/backup/written.ts";
import type { Layout } from "../lib/provider/ledger/archive/schema.ts";
import type { LedgerSource } from "../lib/provider/ledger/transfer/ends.ts";
import { fileOf } from "../lib/provider/ledger/transfer/file.ts";
import {
  FORMAT,
  FORMAT_VERSION,
  type Header,
  type Line,
  type Whose,
} from "../lib/provider/ledger/transfer/format.ts";
import {
  placesIn,
  recoverLedger,
  SqliteSource,
} from "../lib/provider/ledger/transfer/from_sqlite.ts";
import { SqliteTarget } from "../lib/provider/ledger/transfer/to_sqlite.ts";
import type { TotalsJson } from "../lib/provider/ledger/transfer/totals.ts";
import { PAYER, permitOf } from "./ledger.ts";

export const WHOSE: Whose = { provider: permitOf().provider, chainId: 31_337, escrow: PAYER };

/** Writes what a source has into a file. */
export async function writeExport(
  path: string,
  source: LedgerSource,
  whose: Whose = WHOSE,
): Promise<TotalsJson> {
  const header: Header = {
    khachapuri: FORMAT,
    version: FORMAT_VERSION,
    release: "test",
    store: source.store,
    ...whose,
    next: await source.next(),
  };
  using file = await Deno.open(path, { create: true, truncate: true, write: true });
  const ended = Promise.withResolvers<TotalsJson>();
  await writeAll(file, fileOf(header, source.lines(), ended.resolve));
  return await ended.promise;
}

/** The lines of a file; of the last only what they come to. */
export async function readExport(path: string): Promise<{ header: Header; lines: string[] }> {
  const [header, ...lines] = (await textIn(path)).trimEnd().split("\n");
  const [, { totals }] = JSON.parse(lines.pop()!);
  return { header: JSON.parse(header!), lines: [...lines, JSON.stringify(totals)] };
}

export async function textIn(path: string): Promise<string> {
  using file = await Deno.open(path);
  return await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
}

/** A file that somebody wrote by hand. */
export async function writeText(path: string, text: string): Promise<void> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  await Deno.writeFile(path, await new Response(stream).bytes());
}

/** Books in a folder of a provider of one process, as they are after a stop. */
export async function sourceIn(book: string): Promise<SqliteSource> {
  const places = placesIn(book);
  await recoverLedger(places.ledger);
  return new SqliteSource(places);
}

export function targetIn(book: string, layout?: Layout): SqliteTarget {
  const makeAnswers = (database: ConstructorParameters<typeof AnswersTable>[0]) =>
    void new AnswersTable(database);
  return new SqliteTarget({ places: placesIn(book), makeAnswers, ...layout ? { layout } : {} });
}

export async function linesFrom(source: LedgerSource): Promise<Line[]> {
  return await Array.fromAsync(source.lines());
}

export function ledgerPath(book: string): string {
  return join(book, "ledger.db");
}
