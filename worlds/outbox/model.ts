/**
 * An outbox as plain data: it chooses nonces and plans by the same functions as the real one, and
 * carries out what is planned without a wait in between. Times are relative to now, in units of
 * which `PATIENCE` make a repair due, and no older than that: so equal situations are equal data.
 */
import assert from "node:assert/strict";
import { chooseNonce } from "../../lib/chain/outbox/nonce.ts";
import {
  type Action,
  type Doubts,
  type Flight,
  plan,
  type Policy,
} from "../../lib/chain/outbox/plan.ts";
import {
  CHAIN_EVENTS,
  type ChainEvent,
  countOf,
  emptyChain,
  type Form,
  hasReceipt,
  isSameForm,
  knows,
  offer,
  pendingOf,
} from "./chain.ts";
import { countCalls, nameOf, standingOf } from "./calls.ts";
import * as referee from "./referee.ts";
import type { Scene } from "./referee.ts";

export const PATIENCE = 2;
/** Calls that a history sends; more would only be more of the same. */
export const CALLS_MAX = 3;

/** As the provider's operator sends. */
export const OPERATOR: Policy = {
  rebroadcastAfterMs: 1,
  giveUpAfterMs: null,
  // All calls of a history may be given up and stay unmined in the node's pool; the next one is
  // mined only when as many nonces are filled.
  repair: { afterMs: PATIENCE, holeMax: CALLS_MAX, closeEvery: 1, feeMax: null },
};
/** As the command line sends. */
export const COMMAND_LINE: Policy = {
  rebroadcastAfterMs: 1,
  giveUpAfterMs: PATIENCE,
  repair: null,
};

interface ModelFlight {
  nonce: number;
  sentAt: number;
  broadcastAt: number;
  /** 0: no block was made since; null: unknown. */
  sentHead: number | null;
  lacksCoin: boolean;
  /** Which of its forms the node was last seen to have; null: none. */
  held: number | null;
  call: string;
  /** When its nonce was last seen to be free, or we began to look. */
  freeAt: number;
}

export interface Model extends Scene {
  flights: ModelFlight[];
  usedSince: [number, number][];
  holeSince: number | null;
  /** When no hole was last seen, or we began to look. */
  wholeAt: number;
  nextNonce: number | null;
  /** What was forgotten since something was last remembered: a power cut brings it back. */
  unsynced: Form[];
}

export type Event = ChainEvent | OwnEvent;
export type OwnEvent =
  | "send"
  | "relay"
  | "send and die"
  | "look"
  | "wait"
  | "crash"
  | "cut the power";

export const OWN_EVENTS: readonly OwnEvent[] = [
  "send",
  "relay",
  "send and die",
  "look",
  "wait",
  "crash",
  "cut the power",
];

export function newModel(): Model {
  return {
    chain: emptyChain(),
    calls: {},
    store: [],
    flights: [],
    usedSince: [],
    holeSince: null,
    wholeAt: 0,
    nextNonce: null,
    unsynced: [],
  };
}

/** Changes `model` as `event` would. @throws AssertionError when that breaks a rule */
export function apply(model: Model, event: Event, policy: Policy): void {
  switch (event) {
    case "send":
      if (countCalls(model) < CALLS_MAX) launch(model, policy, "settlement", true);
      return;
    case "relay":
      if (countCalls(model) < CALLS_MAX) launch(model, policy, "relay", true);
      return;
    case "send and die":
      if (countCalls(model) < CALLS_MAX) launch(model, policy, "settlement", false);
      return restart(model, policy);
    case "look":
      return look(model, policy);
    case "wait":
      pass(model);
      return look(model, policy);
    case "crash":
      return restart(model, policy);
    case "cut the power":
      model.store.push(...model.unsynced.splice(0));
      return restart(model, policy);
    default:
      CHAIN_EVENTS[event](model.chain);
      referee.checkChain(model);
  }
}

function launch(
  model: Model,
  policy: Policy,
  rank: "settlement" | "relay",
  reachesBroadcast: boolean,
): void {
  const { chain, flights } = model;
  const call = nameOf(rank, countCalls(model));
  if (chain.view.answers !== "all") return;
  const basis = { own: model.nextNonce, out: flights.map(({ nonce }) => nonce) };
  const nonce = chooseNonce({ ...basis, pending: null }, policy) ??
    chooseNonce({ ...basis, pending: pendingOf(chain) }, policy)!;
  const form: Form = { nonce, call, fee: rank === "relay" ? 0 : chain.floor };
  remember(model, form);
  if (!reachesBroadcast) return;
  const flight = newFlight(nonce, call);
  const fate = deliver(model, flight, form);
  if (policy.repair === null && fate !== "held") {
    forget(model, nonce);
    return referee.noteGivenUp(model, call, true);
  }
  flights.push(flight);
  model.nextNonce = nonce + 1;
}

