/**
 * How many rows the chain can take: what a row costs in gas, as mined batches have shown, the share
 * of a block that settlement may fill, and how fast blocks come.
 */

/** What of a block matters here. */
export interface BlockFacts {
  readonly number: bigint;
  /** Unix seconds. */
  readonly timestamp: bigint;
  readonly gasLimit: bigint;
}

/** Gas of a new lane's row with some to spare; an estimate may fall short of what is mined. */
export const NEW_ROW_GAS = 40_000n;
/** Gas of a batch besides its rows. */
export const BATCH_GAS = 60_000n;
/** No transaction of more gas is taken by Ethereum (EIP-7825). */
const TRANSACTION_GAS = 1n << 24n;
/**
 * No node of Ethereum passes on more than 128 KiB, and a row takes half a KiB. Half of what would
 * fit is signed in half the time, in which no call is answered (`deno task bench growth money`, row
 * "longest stall"), and more rows would save no gas to speak of.
 */
export const BATCH_ROWS = 120;
/** A row is never thought cheaper: a warm lane's takes about 20,000. */
const ROW_GAS_MIN = 15_000n;
/** How blocks are thought to come until the chain has shown it, seconds; and the slowest. */
const BLOCK_SECONDS = 12;
/** So many blocks are needed to tell their pace. */
const PACE_BLOCKS = 5n;

export class Capacity {
  #rowGas = NEW_ROW_GAS;
  #blockGas = 30_000_000n;
  #blockSeconds = BLOCK_SECONDS;
  #first: BlockFacts | null = null;
  /** Rows that a block takes in time; null: to be reckoned anew. It is asked for at each call. */
  #perBlock: number | null = null;

  /** @param share of a block's gas, 0 to 1 */
  constructor(private readonly share: number) {}

  /** Gas that one more row takes, as far as one knows. */
  rowGas(): bigint {
    return this.#rowGas;
  }

  /** Gas that settlement may take of one block. */
  shareOfBlock(): bigint {
    return this.#blockGas * BigInt(Math.round(this.share * 1_000)) / 1_000n;
  }

  /** Rows that fit one batch. */
  batchRows(): number {
    const share = this.shareOfBlock();
    const rows = this.#rowsIn(share < TRANSACTION_GAS ? share : TRANSACTION_GAS);
    return Math.min(rows, BATCH_ROWS);
  }

  /** How long it takes until so many rows are mined, whole seconds. */
  secondsFor(rows: number): number {
    this.#perBlock ??= this.#rowsPerBlock();
    return Math.ceil(Math.ceil(rows / this.#perBlock) * this.#blockSeconds);
  }

  /** A batch that does not fit what is left of a block is the next one's. */
  #rowsPerBlock(): number {
    const share = this.#rowsIn(this.shareOfBlock());
    return Math.max(1, Math.floor(share / 2), share - this.batchRows());
  }

  #rowsIn(gas: bigint): number {
    return Math.max(1, Number((gas - BATCH_GAS) / this.#rowGas));
  }

  /** A block of the chain was seen. */
  noteBlock(block: BlockFacts): void {
    this.#blockGas = block.gasLimit;
    this.#perBlock = null;
    const first = this.#first;
    if (first === null || block.number < first.number) this.#first = block;
    else if (block.number >= first.number + PACE_BLOCKS) {
      const seconds = Number(block.timestamp - first.timestamp) /
        Number(block.number - first.number);
      // A chain without traffic may make a block an hour: it makes more when there is something.
      this.#blockSeconds = Math.min(Math.max(seconds, 0.2), BLOCK_SECONDS);
      this.#first = block;
    }
  }

  /** A batch was mined. What rows take follows up at once and down slowly. */
  noteBatch(rows: number, gasUsed: bigint): void {
    const measured = gasUsed > BATCH_GAS ? (gasUsed - BATCH_GAS) / BigInt(rows) : 0n;
    const eased = (this.#rowGas * 7n + measured) / 8n;
    const next = measured > eased ? measured : eased;
    this.#perBlock = null;
    this.#rowGas = next < ROW_GAS_MIN ? ROW_GAS_MIN : next > NEW_ROW_GAS ? NEW_ROW_GAS : next;
  }
}
