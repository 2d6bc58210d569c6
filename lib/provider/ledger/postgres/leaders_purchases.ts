/**
 * The fleet's book of single payments, as the node that leads writes what becomes of them. What it
 * believes it writes only while it leads; what the chain told is so whoever tells it. A sending has
 * a word of its own, so that what comes late of an earlier one changes nothing of this.
 */
import type { Address, Hex } from "viem";
import { KhachapuriError } from "../../../errors.ts";
import { EXACT_REVERTED_WAIT_MAX_MS, EXACT_REVERTED_WAIT_MS } from "../../../limits_of_exact.ts";
import type { Database } from "../../fleet/database.ts";
import { readPurchases } from "./purchase_json.ts";
import type { PostgresPurchases } from "./postgres_purchases.ts";
import type { PurchaseFigures, PurchasesOfSettler } from "../purchase_book.ts";
import type { PaymentId, Purchase } from "../purchase_rows.ts";

/** One time that a node leads. */
export interface SettlersTerm {
  readonly session: number;
  readonly term: number;
}

export class LeadersPurchases implements PurchasesOfSettler {
  /** The words of what is sent, by purchase. */
  readonly #sendings = new Map<number, string>();

  constructor(
    private readonly database: Database,
    private readonly all: Pick<PostgresPurchases, "find" | "get" | "isAnswering" | "figures">,
    private readonly term: SettlersTerm,
  ) {}

  find(payment: PaymentId): Promise<Purchase | null> {
    return this.all.find(payment);
  }

  get(id: number): Promise<Purchase> {
    return this.all.get(id);
  }

  isAnswering(id: number): Promise<boolean> {
    return this.all.isAnswering(id);
  }

  figures(): PurchaseFigures {
    return this.all.figures();
  }

  /** @throws KhachapuriError `chain_unavailable` where another node leads: it sends */
  async sending(id: number): Promise<void> {
    const { session, term } = this.term;
    const word = crypto.randomUUID();
    const [row] = await this.database.ask<{ leads: boolean }>(
      "SELECT purchase_sending_1($1, $2, $3, $4) AS leads",
      [session, term, id, word],
    );
    if (!row!.leads) throw new KhachapuriError("chain_unavailable", "another node settles by now");
    this.#sendings.set(id, word);
  }

  async sent(id: number, transaction: Hex): Promise<void> {
    await this.database.ask(
      "UPDATE purchases SET tx_hash = $3 WHERE id = $1 AND state = 'sent' AND sender = $2",
      [id, this.#sendings.get(id) ?? null, transaction],
    );
  }

  async unsent(id: number): Promise<void> {
    const { session, term } = this.term;
    await this.database.ask(
      `UPDATE purchases SET state = 'open'
       WHERE id = $3 AND state = 'sent' AND sender = $4 AND outcome IS NULL AND leads_1($1, $2)`,
      [session, term, id, this.#sendings.get(id) ?? null],
    );
    this.#sendings.delete(id);
  }

  async free(id: number): Promise<boolean> {
    const { session, term } = this.term;
    const freed = await this.database.ask(
      `UPDATE purchases SET state = 'open'
       WHERE id = $3 AND state = 'sent' AND outcome IS NULL AND NOT session_lives(session)
         AND leads_1($1, $2) RETURNING id`,
      [session, term, id],
    );
    return freed.length > 0 || !await this.isAnswering(id);
  }

  async void(id: number): Promise<void> {
    this.#sendings.delete(id);
    await this.database.ask(
      `UPDATE purchases SET state = 'void', at = now_ms()
       WHERE id = $1 AND state IN ('open', 'sent')`,
      [id],
    );
  }

  async paid(id: number, transaction: Hex, block: { number: bigint; hash: Hex }): Promise<void> {
    this.#sendings.delete(id);
    await this.database.ask(
      `UPDATE purchases SET state = 'paid', at = now_ms(), tx_hash = $2, paid_block = $3,
         paid_hash = $4 WHERE id = $1`,
      [id, transaction, String(block.number), block.hash],
    );
  }

  async doubt(id: number): Promise<void> {
    await this.database.ask(
      `UPDATE purchases SET state = 'sent', paid_block = NULL, paid_hash = NULL
       WHERE id = $1 AND state = 'paid'`,
      [id],
    );
  }

  /** But for those that somebody wishes to have settled. */
  underWay(): Promise<Purchase[]> {
    return readPurchases(this.database, "state = 'sent' AND wish IS NULL");
  }

  restingAbove(block: bigint): Promise<Purchase[]> {
    return readPurchases(this.database, "state = 'paid' AND paid_block > $1", [String(block)]);
  }

  /** A payment of the payer's was reverted, at our cost: no node serves it for a while. */
  async noteReverted(payer: Address): Promise<void> {
    await this.database.ask("SELECT purchaser_reverted_1($1, $2, $3, $4)", [
      payer,
      crypto.randomUUID(),
      EXACT_REVERTED_WAIT_MS,
      EXACT_REVERTED_WAIT_MAX_MS,
    ]);
  }
}