function newFlight(nonce: number, call: string): ModelFlight {
  const [sentAt, broadcastAt, sentHead, freeAt] = [0, 0, 0, 0];
  return { nonce, sentAt, broadcastAt, sentHead, lacksCoin: false, held: null, call, freeAt };
}

function look(model: Model, policy: Policy): void {
  const { chain, flights } = model;
  const { answers } = chain.view;
  const isAnswered = answers === "all";
  const count = answers === "nothing" || policy.repair === null ? null : countOf(chain);
  const receipts = new Map<number, boolean | null>();
  const missing = new Set<number>();
  for (const { nonce, held } of isAnswered ? flights : []) {
    const forms = formsOf(model, nonce);
    receipts.set(nonce, forms.some((form) => hasReceipt(chain, form)) || null);
    if (count === null || nonce < count || receipts.get(nonce)) continue;
    if (!knows(chain, forms.at(held ?? -1)!)) missing.add(nonce);
  }
  if (count !== null) noteSeen(model, count);
  const doubts: Doubts = { usedSince: new Map(model.usedSince), holeSince: model.holeSince };
  const isPriced = isAnswered && policy.repair !== null;
  const price = isPriced ? { head: 0n, baseFee: 0n, tip: BigInt(chain.floor) } : null;
  const seen = { count, receipts, missing, price };
  const planned = plan({ flights: flights.map(planFlight), doubts, seen, now: 0 }, policy);
  model.usedSince = [...planned.doubts.usedSince];
  model.holeSince = planned.doubts.holeSince;
  if (price) { for (const flight of flights) flight.sentHead ??= 0; }
  carryOutAll(model, planned.actions, policy);

  function planFlight(flight: ModelFlight): Flight {
    const { nonce, sentHead } = flight;
    const forms = formsOf(model, nonce);
    const newest = forms.at(-1)!;
    const fee = BigInt(newest.fee);
    return {
      ...flight,
      ...standingOf(newest.call),
      gas: 21_000n,
      fees: { maxFeePerGas: fee, maxPriorityFeePerGas: fee },
      forms,
      sentHead: sentHead === null ? null : BigInt(sentHead),
    };
  }
}

function formsOf({ store }: Model, nonce: number): Form[] {
  return store.filter((form) => form.nonce === nonce);
}

function carryOutAll(model: Model, actions: readonly Action<boolean>[], policy: Policy): void {
  let hasCoin = true;
  for (const action of actions) {
    if (action.kind === "fill") {
      fill(model, action.from, action.below);
      continue;
    }
    const isEffort = action.kind !== "confirm" && action.kind !== "give up";
    if (isEffort && !hasCoin) continue;
    const flight = model.flights.find(({ nonce }) => nonce === action.nonce)!;
    carryOut(model, flight, action, policy);
    if (isEffort) hasCoin = !flight.lacksCoin;
  }
}

/** What the referee must know of the looks before. */
function noteSeen(model: Model, count: number): void {
  for (const flight of model.flights) if (flight.nonce >= count) flight.freeAt = 0;
  const lowest = Math.min(
    ...model.flights.map(({ nonce }) => nonce).filter((nonce) => nonce >= count),
  );
  if (lowest === count || lowest === Infinity) model.wholeAt = 0;
}

function carryOut(
  model: Model,
  flight: ModelFlight,
  action: Exclude<Action<boolean>, { kind: "fill" }>,
  policy: Policy,
): void {
  const { nonce, freeAt } = flight;
  const newest = formsOf(model, nonce).at(-1)!;
  switch (action.kind) {
    case "confirm":
      referee.noteMined(model, model.chain.mined[nonce]!.call);
      return end(model, nonce);
    case "give up":
      if (action.reason === "used elsewhere") assert.ok(-freeAt >= PATIENCE, "given up at once");
      if (action.reason === "far ahead") assert.ok(-model.wholeAt >= PATIENCE, "given up at once");
      referee.noteNonceGivenUp(model, nonce, policy.repair === null);
      model.nextNonce = null;
      return end(model, nonce);
    case "raise":
    case "give way": {
      const call = action.kind === "raise" ? newest.call : `filler ${nonce}`;
      const form = { nonce, call, fee: Number(action.fees.maxFeePerGas) };
      remember(model, form);
      deliver(model, flight, form);
      flight.sentAt = flight.broadcastAt = flight.sentHead = 0;
      return;
    }
    case "broadcast":
      deliverAll(model, flight, policy);
      flight.broadcastAt = 0;
  }
}

