/** `ledger` of a fleet: its journal as PostgreSQL has it, and whether its books agree. */
import { creditsText } from "../credits_text.ts";
import type { JournalFilter } from "../provider/ledger/journal_reader.ts";
import { proveBooks } from "../provider/ledger/postgres/books_proof.ts";
import { pageJournal } from "../provider/ledger/postgres/journal_pages.ts";
import type { CommandContext } from "./command.ts";
import { fleetBooks } from "./fleet_books.ts";
import { csvLinesOf, rowsOfCharges, textLinesOf } from "./ledger_rows.ts";

/** Prints the charges of all nodes, oldest first. */
export async function showFleet(
  context: CommandContext,
  filter: JournalFilter,
  isCsv: boolean,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const rows = rowsOfCharges(pageJournal(await fleetBooks(context, stack), filter));
  const { out } = context;
  if (out.isJson) await out.jsonListAsItComes("entries", rows);
  else await out.linesAsTheyCome(isCsv ? csvLinesOf(rows) : textLinesOf(rows));
}

/** Proves the books as they are at this moment. @throws KhachapuriError as `proveBooks` */
export async function proveFleet(context: CommandContext): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const database = await fleetBooks(context, stack);
  context.out.progress("comparing");
  const proof = await proveBooks(database);
  const { rows, gone, payers, lanes, used, held, over } = proof;
  context.out.result({ database: database.name, ...proof }, [
    `proved    ${rows} charges, on ${lanes} lanes of ${payers} payers`,
    ...(gone > 0
      ? [`gone      ${gone} charges before those, by the policy; their sums are kept`]
      : []),
    `used      ${creditsText(used)}`,
    `held      ${creditsText(held)}, by nodes, for runs`,
    ...(over > 0
      ? [`over      of ${over} payers more is used or held than they left in the escrow`]
      : []),
  ]);
}
