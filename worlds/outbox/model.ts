/**
 * An outbox as plain data: it chooses nonces and plans by the same functions as the real one, and
 * carries out what is planned without a wait in between. Times are relative to now, in units of
 * which `PATIENCE` make a repair due, and no older than that: so equal situations are equal data.
 */
import assert from "node:assert/strict";
import {
  type Action,
  chooseNonce,
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
  offer,
  pendingOf,
} from "./chain.ts";
import * as referee from "./referee.ts";
import type { Scene } from "./referee.ts";

export const PATIENCE = 2;
/** Calls that a history sends; more would only be more of the same. */
export const CALLS_MAX = 3;

/** As the provider's operator sends. */
export const OPERATOR: Policy = {
  rebroadcastAfterMs: 0,
  giveUpAfterMs: null,
  // All calls of a history may be given up and stay unmined in the node's pool; the next one is
  // mined only when as many nonces are filled.
  repair: { afterMs: PATIENCE, holeMax: CALLS_MAX },
};
/** As the command line sends. */
export const COMMAND_LINE: Policy = {
  rebroadcastAfterMs: 1,
  giveUpAfterMs: PATIENCE,
  repair: null,
};

interface ModelFlight extends Flight {
  sentAt: number;
  broadcastAt: number;
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
export type OwnEvent = "send" | "send and die" | "look" | "wait" | "crash" | "cut the power";

export const OWN_EVENTS: readonly OwnEvent[] = [
  "send",
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
      if (countCalls(model) < CALLS_MAX) launch(model, policy, true);
      return;
    case "send and die":
      if (countCalls(model) < CALLS_MAX) launch(model, policy, false);
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

export const countCalls = ({ calls }: Scene) =>
  Object.keys(calls).filter((name) => name.startsWith("call")).length;

function launch(model: Model, policy: Policy, reachesBroadcast: boolean): void {
  const { chain, flights } = model;
  const call = `call ${countCalls(model)}`;
  if (chain.view.answers !== "all") return;
  const basis = { own: model.nextNonce, out: flights.map(({ nonce }) => nonce) };
  const nonce = chooseNonce({ ...basis, pending: null }, policy) ??
    chooseNonce({ ...basis, pending: pendingOf(chain) }, policy)!;
  const form: Form = { nonce, call, fee: 0 };
  remember(model, form);
  if (!reachesBroadcast) return;
  const answer = broadcast(model, form);
  if (policy.repair === null && answer !== "accepted") {
    forget(model, nonce);
    return referee.noteGivenUp(model, call, true);
  }
  flights.push({ nonce, call, sentAt: 0, broadcastAt: 0, freeAt: 0 });
  model.nextNonce = nonce + 1;
}

function look(model: Model, policy: Policy): void {
  const { chain, flights, store } = model;
  const { answers } = chain.view;
  const count = answers === "nothing" || policy.repair === null ? null : countOf(chain);
  const receipts = new Map<number, boolean | null>();
  for (const { nonce } of answers === "all" ? flights : []) {
    const forms = store.filter((form) => form.nonce === nonce);
    receipts.set(nonce, forms.some((form) => hasReceipt(chain, form)) || null);
  }
  if (count !== null) noteSeen(model, count);
  const doubts: Doubts = { usedSince: new Map(model.usedSince), holeSince: model.holeSince };
  const planned = plan({ flights, doubts, seen: { count, receipts }, now: 0 }, policy);
  model.usedSince = [...planned.doubts.usedSince];
  model.holeSince = planned.doubts.holeSince;
  for (const action of planned.actions) carryOut(model, action, policy);
}

/** What the referee must know of the looks before. */
function noteSeen(model: Model, count: number): void {
  for (const flight of model.flights) if (flight.nonce >= count) flight.freeAt = 0;
  const lowest = Math.min(
    ...model.flights.map(({ nonce }) => nonce).filter((nonce) => nonce >= count),
  );
  if (lowest === count || lowest === Infinity) model.wholeAt = 0;
}

function carryOut(model: Model, action: Action<boolean>, policy: Policy): void {
  if (action.kind === "fill") return fill(model, action.from, action.below);
  const flight = model.flights.find(({ nonce }) => nonce === action.nonce)!;
  const { nonce, call, freeAt } = flight;
  const newest = model.store.findLast((form) => form.nonce === nonce)!;
  switch (action.kind) {
    case "confirm":
      referee.noteConfirmed(model, call);
      return end(model, nonce);
    case "give up":
      if (action.reason === "used elsewhere") assert.ok(-freeAt >= PATIENCE, "given up at once");
      if (action.reason === "far ahead") assert.ok(-model.wholeAt >= PATIENCE, "given up at once");
      referee.noteGivenUp(model, call, policy.repair === null);
      model.nextNonce = null;
      return end(model, nonce);
    case "raise":
      remember(model, { ...newest, fee: newest.fee + 1 });
      broadcast(model, { ...newest, fee: newest.fee + 1 });
      flight.sentAt = flight.broadcastAt = 0;
      return;
    case "broadcast":
      broadcast(model, newest);
      flight.broadcastAt = 0;
  }
}

function fill(model: Model, from: number, below: number): void {
  assert.ok(-model.wholeAt >= PATIENCE, "filled at once");
  // What a transfer costs is asked first.
  if (model.chain.view.answers !== "all") return;
  for (let nonce = from; nonce < below; nonce++) {
    const form = { nonce, call: `filler ${nonce}`, fee: 0 };
    remember(model, form);
    model.flights.push({ nonce, call: form.call, sentAt: 0, broadcastAt: 0, freeAt: 0 });
    broadcast(model, form);
  }
}

function remember(model: Model, form: Form): void {
  referee.noteStored(model, form);
  model.unsynced = [];
}

function broadcast(model: Model, form: Form) {
  referee.noteOffered(model, form);
  return offer(model.chain, form);
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
  const calls = new Map(model.store.map(({ nonce, call }) => [nonce, call]));
  model.flights = [...calls].sort(([a], [b]) => a - b).map(([nonce, call]) => ({
    nonce,
    call,
    sentAt: 0,
    broadcastAt: 0,
    freeAt: 0,
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
  model.chain.isSwallowing = false;
  settle(model, policy);
  if (policy.repair === null) model.chain.floor = 0;
  const foreign = model.chain.mined.filter((form) => form === null);
  const rivals = Object.keys(model.calls).length + foreign.length;
  for (let sent = 0;; sent++) {
    const call = `call ${countCalls(model)}`;
    launch(model, policy, true);
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
