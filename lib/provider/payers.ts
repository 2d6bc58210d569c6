/** What the escrow says of a payer, read at the block that the finality policy trusts. */
import { type Address, type Hex, type PublicClient, zeroAddress } from "viem";
import { escrowAbi } from "../chain/abi.ts";
import { KhachapuriError } from "../errors.ts";

/** A payer's allowance for this provider and its counters, all of one block. */
export interface PayerView {
  readonly block: bigint;
  /** When it was read, ms since the epoch. */
  readonly at: number;
  readonly credits: bigint;
  readonly thawingCredits: bigint;
  readonly pricePerCredit: bigint;
  /** Who may sign permits: the pinned signer, or the payer itself. */
  readonly signer: Address;
  /** The escrow's cumulative count of each lane that was asked for. */
  readonly consumed: ReadonlyMap<Hex, bigint>;
}

export interface Payers {
  /**
   * A view no older than `maxAgeMs` that covers `lanes`.
   * @throws KhachapuriError `chain_unavailable`
   */
  view(payer: Address, lanes: readonly Hex[], maxAgeMs: number): Promise<PayerView>;
  /** The next view of `payer` is read anew. */
  forget(payer: Address): void;
}

export interface PayersOptions {
  client: PublicClient;
  escrow: Address;
  provider: Address;
  /** Which block counts: an allowance above it could still be undone. */
  finality: "latest" | "safe" | "finalized";
  now?: () => number;
}

/** Views kept; a payer beyond it is read again, nothing else is lost. */
const VIEWS_MAX = 50_000;

export function createPayers(options: PayersOptions): Payers {
  const now = options.now ?? Date.now;
  const views = new Map<Address, PayerView>();
  const reading = new Map<Address, { lanes: ReadonlySet<Hex>; view: Promise<PayerView> }>();

  async function refresh(payer: Address, lanes: ReadonlySet<Hex>): Promise<PayerView> {
    const at = now();
    const view = await readView(options, payer, lanes, at);
    views.delete(payer);
    if (views.size >= VIEWS_MAX) views.delete(views.keys().next().value!);
    views.set(payer, view);
    return view;
  }

  return {
    async view(payer, lanes, maxAgeMs) {
      const known = views.get(payer);
      const covers = known && lanes.every((lane) => known.consumed.has(lane));
      if (known && covers && now() - known.at <= maxAgeMs) return known;
      const under = reading.get(payer);
      if (under && lanes.every((lane) => under.lanes.has(lane))) return await under.view;
      const wanted = new Set([...lanes, ...(known?.consumed.keys() ?? [])]);
      const view = refresh(payer, wanted);
      const entry = { lanes: wanted, view };
      reading.set(payer, entry);
      try {
        return await view;
      } finally {
        if (reading.get(payer) === entry) reading.delete(payer);
      }
    },
    forget(payer) {
      views.delete(payer);
    },
  };
}

/** One block, one answer: mixing two would count a settlement twice or not at all. */
async function readView(
  { client, escrow, provider, finality }: PayersOptions,
  payer: Address,
  lanes: ReadonlySet<Hex>,
  at: number,
): Promise<PayerView> {
  try {
    const { number: blockNumber } = await client.getBlock({ blockTag: finality });
    const base = { address: escrow, abi: escrowAbi, blockNumber } as const;
    const [allowance, ...counts] = await Promise.all([
      client.readContract({ ...base, functionName: "allowance", args: [payer, provider] }),
      ...[...lanes].map((lane) =>
        client.readContract({ ...base, functionName: "consumed", args: [payer, provider, lane] })
      ),
    ]);
    return {
      block: blockNumber,
      at,
      credits: allowance.credits,
      thawingCredits: allowance.thawingCredits,
      pricePerCredit: allowance.pricePerCredit,
      signer: allowance.signer === zeroAddress ? payer : allowance.signer,
      consumed: new Map([...lanes].map((lane, index) => [lane, counts[index]!])),
    };
  } catch (cause) {
    throw new KhachapuriError("chain_unavailable", "the chain cannot be read right now", {
      cause,
      retryAfterSeconds: 5,
      hints: ["nothing was charged; try again"],
    });
  }
}
