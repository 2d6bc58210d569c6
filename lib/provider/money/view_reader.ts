/**
 * Reads what the escrow says of payers, all as of one block: mixing two would count a settlement
 * twice or not at all.
 */
import { type Address, type Hex, zeroAddress } from "viem";
import type { Chain, ContractCall } from "../../chain/client.ts";
import type { Allowance } from "../../chain/escrow.ts";
import { escrowCall } from "../../chain/escrow_call.ts";
import { KhachapuriError } from "../../errors.ts";
import type { PayerView } from "../ledger/judge.ts";
import type { Ledger } from "../ledger/ledger.ts";

export interface ViewReaderOptions {
  chain: Chain;
  escrow: Address;
  provider: Address;
  ledger: Pick<Ledger, "basis" | "knows">;
  /** Which block counts: an allowance above it could still be undone. */
  finality: "latest" | "safe" | "finalized";
  /** Views rest on this block now. */
  onBlock?: (block: { number: bigint; hash: Hex }) => void;
  now: () => number;
}

export interface LaneName {
  readonly payer: Address;
  readonly lane: Hex;
}

/** One payer's part of a reading. */
interface Wanted {
  payer: Address;
  /** The lanes to read, with the counter that the ledger knows; null where it knows none. */
  lanes: ReadonlyMap<Hex, bigint | null>;
  settledHere: bigint;
}

export class ViewReader {
  constructor(private readonly options: ViewReaderOptions) {}

  /**
   * Views as of the newest block that counts, in the order of `asked`; lanes of one payer get one.
   * @throws KhachapuriError `chain_unavailable`
   */
  async newest(asked: readonly LaneName[]): Promise<PayerView[]> {
    const { chain, finality, onBlock } = this.options;
    return await unavailable(async () => {
      const block = await chain.public.getBlock({ blockTag: finality });
      onBlock?.({ number: block.number!, hash: block.hash! });
      return await this.#read(asked, block.number!);
    });
  }

  /** Views as of a block that the caller minds. @throws KhachapuriError `chain_unavailable` */
  async asOf(asked: readonly LaneName[], block: bigint): Promise<PayerView[]> {
    return await unavailable(() => this.#read(asked, block));
  }

  /** Counters of lanes at a block. @throws KhachapuriError `chain_unavailable` */
  async counters(lanes: readonly LaneName[], block: bigint): Promise<bigint[]> {
    const { chain } = this.options;
    const calls = lanes.map(({ payer, lane }) => this.#consumed(payer, lane));
    return await unavailable(() => chain.readMany<bigint>(calls, block));
  }

  async #read(asked: readonly LaneName[], block: bigint): Promise<PayerView[]> {
    const { chain, escrow, provider, now } = this.options;
    const wanted = await this.#wanted(asked, block);
    const calls = [...wanted.values()].flatMap(({ payer, lanes }): ContractCall[] => [
      escrowCall(escrow, "allowance", [payer, provider]),
      ...[...lanes.keys()].map((lane) => this.#consumed(payer, lane)),
    ]);
    const at = now();
    const answers = await chain.readMany<unknown>(calls, block);
    const views = new Map<Address, PayerView>();
    let next = 0;
    for (const each of wanted.values()) {
      const [held, ...counters] = answers.slice(next, next += 1 + each.lanes.size);
      views.set(each.payer, viewOf(each, held as Allowance, counters as bigint[], block, at));
    }
    return asked.map(({ payer }) => views.get(payer)!);
  }

  async #wanted(asked: readonly LaneName[], block: bigint): Promise<Map<Address, Wanted>> {
    const { ledger } = this.options;
    const wanted = new Map<Address, Wanted & { lanes: Map<Hex, bigint | null> }>();
    for (const { payer, lane } of asked) {
      const known = wanted.get(payer);
      if (!known) {
        const { lanes, settledHere } = await ledger.basis(payer, lane, block);
        wanted.set(payer, { payer, lanes: new Map(lanes), settledHere });
      } else if (!known.lanes.has(lane) && !ledger.knows(payer, lane)) known.lanes.set(lane, null);
    }
    return wanted;
  }

  #consumed(payer: Address, lane: Hex): ContractCall {
    const { escrow, provider } = this.options;
    return escrowCall(escrow, "consumed", [payer, provider, lane]);
  }
}

function viewOf(
  { payer, lanes, settledHere }: Wanted,
  held: Allowance,
  counters: readonly bigint[],
  block: bigint,
  at: number,
): PayerView {
  // What the contract calls consumed is settled here. Of lanes that are open the ledger knows it.
  const settled = new Map<Hex, bigint>();
  let taken = settledHere;
  for (const [index, [lane, before]] of [...lanes].entries()) {
    if (before === null) settled.set(lane, counters[index]!);
    // By how much the escrow's counter is ahead of the one that the ledger knew.
    else taken += counters[index]! - before;
  }
  const { credits, thawingCredits, thawEnd, pricePerCredit, epoch, epochEnd } = held;
  return {
    block,
    at,
    credits,
    thawingCredits,
    thawEnd,
    pricePerCredit,
    signer: held.signer === zeroAddress ? payer : held.signer,
    epoch,
    epochEnd,
    settled,
    ceiling: credits - thawingCredits + taken,
  };
}

async function unavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw chainUnavailable(cause);
  }
}

/** Nothing is known of the chain that a call could be served on. */
export function chainUnavailable(cause?: unknown): KhachapuriError {
  return new KhachapuriError("chain_unavailable", "the chain cannot be read right now", {
    ...(cause === undefined ? {} : { cause }),
    retryAfterSeconds: 5,
    hints: ["nothing was charged; try again"],
  });
}
