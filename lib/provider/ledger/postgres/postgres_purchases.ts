/**
 * The book of single payments that all nodes of a fleet share (fleet/schema/purchases.ts), as calls
 * of a node use it: what is said of `Purchases` holds for all of them together. A run is its
 * session's, and its payment free again once that is over. Whatever is sent twice, as its answer
 * was lost, changes nothing then.
 */
import type { Address } from "viem";
import { KhachapuriError } from "../../../errors.ts";
import {
  EXACT_OUT_MAX,
  PURCHASE_KEPT_MS,
  PURCHASE_UNPAID_KEPT_MS,
} from "../../../limits_of_exact.ts";
import type { Outcome } from "../../../receipt.ts";
import type { Database, Parameter } from "../../fleet/database.ts";
import type { RunFacts } from "../ledger.ts";
import { purchaseIn, type PurchaseJson, readPurchases } from "./purchase_json.ts";
import type {
  Funds,
  Ordered,
  OrderRefusal,
  PurchaseFigures,
  PurchasesOfCalls,
} from "../purchase_book.ts";
import type { Order, PaymentId, Purchase } from "../purchase_rows.ts";

export interface PostgresPurchasesOptions {
  database: Database;
  /** Of this node, now. */
  session(): number;
  chainId: number;
  asset: Address;
  /** ms since the epoch. */
  now: () => number;
}

type Told =
  | { readonly purchase: PurchaseJson }
  | {
    readonly reason: OrderRefusal["reason"] | "over";
    readonly balance?: string;
    readonly promised?: string;
    readonly waitMs?: number;
  };

/** Rows are looked through for what is over this often, ms, */
const PURGE_MS = 60_000;
/** and so many of each kind go at a time. */
const PURGED_AT_ONCE = 1_000;
/** Figures are read anew when they are asked for and are older, ms. */
const FIGURES_MS = 5_000;

const FIGURES = `
  SELECT (SELECT count(*) FROM purchases WHERE state = 'sent')::int4 AS sent,
    (SELECT coalesce(now_ms() - min(at), 0) FROM purchases WHERE state = 'sent')::float8
      AS "oldestMs",
    (SELECT count(*) FROM purchases WHERE state = 'paid' AND outcome IS NULL)::int4 AS unanswered
`;

export class PostgresPurchases implements PurchasesOfCalls {
  readonly #options: PostgresPurchasesOptions;
  /** The words of the runs that go on here, by purchase. */
  readonly #runs = new Map<number, string>();
  #figures: PurchaseFigures = { sent: 0, oldestMs: 0, unanswered: 0 };
  #figuresAt = -Infinity;
  #purgedAt = -Infinity;

  constructor(options: PostgresPurchasesOptions) {
    this.#options = options;
  }

  now(): number {
    return this.#options.now();
  }

  async moment(): Promise<number> {
    const { database } = this.#options;
    const [row] = await database.ask<{ ms: number }>("SELECT now_ms()::float8 AS ms");
    return row!.ms;
  }

  async find({ from, nonce }: PaymentId): Promise<Purchase | null> {
    const { database, chainId, asset } = this.#options;
    const which = "chain = $1 AND asset = $2 AND payer = $3 AND nonce = $4";
    const [purchase] = await readPurchases(database, which, [chainId, asset, from, nonce]);
    return purchase ?? null;
  }

