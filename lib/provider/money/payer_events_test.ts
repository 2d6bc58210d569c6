/** What a view is after an event, beside what the contract would say. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Address, getAddress, type Hex, zeroAddress } from "viem";
import type { PayerView } from "../ledger/judge.ts";
import { advance, isSameView, lower, type PayerEvent, withCounters } from "./payer_events.ts";

const PAYER = getAddress(`0x${"a1".repeat(20)}`);
const SIGNER = getAddress(`0x${"b2".repeat(20)}`);
const [LANE, OTHER]: Hex[] = [`0x${"1a".repeat(32)}`, `0x${"2b".repeat(32)}`];

const VIEW: PayerView = {
  block: 5n,
  at: 0,
  credits: 10n,
  thawingCredits: 0n,
  thawEnd: 0n,
  pricePerCredit: 2n,
  signer: PAYER,
  epoch: 3,
  epochEnd: 0n,
  settled: new Map(),
  ceiling: 14n,
};

type Told = PayerEvent extends infer E ? E extends PayerEvent ? Omit<E, "payer" | "block"> : never
  : never;

const after = (view: PayerView, told: Told, isOpened = true) =>
  advance(view, { payer: PAYER, block: 6n, ...told } as PayerEvent, () => isOpened);

Deno.test("what is allowed takes the place of all that was, a notice included", () => {
  const noticed = after(VIEW, { event: "revoke_started", thawingCredits: 4n, thawEnd: 77n });
  assert.deepEqual([noticed.thawingCredits, noticed.thawEnd], [4n, 77n]);
  const allowed = after(noticed, {
    event: "allowed",
    credits: 20n,
    pricePerCredit: 3n,
    signer: SIGNER,
  });
  const terms = { credits: 20n, pricePerCredit: 3n, signer: SIGNER };
  // Four were taken on lanes of ours.
  assert.deepEqual(allowed, { ...VIEW, ...terms, block: 6n, ceiling: 24n });
  const own = after(VIEW, {
    event: "allowed",
    credits: 20n,
    pricePerCredit: 3n,
    signer: zeroAddress as Address,
  });
  assert.equal(own.signer, PAYER);
});

Deno.test("a bump of the epoch says which one ends when", () => {
  const bumped = after(VIEW, { event: "epoch_bumped", epoch: 4, epochEnd: 99n });
  assert.deepEqual([bumped.epoch, bumped.epochEnd], [3, 99n]);
  const over = { ...bumped, epoch: 4, epochEnd: 0n };
  assert.deepEqual([98n, 99n].map((now) => isSameView(bumped, over, now)), [false, true]);
});

Deno.test("a counter that is known goes with what is charged on its lane", () => {
  const view = { ...VIEW, settled: new Map([[OTHER!, 1n]]) };
  const charged = { event: "charged", lane: OTHER!, credits: 2n, settled: 3n } as const;
  const foreign = after(view, charged, false);
  assert.deepEqual([foreign.settled.get(OTHER!), foreign.ceiling], [3n, 12n]);
  assert.equal(after(view, charged, true).ceiling, 14n);
  assert.deepEqual([...after(view, { ...charged, lane: LANE! }, true).settled], [[OTHER, 1n]]);
});

Deno.test("a counter from before is brought up, never back", () => {
  const view = { ...VIEW, settled: new Map([[OTHER!, 5n]]) };
  const charge = (settled: bigint, lane = OTHER!): PayerEvent => {
    return { event: "charged", payer: PAYER, block: 4n, lane, credits: 1n, settled };
  };
  assert.equal(withCounters(view, [charge(4n), charge(5n), charge(9n, LANE)]), view);
  assert.deepEqual([...withCounters(view, [charge(6n), charge(7n)]).settled], [[OTHER, 7n]]);
});

Deno.test("of what is not trusted yet only what is less counts", () => {
  const less = { ...VIEW, ceiling: 3n, pricePerCredit: 9n, signer: SIGNER };
  assert.deepEqual(lower(VIEW, less), { ...VIEW, ceiling: 3n });
  assert.deepEqual(lower(less, VIEW), { ...less, pricePerCredit: 2n });
});

Deno.test("a view that events made is the one that would be read, whatever happened", () => {
  /** The contract's allowance, as its storage has it. */
  const step = fc.oneof(
    fc.record({ do: fc.constant("allow" as const), more: fc.bigInt(0n, 9n) }),
    fc.record({ do: fc.constant("revoke" as const), credits: fc.bigInt(1n, 12n) }),
    fc.record({ do: fc.constant("reclaim" as const) }),
    fc.record({
      do: fc.constant("charge" as const),
      credits: fc.bigInt(1n, 6n),
      isOurs: fc.boolean(),
    }),
  );
  const least = (a: bigint, b: bigint) => a < b ? a : b;
  fc.assert(fc.property(fc.array(step, { maxLength: 30, size: "max" }), (steps) => {
    const stored = { credits: 10n, thawing: 0n, taken: 0n };
    let view: PayerView = { ...VIEW, credits: 10n, ceiling: 10n };
    const hear = (told: Told, isOurs = true) => view = after(view, told, isOurs);
    for (const each of steps) {
      const thawing = least(stored.thawing, stored.credits);
      if (each.do === "allow") {
        const credits = stored.credits + each.more;
        if (credits === 0n) continue;
        Object.assign(stored, { credits, thawing: 0n });
        hear({ event: "allowed", credits, pricePerCredit: 2n, signer: zeroAddress as Address });
      } else if (each.do === "revoke") {
        if (stored.credits === 0n) continue;
        stored.thawing = least(each.credits, stored.credits);
        hear({ event: "revoke_started", thawingCredits: stored.thawing, thawEnd: 77n });
      } else if (each.do === "reclaim") {
        if (thawing === 0n) continue;
        Object.assign(stored, { credits: stored.credits - thawing, thawing: 0n });
        hear({ event: "reclaimed", credits: thawing });
      } else {
        if (each.credits > stored.credits) continue;
        stored.credits -= each.credits;
        if (each.isOurs) stored.taken += each.credits;
        const { credits, isOurs } = each;
        hear({ event: "charged", lane: LANE!, credits, settled: 0n }, isOurs);
      }
      const left = least(stored.thawing, stored.credits);
      assert.deepEqual(
        [view.credits, view.thawingCredits, view.thawEnd, view.ceiling],
        [stored.credits, left, left > 0n ? 77n : 0n, stored.credits - left + stored.taken],
      );
    }
  }));
});
