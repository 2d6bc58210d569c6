/**
 * What must hold of an outbox, whatever befalls the chain. It is told of each thing that an outbox
 * does, and knows the whole chain.
 */
import assert from "node:assert/strict";
import { isFiller, isRelay } from "./calls.ts";
import { type Form, isSameForm, type NonceChain } from "./chain.ts";

/** One call and what its sender was told. */
export interface Call {
  nonce: number;
  told: "nothing" | "mined" | "given up";
  /**
   * It may be mined though it was given up: for as long as patience lasts the node has counted its
   * nonce as used when it was free, or has kept its receipt back; or the chain has taken back what
   * was mined in its place.
   */
  isExcused: boolean;
}

/** Plain data, as the chain is. */
export interface Scene {
  chain: NonceChain;
  calls: Record<string, Call>;
  /** What the store holds. */
  store: Form[];
}

/** A form goes into the store. */
export function noteStored({ chain, calls, store }: Scene, form: Form): void {
  const { nonce, call, fee } = form;
  assert.ok(fee <= chain.floor, `${call} pays ${fee} where gas costs ${chain.floor}`);
  // A relay gives way to a filler, for a settlement behind it.
  const givesWay = (other: Form) => isRelay(other.call) && isFiller(call);
  const rival = store.find((other) =>
    other.nonce === nonce && other.call !== call && !givesWay(other)
  );
  assert.equal(rival, undefined, `${call} and ${rival?.call} both want nonce ${nonce}`);
  calls[call] ??= { nonce, told: "nothing", isExcused: false };
  assert.equal(calls[call].nonce, nonce, `${call} has a second nonce`);
  store.push(form);
}

/** A form is broadcast. */
export function noteOffered({ store }: Scene, form: Form): void {
  const isStored = store.some((known) => isSameForm(known, form));
  assert.ok(isStored, `${form.call} is broadcast and not in the store`);
}

/** A nonce's end is told: one of its calls was mined, and one that gave way never will be. */
export function noteMined(scene: Scene, call: string): void {
  noteConfirmed(scene, call);
  for (const rival of callsOf(scene, scene.calls[call]!.nonce)) {
    if (rival !== call) noteGivenUp(scene, rival, false);
  }
}

/** The sender of a nonce's call is told that it is given up, and with it what gave way. */
export function noteNonceGivenUp(scene: Scene, nonce: number, isSaid: boolean): void {
  for (const call of callsOf(scene, nonce)) noteGivenUp(scene, call, isSaid);
}

/** What the store holds under a nonce. */
function callsOf({ store }: Scene, nonce: number): ReadonlySet<string> {
  return new Set(store.filter((form) => form.nonce === nonce).map(({ call }) => call));
}

/** A call's sender is told that it was mined. */
function noteConfirmed({ chain, calls }: Scene, call: string): void {
  const { told, isExcused, nonce } = calls[call]!;
  assert.equal(chain.mined[nonce]?.call, call, `${call} is told to be mined`);
  assert.ok(told !== "given up" || isExcused, `${call} is mined after it was given up`);
  calls[call]!.told = "mined";
}

/**
 * A call's sender is told that it is given up.
 * @param isSaid whether the sender is told that it may still be mined
 */
export function noteGivenUp({ chain, calls }: Scene, call: string, isSaid: boolean): void {
  const { nonce, isExcused } = calls[call]!;
  const isFree = nonce >= chain.mined.length;
  const mayBeMined = isSaid || chain.view.receiptsBehind > 0;
  const isMined = chain.mined[nonce]?.call === call;
  assert.ok(mayBeMined || !isMined, `${call} is given up, and mined`);
  calls[call] = { nonce, told: "given up", isExcused: isExcused || isFree || mayBeMined };
}

/** After each event of the chain. */
export function checkChain({ chain, calls }: Scene): void {
  const mined = chain.mined.filter((form) => form !== null).map(({ call }) => call);
  assert.equal(new Set(mined).size, mined.length, `mined twice: ${mined}`);
  for (const [name, call] of Object.entries(calls)) {
    if (call.nonce >= chain.mined.length && call.told === "given up") call.isExcused = true;
    const isLate = mined.includes(name) && call.told === "given up" && !call.isExcused;
    assert.ok(!isLate, `${name} is mined after it was given up`);
  }
}

/** When the chain has long been well. */
export function checkOver({ calls, store }: Scene, out: number): void {
  assert.equal(out, 0, "something stays out for ever");
  assert.deepEqual(store, [], "something stays in the store for ever");
  for (const [name, { told }] of Object.entries(calls)) {
    assert.notEqual(told, "nothing", `${name} is never told of`);
  }
}
