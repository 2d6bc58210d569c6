/** Calls that cost nothing, as if an owner, or a caller of some address, paid for them. */
import type { Address } from "viem";
import type { Bill, Hold, PaymentScheme } from "../money/scheme.ts";

/** Who owns a program that nobody has signed. */
export const NOBODY: Address = "0x0000000000000000000000000000000000000000";

/** As many credits as a run takes. */
class FreeHold implements Hold {
  readonly reservation = 0;
  readonly isPaid = true;
  credits = 1;

  started(): void {}

  extend(): Promise<void> {
    return Promise.resolve();
  }

  begin(): Promise<void> {
    this.credits += 1;
    return Promise.resolve();
  }

  giveBack(): void {}

  charge(): Promise<void> {
    return Promise.resolve();
  }

  release(): void {}

  notice(): Promise<[]> {
    return Promise.resolve([]);
  }
}

/** @param payer whose permit each request seems to bring; null: the deployment's owner pays */
export function playedScheme(payer: Address | null): PaymentScheme<Bill, null> {
  const who = payer === null
    ? { source: "owner", payer: NOBODY } as const
    : { source: "caller", payer } as const;
  return {
    // What a 402 would offer: there is none here.
    offer: () => ({ scheme: "played" }),
    read: ({ cid, spec: { id } }) => ({ ...who, cid, scope: id }),
    ownersBill: ({ cid, spec: { id } }) => ({ source: "owner", payer: NOBODY, cid, scope: id }),
    provenPayer: () => Promise.resolve(null),
    prove: () => Promise.resolve(),
    admit: () => Promise.resolve(null),
    hold: () => Promise.resolve(new FreeHold()),
  };
}
