/** Purchases as PostgreSQL has them. */
import type { Database, Parameter } from "../../fleet/database.ts";
import { type Purchase, purchaseOf, type PurchaseRow } from "../purchase_rows.ts";

/** As `purchase_json` of the schema writes it: bytes in hex. */
export type PurchaseJson = Omit<PurchaseRow, "request" | "key"> & {
  request: string;
  key: string | null;
};

export function purchaseIn(row: PurchaseJson): Purchase {
  const { request, key } = row;
  return purchaseOf({
    ...row,
    request: Uint8Array.fromHex(request),
    key: key === null ? null : Uint8Array.fromHex(key),
  });
}

/**
 * Those of which `which` holds, oldest first.
 * @throws KhachapuriError `database_unavailable`
 */
export async function readPurchases(
  database: Database,
  which: string,
  parameters: readonly Parameter[] = [],
): Promise<Purchase[]> {
  const rows = await database.ask<{ purchase: PurchaseJson }>(
    `SELECT purchase_json(p) AS purchase FROM purchases p WHERE ${which} ORDER BY id`,
    parameters,
  );
  return rows.map(({ purchase }) => purchaseIn(purchase));
}
