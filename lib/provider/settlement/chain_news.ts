/** What the books hear of the chain before anybody follows it. */
import type { Follower } from "./follower.ts";
import type { BlockId } from "./known_blocks.ts";

/** Who follows the chain, once the books that it tells are open; they ask it for the time. */
export class ChainNews {
  follower: Pick<Follower, "note" | "laterNow" | "isStandingStill" | "finalBlock"> | null = null;
  readonly #early: BlockId[] = [];

  from(follower: NonNullable<ChainNews["follower"]>): void {
    this.follower = follower;
    for (const block of this.#early.splice(0)) follower.note(block);
  }

  /** The books rest on this block. */
  note(block: BlockId): void {
    if (this.follower) this.follower.note(block);
    else this.#early.push(block);
  }
}