  async numbered(id: number): Promise<Purchase | null> {
    const [purchase] = await readPurchases(this.#options.database, "id = $1", [id]);
    return purchase ?? null;
  }

  /** @throws Error for a number that was never given out */
  async get(id: number): Promise<Purchase> {
    const purchase = await this.numbered(id);
    if (!purchase) throw new Error(`there is no purchase ${id}`);
    return purchase;
  }

  async order(order: Order, funds: Funds | null, mayBegin = true): Promise<Ordered> {
    const { database, session } = this.#options;
    const run = crypto.randomUUID();
    const [row] = await database.ask<{ told: Told }>(
      "SELECT purchase_order_1($1, $2, $3::text::jsonb, $4, $5, $6, $7) AS told",
      [
        session(),
        run,
        JSON.stringify(this.#ordered(order)),
        funds === null ? null : String(funds.balance),
        funds === null ? null : momentOf(funds.since),
        mayBegin,
        EXACT_OUT_MAX,
      ],
    ).catch((error) => {
      // It may be taken nevertheless.
      this.#endRun("payer = $1 AND run = $2", [order.authorization.from, run]);
      throw error;
    });
    const { told } = row!;
    if (!("purchase" in told)) return { refusal: refusalOf(told) };
    const purchase = purchaseIn(told.purchase);
    this.#runs.set(purchase.id, run);
    this.#tend();
    return { purchase };
  }

  #ordered({ authorization, signature, cid, request, key, block }: Order) {
    const { from, to, nonce, value, validAfter, validBefore } = authorization;
    const { chainId, asset } = this.#options;
    return {
      chain: chainId,
      asset,
      payer: from,
      nonce,
      pay_to: to,
      value: String(value),
      valid_after: String(validAfter),
      valid_before: String(validBefore),
      signature,
      cid,
      request_hex: request.toHex(),
      key_hex: key?.toHex() ?? null,
      block: String(block),
    };
  }

  /** The word of the run that goes on here for a purchase; null: none does. */
  runOf(id: number): string | null {
    return this.#runs.get(id) ?? null;
  }

  async answered(id: number, outcome: Outcome, facts: RunFacts | null): Promise<void> {
    const [row] = await this.#options.database.ask<{ is_ours: boolean }>(
      "SELECT purchase_answered_1($1, $2, $3, $4::text::jsonb) AS is_ours",
      [id, this.runOf(id), outcome, facts === null ? null : JSON.stringify(facts)],
    );
    if (!row!.is_ours) throw new Error("the payment is another run's by now");
  }

  /** Resolves when it is written down; it never fails. */
  async letGo(id: number): Promise<void> {
    const run = this.runOf(id);
    this.#runs.delete(id);
    if (run !== null) await this.#endRun("id = $1 AND run = $2", [id, run]);
  }

  /** However long the database is away: else the payment were its run's until this node ends. */
  async #endRun(which: string, parameters: readonly Parameter[]): Promise<void> {
    const statement = `UPDATE purchases SET session = NULL WHERE ${which}`;
    const patience = { patienceMs: Infinity };
    await this.#options.database.ask(statement, parameters, patience).catch(() => {});
  }

  /** Whether its answer was given, or may be on its way, at whichever node. */
  async isAnswering(id: number): Promise<boolean> {
    const [row] = await this.#options.database.ask<{ is_so: boolean }>(
      "SELECT outcome IS NOT NULL OR session_lives(session) AS is_so FROM purchases WHERE id = $1",
      [id],
    );
    return row?.is_so ?? false;
  }

  /** What payments of `payer` under way, and those paid `since`, come to, USDC base units. */
  async promised(payer: Address, since: number): Promise<bigint> {
    const [row] = await this.#options.database.ask<{ promised: string }>(
      "SELECT promised_1($1, $2) AS promised",
      [payer, momentOf(since)],
    );
    return BigInt(row!.promised);
  }

  /** As they were when they were asked for last. */
  figures(): PurchaseFigures {
    if (this.now() - this.#figuresAt >= FIGURES_MS) this.readFigures().catch(() => {});
    return this.#figures;
  }

  /** @throws KhachapuriError `database_unavailable` */
  async readFigures(): Promise<PurchaseFigures> {
    this.#figuresAt = this.now();
    const [figures] = await this.#options.database.ask<PurchaseFigures>(FIGURES);
    return this.#figures = figures!;
  }

  /** Has what is over go, now and then; nobody waits for it. */
  #tend(): void {
    if (this.now() - this.#purgedAt < PURGE_MS) return;
    this.#purgedAt = this.now();
    this.purge().catch(() => {});
  }

  /** @throws KhachapuriError `database_unavailable` */
  async purge(): Promise<void> {
    const kept = [PURCHASE_UNPAID_KEPT_MS, PURCHASE_KEPT_MS, PURGED_AT_ONCE];
    for (let isMore = true; isMore;) {
      const [row] = await this.#options.database.ask<{ is_more: boolean }>(
        "SELECT purchases_purge_1($1, $2, $3) AS is_more",
        kept,
      );
      isMore = row!.is_more;
    }
  }
}

/** null: it is later than all that was. */
function momentOf(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null;
}

function refusalOf(told: Exclude<Told, { purchase: unknown }>): OrderRefusal {
  const { reason, balance, promised, waitMs } = told;
  switch (reason) {
    case "unfunded":
      return { reason, balance: BigInt(balance!), promised: BigInt(promised!) };
    case "reverted":
      return { reason, waitMs: waitMs! };
    case "over":
      throw new KhachapuriError("database_unavailable", "this node was taken to have ended", {
        retryAfterSeconds: 1,
        hints: ["nothing was charged; send the same payment again"],
      });
    default:
      return { reason };
  }
}
