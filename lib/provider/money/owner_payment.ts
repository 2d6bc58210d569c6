/** Whether an owner can pay for a call to its deployment, asked without a call. */
import type { Deployment } from "../deployment/deployment.ts";
import { Fields } from "../http/fields.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Credits } from "./credits.ts";

/** A caller that brings nothing along: the owner pays. */
const NO_FIELDS = new Fields([]);

export interface OwnerMeans {
  /** Of one credit, USDC base units. */
  readonly price: bigint;
  readonly creditsLeft: bigint;
}

export class OwnerPayment {
  constructor(
    private readonly credits: Pick<Credits, "read" | "admit">,
    private readonly ledger: Pick<Ledger, "standing">,
  ) {}

  /**
   * What a call would be paid with.
   * @param from whose address the caller's would be
   * @throws KhachapuriError what a caller without a permit is refused with
   */
  async judge(deployment: Deployment, from: string): Promise<OwnerMeans> {
    const { credits, ledger } = this;
    const { bill, view } = await credits.admit(credits.read(deployment, NO_FIELDS, from));
    return { price: bill.price, creditsLeft: (await ledger.standing(bill, view)).available };
  }
}
