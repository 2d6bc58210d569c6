/**
 * The ledger that a node of a fleet had when it was alone: what is due there is nobody's to settle
 * until it is brought to the fleet's database.
 */
import { join } from "node:path";
import type { Database } from "../fleet/database.ts";
import { isEmpty, placesIn } from "../ledger/transfer/from_sqlite.ts";
import type { Look } from "./findings.ts";

const ASK = `
  SELECT EXISTS (SELECT FROM imports WHERE done) AS is_imported,
    EXISTS (SELECT FROM accounts) AS is_full
`;

/**
 * @param book folder of the node's books
 * @returns null where there is none, or the database had a ledger imported
 * @throws KhachapuriError `database_unavailable`
 */
export async function tellLoneLedger(
  book: string,
  database: Database,
): Promise<Required<Pick<Look, "detail" | "hints">> | null> {
  if (!hasLedger(book)) return null;
  const [row] = await database.ask<{ is_imported: boolean; is_full: boolean }>(ASK);
  if (row!.is_imported) return null;
  const path = join(book, "ledger.db");
  const aside = join(book, "earlier");
  return {
    detail: `${path} was never imported into ${database.name}: what is due there is not settled`,
    hints: [
      row!.is_full
        ? "the fleet has a ledger of its own by now, and takes no other: without ledger.postgres " +
          "and fleet in config.json, khachapuri settle settles what is due in that file"
        : "stop all nodes, then: khachapuri ledger export FILE --store sqlite; " +
          "khachapuri ledger import FILE",
      `if it is of no use any more: mkdir -p ${aside} && mv ${path}* ${aside}`,
    ],
  };
}

/** What is damaged may be one; of what this user may not read nothing is said. */
function hasLedger(book: string): boolean {
  try {
    return !isEmpty(placesIn(book));
  } catch (error) {
    return !(error instanceof Deno.errors.PermissionDenied);
  }
}
