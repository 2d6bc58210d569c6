/**
 * Where the leader finds what nodes of the fleet wish that it sends. A call is sent once however
 * many wish for it: while it is out it is not sent again, also by whoever leads next, and its
 * receipt is with the wish before the outbox forgets it.
 */
import type { Address, Hex, TransactionReceipt } from "viem";
import { KhachapuriError } from "../../../errors.ts";
import { fromPlain, toPlain } from "../../../plain.ts";
import { toPlainError } from "../../../plain_error.ts";
import { jsonbText } from "../../fleet/jsonb.ts";
import type { Database } from "../../fleet/database.ts";
import type { Term } from "../../fleet/leadership.ts";
import type { Operator, Sending } from "../operator.ts";
import { namedCall } from "../operator_call.ts";
import { isNotLeading } from "../postgres_outbox_store.ts";
import type { WishResult } from "./wishes.ts";

export interface WishDeskOptions {
  database: Database;
  term: Term;
  operator: Pick<Operator, "send" | "endOf" | "calls">;
  /** Settles what is due. */
  settle(): Promise<void>;
  onTrouble?(error: unknown): void;
  /** Between two looks while nobody wishes for anything, ms. */
  idleMs?: number;
}

interface Wished {
  readonly kind: "send" | "settle";
  readonly recipient: Address;
  readonly data: Hex;
  readonly sending: unknown;
}

const IDLE_MS = 1_000;
/** While a wish is open, or one was a while ago, ms. */
const BUSY_MS = 100;
const BUSY_FOR_MS = 10_000;
/** A look is worth nothing once the next is due, ms. */
const PATIENCE_MS = 900;

const LOOK = "SELECT kind, recipient, data, sending FROM wished_1()";
const FULFIL = "SELECT fulfil_1($1, $2, $3, $4, $5, $6::text::jsonb)";

export class WishDesk {
  readonly #options: WishDeskOptions;
  /** Under way, by call. */
  readonly #working = new Set<string>();
  #looking: Promise<void> | null = null;
  /** Somebody wished for something since the look that goes on began. */
  #isCalled = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #busyUntil = -Infinity;
  #isClosed = false;

  /** Looks from now on. */
  constructor(options: WishDeskOptions) {
    this.#options = options;
    this.look();
  }

  /** Takes up what is wished for now. */
  async look(): Promise<void> {
    if (this.#looking) {
      this.#isCalled = true;
      return await this.#looking;
    }
    this.#looking = this.#lookOn().finally(() => {
      this.#looking = null;
      this.#schedule();
    });
    await this.#looking;
  }

  /** Takes up nothing more; what is out is the next leader's. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
  }

  #schedule(): void {
    if (this.#isClosed) return;
    const isBusy = performance.now() < this.#busyUntil;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const ms = isBusy ? BUSY_MS : this.#options.idleMs ?? IDLE_MS;
    this.#timer = setTimeout(() => this.look(), ms);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  async #lookOn(): Promise<void> {
    do {
      this.#isCalled = false;
      await this.#lookOnce().catch((error) => this.#options.onTrouble?.(error));
    } while (this.#isCalled && !this.#isClosed);
  }

  async #lookOnce(): Promise<void> {
    if (this.#isClosed) return;
    const { database } = this.#options;
    // What was under way and ends meanwhile may seem to be wished for still.
    const before = new Set([...this.#working, ...this.#options.operator.calls().map(keyOfCall)]);
    const wished = await database.ask<Wished>(LOOK, [], { patienceMs: PATIENCE_MS });
    if (wished.length > 0) this.#busyUntil = performance.now() + BUSY_FOR_MS;
    for (const wish of wished) {
      const key = keyOf(wish);
      const isOut = this.#options.operator.endOf(callOf(wish)) !== null;
      if (this.#isClosed || this.#working.has(key) || before.has(key) && !isOut) continue;
      this.#working.add(key);
      this.#carryOut(wish)
        .catch((error) => this.#options.onTrouble?.(error))
        .finally(() => this.#working.delete(key));
    }
  }

  async #carryOut(wish: Wished): Promise<void> {
    const { operator, settle } = this.#options;
    try {
      if (wish.kind === "settle") {
        await settle();
        return await this.#tell(wish, { receipt: null });
      }
      const call = callOf(wish);
      const sending = fromPlain(wish.sending) as Sending;
      await (operator.endOf(call) ?? operator.send(namedCall(call), sending));
      // Who wished for it was told when it was mined.
    } catch (error) {
      // The term is over, and with it the desk.
      if (isNotLeading(error)) return void this.close();
      if (!isAway(error)) await this.#tell(wish, { error: toPlainError(error) });
    }
  }

  async #tell({ kind, recipient, data }: Wished, result: WishResult): Promise<void> {
    const { database, term: { session, term } } = this.#options;
    const said = jsonbText(result);
    await database.ask(FULFIL, [session, term, kind, recipient, data, said]);
  }
}

/**
 * A transaction was mined: whoever wished for it is told, before the outbox forgets it.
 * @throws KhachapuriError `database_unavailable`: then it is to be told again
 */
export async function tellMined(database: Database, receipt: TransactionReceipt): Promise<void> {
  const result: WishResult = { receipt: toPlain(receipt) };
  await database.ask(
    "SELECT mined_1($1, $2::text::jsonb)",
    [receipt.transactionHash, jsonbText(result)],
  );
}

/** Whether it is out is not known: the next look, of whoever leads, finds it or tries again. */
function isAway(error: unknown): boolean {
  return error instanceof KhachapuriError && error.code === "database_unavailable";
}

function callOf({ recipient, data }: Wished) {
  return { to: recipient, data };
}

function keyOf({ kind, recipient, data }: Pick<Wished, "kind" | "recipient" | "data">): string {
  return `${kind} ${recipient} ${data}`;
}

function keyOfCall({ to, data }: { to: Address | null; data: Hex }): string {
  return `send ${to?.toLowerCase()} ${data}`;
}
