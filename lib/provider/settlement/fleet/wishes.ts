/**
 * The operator as a node of a fleet has it: questions are asked of the chain here, and what is to
 * be sent is wished for in the database. The leader sends it, whichever node that is by then
 * (wish_desk.ts); here it is looked for what became of it.
 */
import type { Address, Hex, TransactionReceipt } from "viem";
import { KhachapuriError } from "../../../errors.ts";
import { fromPlain, toPlain } from "../../../plain.ts";
import { fromPlainError, type PlainError } from "../../../plain_error.ts";
import { within } from "../../../within.ts";
import type { Database } from "../../fleet/database.ts";
import { isLost } from "../../fleet/trouble.ts";
import type { OperatorCall, Sending } from "../operator.ts";
import { bytesOf } from "../operator_call.ts";
import type { OperatorQuestions } from "../operator_questions.ts";
import type { OperatorOfCalls } from "../operator_seat.ts";

export interface FleetOperatorOptions {
  database: Database;
  questions: OperatorQuestions;
  /** A wish of this node stands in the database: for the leader, where that is this node. */
  onWish?(): void;
  /** Between two looks what became of wishes, ms. */
  pollMs?: number;
}

/** What became of a wish, as JSON; of one to settle without a receipt. */
export type WishResult = { readonly receipt: unknown } | { readonly error: PlainError };

interface Wish {
  readonly kind: "send" | "settle";
  readonly recipient: Address;
  readonly data: Hex;
  readonly sending: unknown;
  /** Whether it stands in the database. */
  isWritten: boolean;
  readonly done: PromiseWithResolvers<unknown>;
}

const POLL_MS = 100;
/** How long one look may take, ms: the next one follows. */
const PATIENCE_MS = 1_000;

const WRITE = `
  INSERT INTO wishes (id, kind, recipient, data, sending)
    SELECT id, kind, recipient, data, sending
    FROM jsonb_to_recordset($1::text::jsonb)
      AS x(id text, kind text, recipient text, data text, sending jsonb)
    ON CONFLICT DO NOTHING
`;
const READ = `
  SELECT id, result FROM wishes WHERE id IN (SELECT jsonb_array_elements_text($1::text::jsonb))
`;

export class FleetOperator implements OperatorOfCalls {
  readonly #options: FleetOperatorOptions;
  readonly #open = new Map<string, Wish>();
  #polling: Promise<void> | null = null;
  /** Resolves when there is more to do than to look. */
  #called = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(options: FleetOperatorOptions) {
    this.#options = options;
  }

  get address(): Address {
    return this.#options.questions.address;
  }

  simulate(call: OperatorCall): Promise<bigint> {
    return this.#options.questions.simulate(call);
  }

  gasPrice(): Promise<bigint> {
    return this.#options.questions.gasPrice();
  }

  /**
   * Has the leader send `call`; resolves with its receipt, whether it succeeded or reverted. While
   * the database is away it is not known what becomes of it, and this waits.
   * @throws KhachapuriError as `Operator.send`; `chain_unavailable` when nobody knows any more
   */
  async send(call: OperatorCall, sending: Sending): Promise<TransactionReceipt> {
    const { to, data } = bytesOf(call);
    const recipient = to.toLowerCase() as Address;
    const receipt = await this.#wish({ kind: "send", recipient, data, sending: toPlain(sending) });
    return receipt as TransactionReceipt;
  }

  /** Has the leader settle what is due; resolves as `Settlement.settleNow`. @throws as `send` */
  async settleNow(): Promise<void> {
    const { address: recipient } = this;
    await this.#wish({ kind: "settle", recipient, data: "0x", sending: {} });
  }

  async #wish(wished: Pick<Wish, "kind" | "recipient" | "data" | "sending">): Promise<unknown> {
    if (this.#isClosed) throw unknown();
    const done = Promise.withResolvers<unknown>();
    this.#open.set(crypto.randomUUID(), { ...wished, isWritten: false, done });
    this.#call();
    this.#polling ??= this.#poll().finally(() => this.#polling = null);
    return await done.promise;
  }

  /** Whoever waits is told that it is not known; what was wished for is sent all the same. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#call();
    for (const { done } of this.#open.values()) done.reject(unknown());
    this.#open.clear();
    await this.#polling;
  }

  #call(): void {
    this.#called.resolve();
    this.#called = Promise.withResolvers();
  }

  async #poll(): Promise<void> {
    while (this.#open.size > 0) {
      const called = this.#called.promise;
      try {
        await this.#write();
        await this.#read();
      } catch (error) {
        if (!isAway(error)) this.#fail(error);
      }
      if (this.#open.size > 0) await within(called, this.#options.pollMs ?? POLL_MS);
    }
  }

  async #write(): Promise<void> {
    const fresh = [...this.#open].filter(([, { isWritten }]) => !isWritten);
    if (fresh.length === 0) return;
    const rows = fresh.map(([id, { kind, recipient, data, sending }]) => ({
      ...{ id, kind, recipient, data, sending },
    }));
    await this.#ask(WRITE, rows);
    for (const [, wish] of fresh) wish.isWritten = true;
    this.#options.onWish?.();
  }

  async #read(): Promise<void> {
    const asked = [...this.#open].filter(([, { isWritten }]) => isWritten).map(([id]) => id);
    const rows = await this.#ask<{ id: string; result: WishResult | null }>(READ, asked);
    const results = new Map(rows.map(({ id, result }) => [id, result]));
    for (const id of asked) {
      const result = results.get(id);
      if (result !== null) this.#end(id, result);
    }
  }

  /** @param result undefined: it stands there no more */
  #end(id: string, result: WishResult | undefined): void {
    const wish = this.#open.get(id);
    this.#open.delete(id);
    if (result === undefined) wish?.done.reject(unknown());
    else if ("error" in result) wish?.done.reject(fromPlainError(result.error));
    else wish?.done.resolve(fromPlain(result.receipt));
  }

  #fail(error: unknown): void {
    for (const { done } of this.#open.values()) done.reject(error);
    this.#open.clear();
  }

  async #ask<Row>(statement: string, said: unknown): Promise<Row[]> {
    const { database } = this.#options;
    return await database.ask<Row>(statement, [JSON.stringify(said)], { patienceMs: PATIENCE_MS });
  }
}

function isAway(error: unknown): boolean {
  const { code } = Object(error) as { code?: unknown };
  return code === "database_unavailable" || isLost(error);
}

function unknown(): KhachapuriError {
  return new KhachapuriError("chain_unavailable", "nobody knows what became of it", {
    retryAfterSeconds: 10,
    hints: ["it may still be mined: look before signing another"],
  });
}
