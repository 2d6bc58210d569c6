/**
 * What nodes of a fleet wish that the leader does for their calls: that a payment is settled, or
 * looked for on chain. A wish is of its purchase's row, under a word of whoever wishes: what comes
 * again by it, or late, is nothing new.
 */
import { type PlainError, toPlainError } from "../../../plain_error.ts";
import type { Database } from "../../fleet/database.ts";
import { jsonbText } from "../../fleet/jsonb.ts";
import type { SettlersTerm } from "./leaders_purchases.ts";
import { purchaseIn, type PurchaseJson } from "./purchase_json.ts";
import type { Purchase } from "../purchase_rows.ts";

/** "settle": have its money come; "look": find out whether it has. */
export type WishKind = "settle" | "look";

export interface Wish {
  readonly kind: WishKind;
  readonly word: string;
  readonly purchase: Purchase;
}

/** How far a wish is. */
export interface Wished {
  readonly purchase: Purchase;
  /** Nothing more will be done for it. */
  readonly isOver: boolean;
  /** Why it came to nothing; null: it did not, or nobody told. */
  readonly failure: PlainError | null;
}

const READ = `
  SELECT wish IS NULL OR state = 'paid' AS "isOver", told AS failure, purchase_json(p) AS purchase
  FROM purchases p WHERE id IN (SELECT jsonb_array_elements($1::text::jsonb)::int8)
`;

export class PurchaseWishes {
  constructor(private readonly database: Database) {}

  /**
   * @param word to "settle" the run's, which has to go on
   * @throws KhachapuriError `database_unavailable`: it may be wished nevertheless
   */
  async wish(id: number, kind: WishKind, word: string): Promise<void> {
    await this.database.ask("SELECT purchase_wish_1($1, $2, $3)", [id, kind, word]);
  }

  /** @throws KhachapuriError `database_unavailable` */
  async read(ids: readonly number[]): Promise<Wished[]> {
    const rows = await this.database.ask<Omit<Wished, "purchase"> & { purchase: PurchaseJson }>(
      READ,
      [JSON.stringify(ids)],
    );
    return rows.map((row) => ({ ...row, purchase: purchaseIn(row.purchase) }));
  }

  /**
   * What there is to be done; nothing where another node leads.
   * @throws KhachapuriError `database_unavailable`
   */
  async open({ session, term }: SettlersTerm): Promise<Wish[]> {
    const rows = await this.database.ask<
      { wish: WishKind; word: string; purchase: PurchaseJson }
    >("SELECT wish, word, purchase FROM purchase_wishes_1($1, $2)", [session, term]);
    return rows.map(({ wish, word, purchase }) => ({
      kind: wish,
      word,
      purchase: purchaseIn(purchase),
    }));
  }

  /**
   * It was done, or failed, says who leads: however long the database is away, as somebody waits.
   * @param failure what was thrown; null: nothing was
   */
  async tell({ session, term }: SettlersTerm, wish: Wish, failure: unknown): Promise<void> {
    const told = failure === null ? null : jsonbText(toPlainError(failure));
    await this.database.ask(
      `UPDATE purchases SET wish = NULL, told = $5::text::jsonb
       WHERE id = $3 AND wished = $4 AND wish IS NOT NULL AND leads_1($1, $2)`,
      [session, term, wish.purchase.id, wish.word, told],
      { patienceMs: Infinity },
    );
  }
}
