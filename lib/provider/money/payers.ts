/** What the escrow says of a payer, read at the block that the finality policy trusts. */
import { type Address, type Hex, type PublicClient, zeroAddress } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Account } from "../ledger/journal.ts";
import type { Ledger } from "../ledger/ledger.ts";

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
  /** The escrow's cumulative count of each lane that was not known to be level with ours. */
  readonly consumed: ReadonlyMap<Hex, bigint>;
  /** What the escrow had taken at `block` on all lanes that the ledger had then. */
  readonly consumedTotal: bigint;
  /** The account's `opened` at that time: what was opened since started at the escrow's count. */
  readonly openedTotal: bigint;
}

export interface Payers {
  /**
   * A view no older than `maxAgeMs` that covers `lane`.
   * @throws KhachapuriError `chain_unavailable`
   */
  view(payer: Address, lane: Hex, maxAgeMs: number): Promise<PayerView>;
  /** The newest view there is, however old; for when the chain is out of reach. */
  last(payer: Address): PayerView | undefined;
  /** The next view of `payer`, or of everybody, is read anew. */
  forget(payer?: Address): void;
}

export interface PayersOptions {
  client: PublicClient;
  escrow: Address;
  provider: Address;
  ledger: Pick<Ledger, "account" | "lane">;
  /** Which block counts: an allowance above it could still be undone. */
  finality: "latest" | "safe" | "finalized";
  now?: () => number;
}

/** Views kept; a payer beyond it is read again, nothing else is lost. */
const VIEWS_MAX = 50_000;

/** Payers read from the chain at the same time. */
const READS_MAX = 64;
/** Of payers that never had a call here: so many at once, and then so many a second. */
const STRANGERS_AT_ONCE = 200;
const STRANGERS_PER_SECOND = 20;

export function createPayers(options: PayersOptions): Payers {
  const now = options.now ?? Date.now;
  const views = new Map<Address, PayerView>();
  const reading = new Map<string, Promise<PayerView>>();
  const admitStranger = strangersLimit(now);
  let strangers = 0;

  function admitRead(payer: Address): { over(): void } {
    const isStranger = options.ledger.account(payer) === undefined;
    if ((isStranger ? strangers : reading.size - strangers) >= READS_MAX) throw tooManyReads();
    if (!isStranger) return { over() {} };
    admitStranger();
    strangers += 1;
    return { over: () => void (strangers -= 1) };
  }

  async function refresh(payer: Address, lane: Hex): Promise<PayerView> {
    const view = await readView(options, payer, lane, now());
    views.delete(payer);
    if (views.size >= VIEWS_MAX) views.delete(views.keys().next().value!);
    views.set(payer, view);
    return view;
  }

  return {
    async view(payer, lane, maxAgeMs) {
      const known = views.get(payer);
      const covers = known?.consumed.has(lane) || options.ledger.lane(payer, lane) !== undefined;
      if (known && covers && now() - known.at <= maxAgeMs) return known;
      const key = `${payer}:${lane}`;
      const under = reading.get(key);
      if (under) return await under;
      // Anybody can name a payer: reads for strangers must not drown the chain's endpoint.
      const read = admitRead(payer);
      const view = refresh(payer, lane).finally(() => {
        read.over();
        reading.delete(key);
      });
      reading.set(key, view);
      return await view;
    },
    last: (payer) => views.get(payer),
    forget(payer) {
      // Kept for `last`, but too old for everybody else.
      for (const [key, view] of payer ? [[payer, views.get(payer)] as const] : views) {
        if (view) views.set(key, { ...view, at: -Infinity });
      }
    },
  };
}

/** What anybody may cost the chain's endpoint, three requests each, whoever they say they are. */
function strangersLimit(now: () => number): () => void {
  let tokens = STRANGERS_AT_ONCE;
  let at = now();
  return () => {
    tokens = Math.min(STRANGERS_AT_ONCE, tokens + (now() - at) * STRANGERS_PER_SECOND / 1_000);
    at = now();
    if (tokens < 1) throw tooManyReads();
    tokens -= 1;
  };
}

function tooManyReads(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many payers are being looked up", {
    retryAfterSeconds: 1,
  });
}

/**
 * The lanes whose count at `block` may differ from ours: what is not level, and what was settled
 * later. On every other lane the escrow has taken exactly what runs have used.
 */
function lanesToRead(account: Account | undefined, lane: Hex, block: bigint): Hex[] {
  const wanted = new Set([lane]);
  for (const known of account?.lanes.values() ?? []) {
    const isLevel = known.charged + known.reserved === known.settled;
    if (!isLevel || known.settledBlock > block) wanted.add(known.lane);
  }
  return [...wanted];
}

/** One block, one answer: mixing two would count a settlement twice or not at all. */
async function readView(
  { client, escrow, provider, finality, ledger }: PayersOptions,
  payer: Address,
  lane: Hex,
  at: number,
): Promise<PayerView> {
  try {
    const { number: blockNumber } = await client.getBlock({ blockTag: finality });
    const account = ledger.account(payer);
    const lanes = lanesToRead(account, lane, blockNumber);
    const openedTotal = account?.opened ?? 0n;
    const settledThen = new Map(lanes.map((id) => [id, ledger.lane(payer, id)?.settled]));
    let consumedTotal = account?.settled ?? 0n;
    const base = { address: escrow, abi: escrowAbi, blockNumber } as const;
    const [allowance, ...counts] = await Promise.all([
      client.readContract({ ...base, functionName: "allowance", args: [payer, provider] }),
      ...lanes.map((lane) =>
        client.readContract({ ...base, functionName: "consumed", args: [payer, provider, lane] })
      ),
    ]);
    for (const [index, id] of lanes.entries()) {
      const settled = settledThen.get(id);
      if (settled !== undefined) consumedTotal += counts[index]! - settled;
    }
    return {
      block: blockNumber,
      at,
      credits: allowance.credits,
      thawingCredits: allowance.thawingCredits,
      pricePerCredit: allowance.pricePerCredit,
      signer: allowance.signer === zeroAddress ? payer : allowance.signer,
      consumed: new Map(lanes.map((lane, index) => [lane, counts[index]!])),
      consumedTotal,
      openedTotal,
    };
  } catch (cause) {
    throw new KhachapuriError("chain_unavailable", "the chain cannot be read right now", {
      cause,
      retryAfterSeconds: 5,
      hints: ["nothing was charged; try again"],
    });
  }
}
