/**
 * How long is kept what owners have pushed: while one of their deployments uses it that is not
 * stopped and what they have allowed here is good for it, and a while after. Money that leaves
 * takes what it was good for along, what came last first. When there is no room, what is not needed
 * goes before its time, longest unneeded first.
 */
import type { Address } from "viem";
import type { Kept } from "./kept.ts";
import type { Keeper, Use } from "./kept_index.ts";

export interface RetentionOptions {
  kept: Kept;
  /** Whether the deployment was stopped by its owner. */
  isStopped(use: Use): boolean;
  /** What the owner may have kept by what it has allowed, bytes; null: nobody can say now. */
  allowedBytes(owner: Address): Promise<number | null>;
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
      const allowed = await this.options.allowedBytes(owner);
      // While the chain is out of reach nobody's allowance counts as gone.
      const covered = allowed === null ? used : this.#covered(used, allowed);
      await kept.index.refresh(covered, now());
    }
  }

  /** Of an owner's as much as `bytes` are good for, what came first before the rest. */
  #covered(used: readonly Keeper[], bytes: number): Keeper[] {
    let left = bytes;
    return used.toSorted((one, other) => one.id - other.id).filter((keeper) => {
      const diskBytes = this.options.kept.index.find(keeper.root)?.diskBytes ?? 0;
      if (diskBytes > left) return false;
      left -= diskBytes;
      return true;
    });
  }

  #isUsed(keeper: Keeper): boolean {
    const { kept, isStopped } = this.options;
    return kept.index.usesOf(keeper).some((use) => !isStopped(use));
  }
}
