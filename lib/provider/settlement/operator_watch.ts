/** What the escrow lets our operator settle, as it was read last. */
import type { Address } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import { NEVER, type OperatorLimits as ChainLimits } from "../../chain/escrow_provider.ts";
import { DAY, type OperatorLimits } from "../ledger/operator_room.ts";

export interface OperatorWatchOptions {
  chain: Chain;
  escrow: Address;
  provider: Address;
  operator: Address;
  /** What was read a moment ago, so that nobody waits for it again; null: nothing was. */
  read?: LimitsAsOf | null;
  now?: () => number;
}

/** What an operator may settle, as of a block. */
export interface LimitsAsOf extends ChainLimits {
  /** Of the block, Unix seconds. */
  timestamp: bigint;
}

/** Limits that bind are read anew when they are asked for and this old: they may have risen, ms. */
const STALE_MS = 2_000;

export class OperatorWatch {
  readonly #options: OperatorWatchOptions;
  readonly #now: () => number;
  /** Undefined until the chain has told. */
  #limits: OperatorLimits | null | undefined;
  #lookedAt = -Infinity;
  #looking: Promise<void> | null = null;
  /** What batches on their way will use of the day's cap, USDC base units. */
  #expected = 0n;

  constructor(options: OperatorWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    if (!options.read) return;
    this.#limits = boundsOf(options.read);
    this.#lookedAt = this.#now();
  }

  /** Waits until the chain has told once, or has not answered. */
  async first(): Promise<void> {
    if (this.#limits === undefined) await this.look();
  }

  /** Null while there is no limit, or none was told yet. */
  limits(): OperatorLimits | null {
    const isStale = this.#limits !== null && this.#now() - this.#lookedAt > STALE_MS;
    if (isStale) this.look();
    if (!this.#limits) return null;
    return { ...this.#limits, spent: this.#limits.spent + this.#expected };
  }

  /**
   * A batch is on its way that will use `amount` of the day's cap, USDC base units. What it settles
   * counts as due and as spent: too little is promised, never too much.
   * @returns to be called when the chain has been asked afterwards
   */
  expect(amount: bigint): () => void {
    this.#expected += amount;
    return () => void (this.#expected -= amount);
  }

  /** Reads it anew. While the chain does not answer, what it said last holds. */
  async look(): Promise<void> {
    const { operator, provider } = this.#options;
    // The provider itself has no limits.
    if (operator === provider) return;
    this.#looking ??= this.#read()
      .then((limits) => void (this.#limits = limits), () => {})
      .finally(() => {
        this.#looking = null;
        this.#lookedAt = this.#now();
      });
    await this.#looking;
  }

  async #read(): Promise<OperatorLimits | null> {
    const { chain, escrow, provider, operator } = this.#options;
    const { number: blockNumber, timestamp } = await chain.public.getBlock();
    const [expiry, dailyCap, spent] = await chain.public.readContract({
      address: escrow,
      abi: escrowAbi,
      functionName: "operatorLimits",
      args: [provider, operator],
      blockNumber,
    });
    return boundsOf({ expiry: BigInt(expiry), dailyCap, spent, timestamp });
  }
}

/** null when nothing binds. */
function boundsOf({ expiry, dailyCap, spent, timestamp }: LimitsAsOf): OperatorLimits | null {
  const isBound = expiry < NEVER || dailyCap > 0n;
  return isBound ? { expiry, dailyCap, spent, day: timestamp / DAY } : null;
}
