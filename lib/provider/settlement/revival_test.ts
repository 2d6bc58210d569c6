import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  ANNA,
  CREDITS,
  openSettlingBooks,
  PRICE_MAX,
} from "../../../worlds/chain/settling_books.ts";
import type { LaneState } from "../ledger/ledger.ts";
import { curableBy } from "./revival.ts";

const laneOf = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;

/** So many lanes of Anna's with a credit each, all refused as nothing is left of her allowance. */
async function refusedLanes(count: number) {
  const books = await openSettlingBooks();
  for (let n = 1; n <= count; n++) await books.use(ANNA, laneOf(n), 1);
  books.fake.allow(ANNA.address, PRICE_MAX, 0n);
  await books.settlement.settleNow();
  assert.equal((await books.ledger.refused(ANNA.address)).length, count);
  return books;
}

function countRequests({ fake }: Awaited<ReturnType<typeof refusedLanes>>): string[] {
  const requests: string[] = [];
  fake.intercept = ({ method }) => {
    requests.push(method);
    return Promise.resolve(undefined);
  };
  return requests;
}

Deno.test("what an allowance covers now is due again, and no more than that", async () => {
  await using books = await refusedLanes(5);
  const { fake, settlement, ledger, batches } = books;
  const before = batches.length;
  fake.allow(ANNA.address, PRICE_MAX, 2n);
  settlement.revive(ANNA.address);
  await settlement.revived();
  assert.equal((await ledger.due()).length, 2);
  assert.equal((await ledger.refused(ANNA.address)).length, 3);
  await settlement.settleNow();
  assert.equal(batches.length, before + 1);
  assert.equal(fake.allowanceOf(ANNA.address).credits, 0n);
});

Deno.test("an allowance of nothing, asked for a hundred times, costs a read", async () => {
  await using books = await refusedLanes(300);
  const { settlement, ledger } = books;
  const requests = countRequests(books);
  for (let n = 0; n < 100; n++) settlement.revive(ANNA.address);
  await settlement.revived();
  assert.deepEqual(requests, ["eth_call"]);
  assert.deepEqual(await ledger.due(), []);
});

Deno.test("all that is cured takes a few requests, however many lanes", async () => {
  await using books = await refusedLanes(300);
  const { fake, settlement, ledger } = books;
  fake.allow(ANNA.address, PRICE_MAX, CREDITS);
  const requests = countRequests(books);
  settlement.revive(ANNA.address);
  await settlement.revived();
  assert.equal((await ledger.due()).length, 300);
  assert.ok(requests.length <= 8, requests.join());
});

const GOOD = { deadline: 100n, epoch: 1, price: 5n, credits: 2n };

Deno.test("only refusals that an allowance can cure are tried", () => {
  const held = { credits: 10n, pricePerCredit: 5n, epoch: 1, epochEnd: 0n } as Parameters<
    typeof curableBy
  >[0];
  const lane = (refused: string, more: object = {}) => ({
    refused,
    settled: 0n,
    charged: 2n,
    segments: [{ upTo: 2n, price: 5n }],
    permits: [{ permit: GOOD, signer: null }],
    ...more,
  } as unknown as LaneState);
  const good = ["InsufficientCredits", "PriceTooHigh", "WrongEpoch"].map((reason) => lane(reason));
  const bad = [
    ...["PermitExpired", "PermitExceeded", "InvalidSignature"].map((reason) => lane(reason)),
    lane("InsufficientCredits", { segments: [{ upTo: 2n, price: 6n }] }),
    lane("InsufficientCredits", {
      permits: [{ permit: { ...GOOD, deadline: 99n }, signer: null }],
    }),
    lane("WrongEpoch", { permits: [{ permit: { ...GOOD, epoch: 0 }, signer: null }] }),
    lane("InsufficientCredits", { permits: [] }),
  ];
  assert.deepEqual(curableBy(held, [...bad, ...good], 100n).map(({ lane }) => lane), good);
  const short = curableBy({ ...held, credits: 3n }, good, 100n);
  assert.deepEqual(short.map(({ upTo }) => upTo), [2n, 1n]);
});
