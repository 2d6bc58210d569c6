/**
 * How long is kept what owners have pushed: while one of their deployments uses it that is not
 * stopped and they have credits allowed here, and a while after. When there is no room, what no
 * deployment needs goes before its time, longest unneeded first.
 */
import type { Address } from "viem";
import type { Kept } from "./kept.ts";
import type { Keeper, Use } from "./kept_index.ts";

export interface RetentionOptions {
  kept: Kept;
  /** Whether the deployment was stopped by its owner. */
  isStopped(use: Use): boolean;
  /** What the owner has allowed here, USDC base units; null: nobody can say now. */
  allowed(owner: Address): Promise<bigint | null>;
  /** After it is needed no more, ms. */
  keepMs: number;
  now: () => number;
}

/** What came lately is not given up for want of room, ms: its deployment may be about to come. */
export const GRACE_MS = 60 * 60 * 1000;
/** Whether things are needed is looked at this often at most, ms, for want of room. */
const LOOK_AGAIN_MS = 60_000;

export class Retention {
  #lookedAt = -Infinity;
  #looking: Promise<void> | null = null;

  constructor(private readonly options: RetentionOptions) {}

  /** Gives up what was not needed for long. */
  async sweep(): Promise<void> {
    await this.#look();
    await this.#release(() => false, this.options.keepMs);
  }

  /** Gives up what is not needed, an owner's or anybody's, until `fits`. */
  async makeRoom(fits: () => boolean, owner?: Address): Promise<void> {
    if (fits()) return;
    if (this.options.now() - this.#lookedAt >= LOOK_AGAIN_MS) await this.#look();
    await this.#release(fits, Math.min(GRACE_MS, this.options.keepMs), owner);
  }

  async #release(fits: () => boolean, afterMs: number, owner?: Address): Promise<void> {
    const { kept, now } = this.options;
    for (const keeper of kept.index.keepers()) {
      if (fits()) return;
      if (now() - keeper.protectedAt <= afterMs) return;
      if (!owner || keeper.owner === owner) await kept.release(keeper);
    }
  }

  #look(): Promise<void> {
    this.#looking ??= this.#refresh().finally(() => this.#looking = null);
    return this.#looking;
  }

  /** Notes of what is needed that it is. */
  async #refresh(): Promise<void> {
    const { kept, now } = this.options;
    this.#lookedAt = now();
    const byOwner = Map.groupBy(kept.index.keepers(), ({ owner }) => owner);
    for (const [owner, keepers] of byOwner) {
      const used = keepers.filter((keeper) => this.#isUsed(keeper));
      if (used.length === 0) continue;
      const allowed = await this.options.allowed(owner);
      // While the chain is out of reach nobody's allowance counts as gone.
      if (allowed === 0n) continue;
      await kept.index.refresh(used, now());
    }
  }

  #isUsed(keeper: Keeper): boolean {
    const { kept, isStopped } = this.options;
    return kept.index.usesOf(keeper).some((use) => !isStopped(use));
  }
}