/** Every form, cheapest first, up to the one that pays what is asked now. */
function deliverAll(model: Model, flight: ModelFlight, policy: Policy): void {
  for (const form of formsOf(model, flight.nonce)) {
    const fate = deliver(model, flight, form);
    if (fate === "stuck") return;
    if (fate === "held" && policy.repair && form.fee >= model.chain.floor) return;
  }
}

function fill(model: Model, from: number, below: number): void {
  assert.ok(-model.wholeAt >= PATIENCE, "filled at once");
  // What a transfer costs is asked first.
  if (model.chain.view.answers !== "all") return;
  for (let nonce = from; nonce < below; nonce++) {
    const form = { nonce, call: `filler ${nonce}`, fee: model.chain.floor };
    forget(model, nonce);
    remember(model, form);
    const flight = newFlight(nonce, form.call);
    model.flights.push(flight);
    deliver(model, flight, form);
  }
}

function remember(model: Model, form: Form): void {
  referee.noteStored(model, form);
  model.unsynced = [];
}

/** @returns what became of it, as `Delivery` reads the node's answer */
function deliver(model: Model, flight: ModelFlight, form: Form) {
  const { chain } = model;
  referee.noteOffered(model, form);
  const answer = offer(chain, form);
  const isHeld = answer === "accepted" || answer === "already known" ||
    answer === "nonce too low" && knows(chain, form);
  if (answer === "insufficient funds") flight.lacksCoin = true;
  if (!isHeld) {
    return answer === "no answer" || answer === "insufficient funds" ? "stuck" : "too cheap";
  }
  flight.held = formsOf(model, form.nonce).findIndex((known) => isSameForm(known, form));
  flight.lacksCoin = false;
  return "held";
}

function end(model: Model, nonce: number): void {
  model.flights = model.flights.filter((flight) => flight.nonce !== nonce);
  forget(model, nonce);
}

function forget(model: Model, nonce: number): void {
  model.unsynced.push(...model.store.filter((form) => form.nonce === nonce));
  model.store = model.store.filter((form) => form.nonce !== nonce);
}

/** A new process on the same store; the command line's is gone with its process. */
function restart(model: Model, policy: Policy): void {
  if (policy.repair === null) {
    for (const [name, { told }] of Object.entries(model.calls)) {
      if (told === "nothing") referee.noteGivenUp(model, name, true);
    }
    model.store = [];
  }
  const nonces = [...new Set(model.store.map(({ nonce }) => nonce))].sort((a, b) => a - b);
  model.flights = nonces.map((nonce) => ({
    ...newFlight(nonce, formsOf(model, nonce)[0]!.call),
    broadcastAt: -PATIENCE,
    sentHead: null,
  }));
  model.usedSince = [];
  model.holeSince = null;
  model.wholeAt = 0;
  model.nextNonce = null;
  model.unsynced = [];
}

/** One unit of time. */
function pass(model: Model): void {
  const older = (at: number) => Math.max(at - 1, -PATIENCE);
  for (const flight of model.flights) {
    flight.sentAt = older(flight.sentAt);
    flight.broadcastAt = older(flight.broadcastAt);
    flight.freeAt = older(flight.freeAt);
    if (flight.sentHead !== null && !model.chain.isStill) flight.sentHead = -1;
  }
  model.usedSince = model.usedSince.map(([nonce, since]) => [nonce, older(since)]);
  model.holeSince = model.holeSince === null ? null : older(model.holeSince);
  model.wholeAt = older(model.wholeAt);
}

/** Rounds in which a chain that is well must bring all that is out to an end. */
const ROUNDS_MAX = 40;

/**
 * The chain is well from now on, though its fees stay as they are: all that is out must come to an
 * end, and what is sent then must be mined.
 * @throws AssertionError when not
 */
export function heal(model: Model, policy: Policy): void {
  apply(model, "answer truly", policy);
  Object.assign(model.chain, { isSwallowing: false, isBroke: false, isStill: false });
  // What is worth too little now goes when something is sent that is worth enough.
  launch(model, policy, "settlement", true);
  settle(model, policy);
  if (policy.repair === null) model.chain.floor = 0;
  const foreign = model.chain.mined.filter((form) => form === null);
  const rivals = Object.keys(model.calls).length + foreign.length;
  for (let sent = 0;; sent++) {
    const call = nameOf("settlement", countCalls(model));
    launch(model, policy, "settlement", true);
    settle(model, policy);
    if (model.calls[call]!.told === "mined") return;
    // Another wallet may have its nonce, or what was given up, or told and then reorganised.
    assert.ok(sent < rivals, "nothing can be sent any more");
  }
}

function settle(model: Model, policy: Policy): void {
  for (let round = 0; model.flights.length > 0 && round < ROUNDS_MAX; round++) {
    for (const _ of model.chain.mempool) apply(model, "mine", policy);
    apply(model, "wait", policy);
  }
  referee.checkOver(model, model.flights.length);
}
