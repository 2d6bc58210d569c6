/**
 * What the process that has the books does for runs that go on in the one before it. What these
 * hold is a guest's: it is theirs for as long as they can be heard of, and given back when their
 * process ends, however it ends, as after a crash.
 *
 * What always holds: only who has the state's lock writes the books; a credit that was held before
 * the books passed on is either charged once, by the run that it was held for, or released once;
 * and of a charge that the run did not hear of, its caller did not see the answer's end.
 */
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import type { Permit } from "../../permit.ts";
import type { Outcome } from "../../receipt.ts";
import type { CallAnswers } from "../call/idempotency_seat.ts";
import { type Claim, type Idempotency, keyText, type RequestKey } from "../call/idempotency.ts";
import type { SqliteIdempotency } from "../call/sqlite_idempotency.ts";
import type { LoggedRun, RunLog } from "../deployment/run_log.ts";
import type { ServerEntry } from "../deployment/server_entries.ts";
import type { Until } from "../ledger/group_commit.ts";
import type { Draw, PayerView, Source } from "../ledger/judge.ts";
import type { LaneId } from "../ledger/journal.ts";
import type { Held, Ledger, RunFacts } from "../ledger/ledger.ts";
import type { CallLedger } from "../ledger/ledger_seat.ts";
import type { Awaitable, CallPurchases, Funds } from "../ledger/purchase_book.ts";
import type { Order, Purchase } from "../ledger/purchase_rows.ts";
import type { Purchases } from "../ledger/purchases.ts";
import type { CallSettler } from "../settlement/exact/settler_seat.ts";
import type { OperatorCall, Sending } from "../settlement/operator.ts";
import type { CallOperator } from "../settlement/operator_seat.ts";
import type { ExactSettler } from "../money/exact/exact.ts";
import type { Service } from "./talk.ts";

/** All that runs may ask of who has the books. */
export interface Desk
  extends CallLedger, CallPurchases, CallSettler, CallOperator, Required<CallAnswers> {
  logRun(cid: CidText, run: LoggedRun): unknown;
  logServer(cid: CidText, entry: ServerEntry): unknown;
}

/** A credit that a guest's run holds. */
export type GuestHold = LaneId & { readonly reservation: number };

/** What the one before leaves under way. */
export interface LeftUnderWay {
  readonly holds: readonly GuestHold[];
  /** Numbers of purchases that runs go on for. */
  readonly purchases: readonly number[];
  /** Keys of runs that go on, with what was asked under each. */
  readonly claims: readonly [text: string, fingerprint: Uint8Array][];
}

export interface DeskParts {
  ledger: Ledger;
  purchases: CallPurchases;
  purchased: { get(id: number): Awaitable<Purchase> } & Pick<Purchases, "adopt">;
  settler: ExactSettler;
  operator: CallOperator;
  answers: Pick<Idempotency, "isKnown" | "take">;
  running: Pick<SqliteIdempotency, "adopt" | "letGo">;
  runLog: Pick<RunLog, "add" | "addServerEntry">;
  /** Called after each charge. */
  onCharge(): void;
}

export class GuestDesk implements Desk {
  readonly #holds = new Map<number, LaneId>();
  readonly #purchases: Set<number>;
  /** null: it was taken before the books passed on. */
  readonly #claims = new Map<string, Claim | null>();
  #hasLeft = false;

  constructor(private readonly parts: DeskParts, left: LeftUnderWay) {
    for (const { reservation, ...lane } of left.holds) this.#holds.set(reservation, lane);
    this.#purchases = new Set(left.purchases);
    for (const [text] of left.claims) this.#claims.set(text, null);
    parts.purchased.adopt(left.purchases);
    parts.running.adopt(left.claims);
  }

  /** What the guest still holds, of credits. */
  get held(): number {
    return this.#holds.size;
  }

  judge(draw: Draw, view: PayerView, source: Source) {
    return this.parts.ledger.judge(draw, view, source);
  }

