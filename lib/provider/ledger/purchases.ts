/**
 * What was bought by single payments (x402's `exact`), durably: a payment is the payer's and its
 * nonce, known here before the program starts and for as long as the token could take it. So it
 * buys one answer, however often and to however many deployments it is sent, and whatever ends the
 * process: what the chain has not told by then, it is asked.
 */
import type { SQLInputValue } from "node:sqlite";
import type { Address, Hex } from "viem";
import { PURCHASE_KEPT_MS, PURCHASE_UNPAID_KEPT_MS } from "../../limits_of_exact.ts";
import type { Outcome } from "../../receipt.ts";
import { type Durable, openDurable } from "./durable.ts";
import { prepared } from "./prepared.ts";
import type {
  Funds,
  Ordered,
  OrderRefusal,
  PurchaseBook,
  PurchaseFigures,
} from "./purchase_book.ts";
import {
  type Order,
  type PaymentId,
  type Purchase,
  purchaseOf,
  type PurchaseRow,
  PURCHASES_SCHEMA,
} from "./purchase_rows.ts";
import type { RunFacts } from "./ledger.ts";

export interface PurchasesOptions {
  path: string;
  chainId: number;
  asset: Address;
  /** ms since the epoch. */
  now: () => number;
}

/** Rows are looked through for what is over this often, ms, */
const PURGE_MS = 600_000;
/** and so many at a time. */
const PURGED_AT_ONCE = 1_000;

export class Purchases implements PurchaseBook {
  readonly #options: PurchasesOptions;
  readonly #durable: Durable;
  /** What runs go on for, with what each may cost its payer. */
  readonly #running = new Map<number, { payer: Address; value: bigint }>();
  #purgedAt = -Infinity;
  #purgedUpTo = 0;

  constructor(options: PurchasesOptions) {
    this.#options = options;
    this.#durable = openDurable(options.path, PURCHASES_SCHEMA);
  }

  now(): number {
    return this.#options.now();
  }

  moment(): number {
    return this.now();
  }

