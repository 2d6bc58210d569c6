/** What happened to a payer's allowance on chain, and what a view of the payer is afterwards. */
import { type Address, type Hex, zeroAddress } from "viem";
import type { PayerView } from "../ledger/judge.ts";

/** One event of the escrow about a payer and this provider. */
export type PayerEvent =
  & { readonly payer: Address; readonly block: bigint }
  & (
    | {
      readonly event: "allowed";
      readonly pricePerCredit: bigint;
      readonly credits: bigint;
      /** Zero when the payer itself signs. */
      readonly signer: Address;
    }
    /** `thawEnd` in Unix seconds. */
    | {
      readonly event: "revoke_started";
      readonly thawingCredits: bigint;
      readonly thawEnd: bigint;
    }
    | { readonly event: "reclaimed"; readonly credits: bigint }
    /** Permits of the epochs before `epoch` end at `epochEnd`, Unix seconds. */
    | { readonly event: "epoch_bumped"; readonly epoch: number; readonly epochEnd: bigint }
    /** `credits` more were taken; `settled` is the lane's counter. */
    | {
      readonly event: "charged";
      readonly lane: Hex;
      readonly credits: bigint;
      readonly settled: bigint;
    }
  );

/**
 * The view as of the event's block. The escrow tells with each event all that it changes, so that
 * this is what a read would say.
 * @param isOpened whether the ledger had opened a lane when the event was heard
 */
export function advance(
  view: PayerView,
  event: PayerEvent,
  isOpened: (lane: Hex) => boolean,
): PayerView {
  const { block } = event;
  switch (event.event) {
    case "allowed": {
      const { credits, pricePerCredit } = event;
      const signer = event.signer === zeroAddress ? event.payer : event.signer;
      const terms = { pricePerCredit, signer, credits, thawingCredits: 0n, thawEnd: 0n };
      return { ...view, ...terms, block, ceiling: credits + takenHere(view) };
    }
    case "revoke_started": {
      const { thawingCredits, thawEnd } = event;
      const thawing = { ...view, thawEnd };
      return withCredits(thawing, block, view.credits, thawingCredits, takenHere(view));
    }
    case "reclaimed":
      return withCredits(view, block, view.credits - event.credits, 0n, takenHere(view));
    case "epoch_bumped":
      return { ...view, block, epoch: event.epoch - 1, epochEnd: event.epochEnd };
    case "charged": {
      const { lane, credits, settled } = event;
      // What the escrow takes on a lane of ours only changes places: the ceiling stays.
      const taken = takenHere(view) + (isOpened(lane) ? credits : 0n);
      const after = withCredits(view, block, view.credits - credits, view.thawingCredits, taken);
      if (!view.settled.has(lane)) return after;
      return { ...after, settled: new Map([...view.settled, [lane, settled]]) };
    }
  }
}

/** The view with what events of its block or before say of counters from before it was read. */
export function withCounters(view: PayerView, events: readonly PayerEvent[]): PayerView {
  const ahead = new Map<Hex, bigint>();
  for (const event of events) {
    if (event.event !== "charged") continue;
    const { lane, settled } = event;
    const known = ahead.get(lane) ?? view.settled.get(lane);
    if (known !== undefined && settled > known) ahead.set(lane, settled);
  }
  return ahead.size === 0 ? view : { ...view, settled: new Map([...view.settled, ...ahead]) };
}

/**
 * What may be served while `later` could still be undone, and `trusted` is already overtaken: no
 * more than by either.
 */
export function lower(trusted: PayerView, later: PayerView): PayerView {
  return {
    ...trusted,
    pricePerCredit: least(trusted.pricePerCredit, later.pricePerCredit),
    ceiling: least(trusted.ceiling, later.ceiling),
  };
}

/**
 * Whether two views of one block say the same.
 * @param now the block's time, Unix seconds: nobody writes when an epoch ends
 */
export function isSameView(one: PayerView, other: PayerView, now: bigint): boolean {
  return told(one, now) === told(other, now);
}

function told(view: PayerView, now: bigint): string {
  const { credits, thawingCredits, thawEnd, pricePerCredit, signer, ceiling } = view;
  const isOver = view.epochEnd !== 0n && view.epochEnd <= now;
  const epoch = isOver ? [view.epoch + 1, 0n] : [view.epoch, view.epochEnd];
  return [credits, thawingCredits, thawEnd, pricePerCredit, signer, ceiling, ...epoch].join();
}

/** What the escrow has taken on our lanes since each was opened. */
function takenHere({ ceiling, credits, thawingCredits }: PayerView): bigint {
  return ceiling - credits + thawingCredits;
}

/** Of what thaws no more is left than there are credits. */
function withCredits(
  view: PayerView,
  block: bigint,
  credits: bigint,
  thawing: bigint,
  taken: bigint,
): PayerView {
  const thawingCredits = least(thawing, credits);
  const thawEnd = thawingCredits === 0n ? 0n : view.thawEnd;
  const ceiling = credits - thawingCredits + taken;
  return { ...view, block, credits, thawingCredits, thawEnd, ceiling };
}

function least(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}
