/** What the escrow says of a payer, read at the block that the finality policy trusts. */
import { type Address, type Hex, type PublicClient, zeroAddress } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  PAYER_READS_MAX,
  PAYER_VIEWS_MAX,
  STRANGER_READS_BURST_MAX,
  STRANGER_READS_PER_SECOND_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import type { PayerView } from "../ledger/judge.ts";
import type { Ledger } from "../ledger/ledger.ts";

export interface PayersOptions {
  client: PublicClient;
  escrow: Address;
  provider: Address;
  ledger: Pick<Ledger, "basis" | "knows">;
  /** Which block counts: an allowance above it could still be undone. */
  finality: "latest" | "safe" | "finalized";
  now?: () => number;
}

interface Known {
  readonly view: PayerView;
  /** Something has happened since: it is kept for when the chain is out of reach. */
  isOutdated: boolean;
}

export class Payers {
  readonly #options: PayersOptions;
  readonly #now: () => number;
  readonly #known = new Lru<Address, Known>(PAYER_VIEWS_MAX);
  /** Reads under way, by payer and lane. */
  readonly #reading = new Map<string, Promise<PayerView>>();
  /** Reads for payers that never had a call here. */
  readonly #strangersRate: TokenBucket;
  #strangersReading = 0;

  constructor(options: PayersOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#strangersRate = new TokenBucket(
      STRANGER_READS_BURST_MAX,
      STRANGER_READS_PER_SECOND_MAX,
      this.#now,
    );
  }

  /**
   * A view no older than `maxAgeMs` that covers `lane`.
   * @throws KhachapuriError `chain_unavailable`; `overloaded` when too many payers are looked up
   */
  async view(payer: Address, lane: Hex, maxAgeMs: number): Promise<PayerView> {
    const known = this.#known.get(payer);
    if (known && this.#isGood(known, maxAgeMs) && this.#covers(known.view, payer, lane)) {
      return known.view;
    }
    const key = `${payer}:${lane}`;
    const underWay = this.#reading.get(key);
    if (underWay) return await underWay;
    const over = this.#admitRead(payer);
    const reading = this.#refresh(payer, lane).finally(() => {
      over();
      this.#reading.delete(key);
    });
    this.#reading.set(key, reading);
    return await reading;
  }

  /** The newest view there is, however old; for when the chain is out of reach. */
  last(payer: Address): PayerView | undefined {
    return this.#known.peek(payer)?.view;
  }

  /** Whether `view` is the newest one of a payer, no older than `maxAgeMs` and not outdated. */
  isCurrent(payer: Address, view: PayerView, maxAgeMs: number): boolean {
    const known = this.#known.peek(payer);
    return known?.view === view && this.#isGood(known, maxAgeMs);
  }

  /** The next view of `payer`, or of everybody, is read anew. */
  forget(payer?: Address): void {
    for (const each of payer ? [payer] : this.#known.keys()) {
      const known = this.#known.peek(each);
      if (known) known.isOutdated = true;
    }
  }

  #isGood({ view, isOutdated }: Known, maxAgeMs: number): boolean {
    return !isOutdated && this.#now() - view.at <= maxAgeMs;
  }

  /** Whether a lane's counter is known: by the view, or by the ledger. */
  #covers({ settled }: PayerView, payer: Address, lane: Hex): boolean {
    return settled.has(lane) || this.#options.ledger.knows(payer, lane);
  }

  /**
   * Anybody can name a payer, and each read is some requests to the chain's endpoint: payers that
   * never had a call here share a rate, and never keep the others waiting.
   * @returns to be called when the read is over
   */
  #admitRead(payer: Address): () => void {
    if (this.#options.ledger.knows(payer)) {
      if (this.#reading.size - this.#strangersReading >= PAYER_READS_MAX) throw tooManyReads();
      return () => {};
    }
    if (this.#strangersReading >= PAYER_READS_MAX) throw tooManyReads();
    if (!this.#strangersRate.take()) throw tooManyReads();
    this.#strangersReading += 1;
    return () => void (this.#strangersReading -= 1);
  }

  async #refresh(payer: Address, lane: Hex): Promise<PayerView> {
    const view = await readView(this.#options, payer, lane, this.#now());
    this.#known.set(payer, { view, isOutdated: false });
    return view;
  }
}

function tooManyReads(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many payers are being looked up", {
    retryAfterSeconds: 1,
  });
}

/** All of one block: mixing two would count a settlement twice or not at all. */
async function readView(
  { client, escrow, provider, finality, ledger }: PayersOptions,
  payer: Address,
  lane: Hex,
  at: number,
): Promise<PayerView> {
  try {
    const { number: block } = await client.getBlock({ blockTag: finality });
    const { lanes, settledHere } = await ledger.basis(payer, lane, block);
    const base = { address: escrow, abi: escrowAbi, blockNumber: block } as const;
    const [allowance, ...consumed] = await Promise.all([
      client.readContract({ ...base, functionName: "allowance", args: [payer, provider] }),
      ...[...lanes.keys()].map((id) =>
        client.readContract({ ...base, functionName: "consumed", args: [payer, provider, id] })
      ),
    ]);
    // What the contract calls consumed is settled here.
    const settled = new Map([...lanes.keys()].map((id, index) => [id, consumed[index]!]));
    const { credits, thawingCredits, pricePerCredit } = allowance;
    return {
      block,
      at,
      credits,
      thawingCredits,
      pricePerCredit,
      signer: allowance.signer === zeroAddress ? payer : allowance.signer,
      epoch: allowance.epoch,
      epochEnd: allowance.epochEnd,
      settled,
      ceiling: credits - thawingCredits + settledHere + settledSince(lanes, settled),
    };
  } catch (cause) {
    throw new KhachapuriError("chain_unavailable", "the chain cannot be read right now", {
      cause,
      retryAfterSeconds: 5,
      hints: ["nothing was charged; try again"],
    });
  }
}

/** By how much the escrow's counters are ahead of those that the ledger knew. */
function settledSince(
  known: ReadonlyMap<Hex, bigint | null>,
  settled: ReadonlyMap<Hex, bigint>,
): bigint {
  let sum = 0n;
  for (const [lane, before] of known) if (before !== null) sum += settled.get(lane)! - before;
  return sum;
}