  find({ from, nonce }: PaymentId): Purchase | null {
    const { chainId, asset } = this.#options;
    const row = this.#get(
      "SELECT * FROM purchases WHERE chain = ? AND asset = ? AND payer = ? AND nonce = ?",
      chainId,
      asset,
      from,
      nonce,
    );
    return row && purchaseOf(row);
  }

  numbered(id: number): Purchase | null {
    const row = this.#get("SELECT * FROM purchases WHERE id = ?", id);
    return row && purchaseOf(row);
  }

  get(id: number): Purchase {
    const purchase = this.numbered(id);
    if (!purchase) throw new Error(`there is no purchase ${id}`);
    return purchase;
  }

  /** Nothing is awaited between the look and the row, so two orders cannot both have it. */
  async order(order: Order, funds: Funds | null, mayBegin = true): Promise<Ordered> {
    const { authorization: { from, value } } = order;
    const own = this.find(order.authorization);
    if (!own && !mayBegin) return { refusal: { reason: "forgotten" } };
    const known = own ?? this.#paidUnder(order);
    const refusal = this.#refusalOf(order, known, funds);
    if (refusal) return { refusal };
    const purchase = known ?? this.#insert(order);
    this.#running.set(purchase.id, { payer: from, value });
    try {
      if (!known) await this.#durable.sync();
    } catch (error) {
      this.letGo(purchase.id);
      throw error;
    }
    return { purchase };
  }

  #refusalOf(order: Order, known: Purchase | null, funds: Funds | null): OrderRefusal | null {
    if (known) {
      const isFirst = known.authorization.nonce === order.authorization.nonce;
      if (isFirst && !isSame(known, order)) return { reason: "used" };
      if (known.outcome !== null) return { reason: "answered" };
      if (this.#running.has(known.id)) return { reason: "running" };
      if (known.state === "void") return { reason: "void" };
      // Once a transaction may be out, all the world can send the same.
      const isPublic = known.state !== "open" || known.transaction !== null;
      if (isPublic && !isEqualKey(known, order)) return { reason: "elsewhere" };
      if (known.state !== "open") return null;
    }
    if (funds === null) return null;
    const { from, value } = order.authorization;
    const promised = this.promised(from, funds.since);
    if (promised + value <= funds.balance) return null;
    return { reason: "unfunded", balance: funds.balance, promised };
  }

  /**
   * What the same request was paid for before, and not answered: its client has signed another
   * payment for it since, which stays the payer's.
   */
  #paidUnder({ authorization: { from }, cid, request, key }: Order): Purchase | null {
    if (key === null) return null;
    const rows = this.#all(
      `SELECT * FROM purchases WHERE key = ? AND outcome IS NULL AND state IN ('sent', 'paid')
       ORDER BY id`,
      key,
    );
    return rows.map(purchaseOf).find((one) =>
      one.authorization.from === from && one.cid === cid && isEqual(one.request, request)
    ) ?? null;
  }

  #insert({ authorization, signature, cid, request, key, block }: Order): Purchase {
    const { chainId, asset, now } = this.#options;
    const { from, nonce, to, value, validAfter, validBefore } = authorization;
    this.#purge();
    const { lastInsertRowid } = this.#run(
      `INSERT INTO purchases (chain, asset, payer, nonce, payTo, value, validAfter, validBefore,
         signature, cid, request, key, block, at, state)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open')`,
      chainId,
      asset,
      from,
      nonce,
      to,
      String(value),
      String(validAfter),
      String(validBefore),
      signature,
      cid,
      request,
      key,
      String(block),
      now(),
    );
    return this.get(Number(lastInsertRowid));
  }

  /**
   * What a payer's payments that are under way may take out of its wallet, USDC base units.
   * @param since and what was taken out from then on, ms
   */
  promised(payer: Address, since: number): bigint {
    const paid = "SELECT * FROM purchases WHERE state = 'paid' AND payer = ? AND at >= ?";
    let sum = this.#all(paid, payer, since).reduce((sum, { value }) => sum + BigInt(value), 0n);
    const counted = new Set<number>();
    for (const { id, authorization: { from, value } } of this.underWay()) {
      if (from !== payer) continue;
      counted.add(id);
      sum += value;
    }
    for (const [id, running] of this.#running) {
      if (running.payer === payer && !counted.has(id) && this.get(id).state === "open") {
        sum += running.value;
      }
    }
    return sum;
  }

  isAnswering(id: number): boolean {
    return this.#running.has(id) || this.get(id).outcome !== null;
  }

  /** What runs go on for. */
  runningFor = (): number[] => [...this.#running.keys()];

  /** Runs of another process go on for these. */
  adopt(ids: readonly number[]): void {
    for (const id of ids) {
      const { authorization: { from: payer, value } } = this.get(id);
      this.#running.set(id, { payer, value });
    }
  }

  letGo(id: number): void {
    this.#running.delete(id);
  }

  async sending(id: number): Promise<void> {
    const { changes } = this.#run(
      "UPDATE purchases SET state = 'sent', at = ? WHERE id = ? AND state = 'open'",
      this.#options.now(),
      id,
    );
    if (changes > 0) await this.#durable.sync();
  }

  sent(id: number, transaction: Hex): void {
    this.#run("UPDATE purchases SET txHash = ? WHERE id = ? AND state = 'sent'", transaction, id);
  }

  unsent(id: number): void {
    this.#run(
      "UPDATE purchases SET state = 'open' WHERE id = ? AND state = 'sent' AND outcome IS NULL",
      id,
    );
  }

  free(id: number): boolean {
    if (this.isAnswering(id)) return false;
    this.unsent(id);
    return true;
  }

  void(id: number): void {
    this.#run(
      "UPDATE purchases SET state = 'void', at = ? WHERE id = ? AND state IN ('open', 'sent')",
      this.#options.now(),
      id,
    );
  }

  async paid(id: number, transaction: Hex, block: { number: bigint; hash: Hex }): Promise<void> {
    this.#run(
      `UPDATE purchases SET state = 'paid', at = ?, txHash = ?, paidBlock = ?, paidHash = ?
       WHERE id = ?`,
      this.#options.now(),
      transaction,
      String(block.number),
      block.hash,
      id,
    );
    await this.#durable.sync();
  }

  doubt(id: number): void {
    this.#run(
      `UPDATE purchases SET state = 'sent', paidBlock = NULL, paidHash = NULL
       WHERE id = ? AND state = 'paid'`,
      id,
    );
  }

  async answered(id: number, outcome: Outcome, facts: RunFacts | null): Promise<void> {
    this.#run(
      "UPDATE purchases SET outcome = ?, facts = ? WHERE id = ? AND outcome IS NULL",
      outcome,
      facts === null ? null : JSON.stringify(facts),
      id,
    );
    await this.#durable.sync();
  }

  underWay(): Purchase[] {
    return this.#all("SELECT * FROM purchases WHERE state = 'sent' ORDER BY id").map(purchaseOf);
  }

  /** In the order of ids it would look at all. */
  restingAbove(block: bigint): Purchase[] {
    const since = "SELECT * FROM purchases WHERE state = 'paid' AND CAST(paidBlock AS INTEGER) > ?";
    return this.#all(`${since} ORDER BY +id`, Number(block)).map(purchaseOf);
  }

  figures(): PurchaseFigures {
    const sent = this.#get(
      "SELECT COUNT(*) AS id, MIN(at) AS at FROM purchases WHERE state = 'sent'",
    )!;
    const paid = this.#get(
      "SELECT COUNT(*) AS id FROM purchases WHERE state = 'paid' AND outcome IS NULL",
    )!;
    const oldestMs = sent.id === 0 ? 0 : this.#options.now() - sent.at;
    return { sent: sent.id, oldestMs, unanswered: paid.id };
  }

  close(): void {
    this.#durable.close();
  }

  /** Goes through the oldest rows, now and then. */
  #purge(): void {
    const { now } = this.#options;
    const atMs = now();
    if (atMs - this.#purgedAt < PURGE_MS && this.#purgedUpTo === 0) return;
    if (this.#purgedUpTo === 0) this.#purgedAt = atMs;
    const rows = this.#all(
      "SELECT * FROM purchases WHERE id > ? ORDER BY id LIMIT ?",
      this.#purgedUpTo,
      PURGED_AT_ONCE,
    );
    for (const row of rows) {
      if (this.#running.has(row.id) || atMs - row.at < keptMs(row)) continue;
      this.#run("DELETE FROM purchases WHERE id = ?", row.id);
    }
    this.#purgedUpTo = rows.length < PURGED_AT_ONCE ? 0 : rows.at(-1)!.id;
  }

  #run(sql: string, ...values: SQLInputValue[]) {
    return prepared(this.#durable.database, sql).run(...values);
  }

  #get(sql: string, ...values: SQLInputValue[]): PurchaseRow | null {
    return (prepared(this.#durable.database, sql).get(...values) as unknown as PurchaseRow) ?? null;
  }

  #all(sql: string, ...values: SQLInputValue[]): PurchaseRow[] {
    return prepared(this.#durable.database, sql).all(...values) as unknown as PurchaseRow[];
  }
}

/**
 * For how long a row is kept from its last change on, ms. What was paid for is owed, or has its
 * receipt, and what was sent once may be paid yet; afterwards the token tells that it is used. What
 * nobody has sent costs nothing to leave behind here, for how long ever it were good.
 */
function keptMs({ state, txHash }: PurchaseRow): number {
  if (state === "sent") return Infinity;
  return state === "open" && txHash === null || state === "void"
    ? PURCHASE_UNPAID_KEPT_MS
    : PURCHASE_KEPT_MS;
}

/** Whether an order is the one that a payment was first used for. */
function isSame(known: Purchase, { authorization, cid, request, signature }: Order): boolean {
  const { to, value, validAfter, validBefore } = known.authorization;
  // A wallet's own contract may take one signature for several.
  const isAuthorization = to === authorization.to && value === authorization.value &&
    validAfter === authorization.validAfter && validBefore === authorization.validBefore;
  return isAuthorization && known.cid === cid && known.signature === signature &&
    isEqual(known.request, request);
}

function isEqualKey({ key: a }: Order, { key: b }: Order): boolean {
  return a === null || b === null ? a === b : isEqual(a, b);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
