/**
 * A chain reduced to one account's nonces, with a node that forgets, lags, counts too far and falls
 * silent. It is plain data without identities, so that a search can copy and compare it.
 */

/** One signed transaction: a call under a nonce; a higher fee replaces a lower one. */
export interface Form {
  nonce: number;
  call: string;
  fee: number;
}

/** How the node answers. */
export interface View {
  /** How far its count of mined transactions is off. */
  countOff: number;
  /** Blocks at the end of which it has no receipts yet. */
  receiptsBehind: number;
  answers: "all" | "count only" | "nothing";
}

const TRUE: View = { countOff: 0, receiptsBehind: 0, answers: "all" };

export interface NonceChain {
  /** By nonce; null: a transaction that another wallet has signed with the key. */
  mined: (Form | null)[];
  /** What the node holds unmined, at most one form of a nonce. */
  mempool: Form[];
  /** Every form that was ever broadcast, oldest first: some node may still hold it. */
  heard: Form[];
  view: View;
  /** The next broadcast reaches nobody that is asked later, though the node says it did. */
  isSwallowing: boolean;
  /** What pays less is not mined. */
  floor: number;
  /** The account can pay for nothing. */
  isBroke: boolean;
  /** No block is made. */
  isStill: boolean;
}

export type Answer =
  | "accepted"
  | "already known"
  | "insufficient funds"
  | "nonce too low"
  | "underpriced"
  | "no answer";

export function emptyChain(): NonceChain {
  return {
    mined: [],
    mempool: [],
    heard: [],
    view: TRUE,
    isSwallowing: false,
    floor: 0,
    isBroke: false,
    isStill: false,
  };
}

export const isSameForm = (a: Form | null | undefined, b: Form): boolean =>
  !!a && a.nonce === b.nonce && a.call === b.call && a.fee === b.fee;

/** The node's count of mined transactions. */
export function countOf({ mined, view }: NonceChain): number {
  return Math.max(0, mined.length + view.countOff);
}

/** The node's count with what it holds unmined. */
export function pendingOf(chain: NonceChain): number {
  let next = countOf(chain);
  while (chain.mempool.some(({ nonce }) => nonce === next)) next += 1;
  return next;
}

/** Whether the node has a receipt of this form. */
export function hasReceipt({ mined, view }: NonceChain, form: Form): boolean {
  return form.nonce < mined.length - view.receiptsBehind && isSameForm(mined[form.nonce], form);
}

/** Whether the node knows a transaction, waiting or mined. */
export function knows({ mempool, mined }: NonceChain, form: Form): boolean {
  return [...mempool, ...mined].some((known) => isSameForm(known, form));
}

/** A broadcast. */
export function offer(chain: NonceChain, form: Form): Answer {
  if (chain.view.answers !== "all") return "no answer";
  if (form.nonce < chain.mined.length) return "nonce too low";
  const held = chain.mempool.find(({ nonce }) => nonce === form.nonce);
  if (isSameForm(held, form)) return "already known";
  if (held && held.fee >= form.fee) return "underpriced";
  if (chain.isBroke) return "insufficient funds";
  if (!chain.heard.some((known) => isSameForm(known, form))) chain.heard.push(form);
  if (chain.isSwallowing) chain.isSwallowing = false;
  else chain.mempool = [...chain.mempool.filter((other) => other !== held), form];
  return "accepted";
}

/** What befalls the chain and its node, whatever we do. */
export const CHAIN_EVENTS = {
  /** The next transaction that the node holds is mined. */
  mine(chain: NonceChain) {
    const next = chain.mempool.find(({ nonce }) => nonce === chain.mined.length);
    if (next && next.fee >= chain.floor && !chain.isStill) append(chain, next);
  },
  /** The oldest form of the next nonce is mined, replaced or forgotten though it is. */
  "mine oldest"(chain: NonceChain) {
    const next = chain.heard.find(({ nonce }) => nonce === chain.mined.length);
    if (next) append(chain, next);
  },
  "mine another wallet's": (chain: NonceChain) => append(chain, null),
  /** The last block never was; its transaction waits again. */
  "reorganise, keep"(chain: NonceChain) {
    const undone = chain.mined.pop();
    if (undone) chain.mempool.push(undone);
  },
  /** The last block never was; its transaction is lost. */
  "reorganise, lose": (chain: NonceChain) => void chain.mined.pop(),
  "raise the floor": (chain: NonceChain) => void (chain.floor = 1),
  /** The node drops what cannot be paid for. */
  "run out of coin": (chain: NonceChain) =>
    void Object.assign(chain, { isBroke: true, mempool: [] }),
  "top up": (chain: NonceChain) => void (chain.isBroke = false),
  "stand still": (chain: NonceChain) => void (chain.isStill = true),
  "go on": (chain: NonceChain) => void (chain.isStill = false),
  forget: (chain: NonceChain) => void (chain.mempool = []),
  swallow: (chain: NonceChain) => void (chain.isSwallowing = true),
  "answer truly": (chain: NonceChain) => void (chain.view = TRUE),
  "lag behind": (chain: NonceChain) =>
    void (chain.view = { ...TRUE, countOff: -1, receiptsBehind: 1 }),
  /** As several nodes behind one address do. */
  "lag with receipts": (chain: NonceChain) => void (chain.view = { ...TRUE, receiptsBehind: 1 }),
  "count ahead": (chain: NonceChain) => void (chain.view = { ...TRUE, countOff: 1 }),
  "count far ahead": (chain: NonceChain) => void (chain.view = { ...TRUE, countOff: 4 }),
  "fall silent": (chain: NonceChain) => void (chain.view = { ...TRUE, answers: "nothing" }),
  "answer the count only": (chain: NonceChain) =>
    void (chain.view = { ...TRUE, answers: "count only" }),
} satisfies Record<string, (chain: NonceChain) => void>;

export type ChainEvent = keyof typeof CHAIN_EVENTS;

function append(chain: NonceChain, form: Form | null): void {
  const nonce = chain.mined.length;
  chain.mined.push(form);
  chain.mempool = chain.mempool.filter((other) => other.nonce !== nonce);
}
