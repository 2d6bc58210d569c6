import assert from "node:assert/strict";
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import type { PayerView } from "../ledger/judge.ts";
import { OwnerAllowances } from "./owner_allowances.ts";
import type { Caller } from "./payers.ts";

const OWNER: Address = `0x${"11".repeat(20)}`;
const FROM = "203.0.113.7";

const viewOf = (credits: bigint, thawingCredits = 0n, pricePerCredit = 1_000n) =>
  ({ credits, thawingCredits, pricePerCredit }) as PayerView;

/** Payers whose view is known, read and read again as the test says. */
function payersOf(known: PayerView | null, read: PayerView, again: PayerView = read) {
  const asked: [string, Caller][] = [];
  const answer =
    (what: string, view: PayerView) => (...args: [Address, unknown, number, Caller?]) => {
      asked.push([what, args[3]!]);
      return Promise.resolve(view);
    };
  const payers = {
    current: () => known ?? undefined,
    view: answer("view", read),
    viewAgain: answer("again", again),
  };
  return { asked, allowances: new OwnerAllowances({ payers, viewAgeMs: () => 2_000 }) };
}

Deno.test("what an owner allows and does not take back counts, at the price it allows", async () => {
  const { allowances, asked } = payersOf(viewOf(10n, 3n), viewOf(0n));
  assert.equal(await allowances.of(OWNER, FROM), 7_000n);
  assert.deepEqual(asked, [], "what is known is not asked for");
  const least = payersOf(viewOf(1n, 0n, 1n), viewOf(0n));
  assert.equal(await least.allowances.of(OWNER, FROM), 1n);
});

Deno.test("who is not known is read as whoever proved to be it, within its network's limits", async () => {
  const { allowances, asked } = payersOf(null, viewOf(2n));
  assert.equal(await allowances.of(OWNER, FROM), 2_000n);
  assert.deepEqual(asked, [["view", { isProven: true, from: FROM }]]);
});

Deno.test("before it is nothing the chain is asked once more", async () => {
  const { allowances, asked } = payersOf(viewOf(0n), viewOf(0n), viewOf(5n));
  assert.equal(await allowances.of(OWNER, FROM), 5_000n);
  assert.deepEqual(asked.map(([what]) => what), ["again"]);
  const thawing = payersOf(viewOf(5n, 5n), viewOf(0n));
  assert.equal(await thawing.allowances.of(OWNER, FROM), 0n);
  const more = payersOf(viewOf(3n, 5n), viewOf(3n, 5n));
  assert.equal(await more.allowances.of(OWNER, FROM), 0n, "it is never less than nothing");
});

Deno.test("a limit that refuses is told as such", async () => {
  const refuse = () => Promise.reject(new KhachapuriError("rate_limited", "too often"));
  const payers = { current: () => undefined, view: refuse, viewAgain: refuse };
  const allowances = new OwnerAllowances({ payers, viewAgeMs: () => 2_000 });
  await assert.rejects(allowances.of(OWNER, FROM), { code: "rate_limited" });
});
