/** What the escrow lets our operator settle, as it was read last. */
import type { Address } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import { NEVER } from "../../chain/escrow_provider.ts";
import { DAY, type OperatorLimits } from "../ledger/operator_room.ts";

export interface OperatorWatchOptions {
  chain: Chain;
  escrow: Address;
  provider: Address;
  operator: Address;
}

export class OperatorWatch {
  #limits: OperatorLimits | null = null;

  constructor(private readonly options: OperatorWatchOptions) {}

  /** Null while there is no limit, or none was read yet. */
  limits(): OperatorLimits | null {
    return this.#limits;
  }

  /**
   * A batch is on its way that will use `amount` of the day's cap, USDC base units. Until the chain
   * shows it, what it settles counts as due and as spent: too little is promised, never too much.
   */
  expect(amount: bigint): void {
    if (this.#limits === null) return;
    this.#limits = { ...this.#limits, spent: this.#limits.spent + amount };
  }

  /** Reads it anew. While the chain does not answer, what it said last holds. */
  async look(): Promise<void> {
    const { operator, provider } = this.options;
    // The provider itself has no limits.
    if (operator === provider) return;
    this.#limits = await this.#read().catch(() => this.#limits);
  }

  async #read(): Promise<OperatorLimits | null> {
    const { chain, escrow, provider, operator } = this.options;
    const { number: blockNumber, timestamp } = await chain.public.getBlock();
    const [expiry, dailyCap, spent] = await chain.public.readContract({
      address: escrow,
      abi: escrowAbi,
      functionName: "operatorLimits",
      args: [provider, operator],
      blockNumber,
    });
    const isBound = BigInt(expiry) < NEVER || dailyCap > 0n;
    const day = timestamp / DAY;
    return isBound ? { expiry: BigInt(expiry), dailyCap, spent, day } : null;
  }
}
