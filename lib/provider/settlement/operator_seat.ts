/**
 * The operator where relays and calls find it: here, or with the process that took this one's
 * place. Two processes never send at the same time, as both would use the same nonces.
 */
import type { TransactionReceipt } from "viem";
import { Seat } from "../../seat.ts";
import { within } from "../../within.ts";
import type { Operator, OperatorCall, Sending } from "./operator.ts";
import { wordless } from "./operator_call.ts";

/** What relays and calls have it do, wherever it is. */
export type CallOperator = Pick<Operator, "send">;

/** What else they ask needs no nonce. */
export type OperatorOfCalls = Pick<Operator, "address" | "simulate" | "send" | "gasPrice">;

export class OperatorSeat implements OperatorOfCalls {
  readonly #seat: Seat<CallOperator, Operator>;
  /** Under way here. */
  readonly #sending = new Set<Promise<unknown>>();

  constructor(private readonly own: Operator) {
    this.#seat = new Seat<CallOperator, Operator>(own);
  }

  get address() {
    return this.own.address;
  }

  /** From now on whoever `next` resolves with sends. */
  move(next: Promise<CallOperator>): void {
    this.#seat.move(next);
  }

  /** Waits until all that is under way here is mined, `ms` at most. */
  async sent(ms: number): Promise<void> {
    await within(Promise.allSettled(this.#sending), ms);
  }

  simulate(call: OperatorCall): Promise<bigint> {
    return this.own.simulate(call);
  }

  gasPrice(): Promise<bigint> {
    return this.own.gasPrice();
  }

  send(call: OperatorCall, sending: Sending): Promise<TransactionReceipt> {
    const isHere = !this.#seat.isMoving;
    if (!isHere) return this.#seat.use((next) => next.send(wordless(call), sending));
    const sent = this.#seat.use((operator) => operator.send(call, sending));
    const over = sent.then(() => {}, () => {}).finally(() => this.#sending.delete(over));
    this.#sending.add(over);
    return sent;
  }
}