  async hold(draw: Draw, view: PayerView, source: Source, isPooled?: boolean) {
    const held = await this.parts.ledger.hold(draw, view, source, isPooled);
    if (!held.payable) return held;
    const { payer, lane } = draw;
    this.#holds.set(held.reservation, { payer, lane });
    if (this.#hasLeft) this.release(held, "handover");
    return held;
  }

  async charge(held: Held, outcome: Outcome, run: RunFacts | null, until?: Until): Promise<void> {
    // Its own run alone ends it, and not once its process is taken to have ended.
    if (!this.#holds.delete(held.reservation)) throw new Error("this credit is held no more");
    await this.parts.ledger.charge(held, outcome, run, until);
    this.parts.onCharge();
  }

  release(held: Held, reason: string): void {
    if (this.#holds.delete(held.reservation)) this.parts.ledger.release(held, reason);
  }

  standing(draw: Draw, view: PayerView) {
    return this.parts.ledger.standing(draw, view);
  }

  used(lane: LaneId, view: PayerView) {
    return this.parts.ledger.used(lane, view);
  }

  usedUp(lane: LaneId): Promise<Permit | null> {
    return this.parts.ledger.usedUp(lane);
  }

  basis(payer: Address, lane: Hex, block: bigint) {
    return this.parts.ledger.basis(payer, lane, block);
  }

  receipted(reservation: number) {
    return this.parts.ledger.receipted(reservation);
  }

  async order(order: Order, funds: Funds | null, mayBegin?: boolean) {
    const ordered = await this.parts.purchases.order(order, funds, mayBegin);
    if ("purchase" in ordered) this.#purchases.add(ordered.purchase.id);
    if (this.#hasLeft && "purchase" in ordered) this.letGo(ordered.purchase.id);
    return ordered;
  }

  answered(id: number, outcome: Outcome, facts: RunFacts | null): Promise<void> {
    return this.parts.purchases.answered(id, outcome, facts);
  }

  letGo(id: number): void {
    if (this.#purchases.delete(id)) this.parts.purchases.letGo(id);
  }

  async settle(id: number): Promise<Purchase> {
    return await this.parts.settler.settle(await this.parts.purchased.get(id));
  }

  async hasCome(id: number): Promise<boolean> {
    return await this.parts.settler.hasCome(await this.parts.purchased.get(id));
  }

  send(call: OperatorCall, sending: Sending) {
    return this.parts.operator.send(call, sending);
  }

  isKnown(key: RequestKey): Promise<boolean> {
    return this.parts.answers.isKnown(key);
  }

  async claim(key: RequestKey, fingerprint: Uint8Array): Promise<"claimed" | "stored"> {
    const taken = await this.parts.answers.take(key, fingerprint);
    if ("stored" in taken) return "stored";
    if (this.#hasLeft) taken.claim.end();
    else this.#claims.set(keyText(key), taken.claim);
    return "claimed";
  }

  ended(text: string): void {
    const claim = this.#claims.get(text);
    if (claim === undefined) return;
    this.#claims.delete(text);
    if (claim) claim.end();
    else this.parts.running.letGo(text);
  }

  logRun(cid: CidText, run: LoggedRun): void {
    this.parts.runLog.add(cid, run);
  }

  logServer(cid: CidText, entry: ServerEntry): void {
    this.parts.runLog.addServerEntry(cid, entry);
  }

  /** Nothing is heard of the guest any more: what it held is free. */
  leave(): void {
    this.#hasLeft = true;
    for (const [reservation, lane] of this.#holds) {
      this.#holds.delete(reservation);
      this.parts.ledger.release(abandoned(reservation, lane), "handover");
    }
    for (const id of [...this.#purchases]) this.letGo(id);
    for (const text of [...this.#claims.keys()]) this.ended(text);
  }
}

/** Of a credit that is to be released, its number and lane are all that counts. */
function abandoned(reservation: number, { payer, lane }: LaneId): Held {
  return { payable: true, reservation, draw: { payer, lane } as Draw, isPooled: false };
}

/** Names of what a desk does: nothing else of it can be asked for from another process. */
const SERVICES: readonly (keyof Desk)[] = [
  "judge",
  "hold",
  "charge",
  "release",
  "standing",
  "used",
  "usedUp",
  "basis",
  "receipted",
  "order",
  "answered",
  "letGo",
  "settle",
  "hasCome",
  "send",
  "isKnown",
  "claim",
  "ended",
  "logRun",
  "logServer",
];

/** What a desk does under a name, for another process; undefined: nothing. */
export function serviceOf(desk: Desk, name: string): Service | undefined {
  const known = SERVICES.find((each) => each === name);
  return known && (desk[known] as Service).bind(desk);
}

/** The desk of another process. */
export function farDesk(ask: (name: string, ...args: unknown[]) => Promise<unknown>): Desk {
  const services = SERVICES.map((name) => [name, (...args: unknown[]) => ask(name, ...args)]);
  return Object.fromEntries(services) as unknown as Desk;
}
