import assert from "node:assert/strict";
import type { Hex } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";
import { FAKE_ESCROW, fakeChain } from "../../../worlds/chain/fake_chain.ts";
import {
  ANNA,
  CREDITS,
  openSettlingBooks,
  PRICE_MAX,
} from "../../../worlds/chain/settling_books.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import type { ChainFact, LaneState } from "../ledger/ledger.ts";
import { curableBy, Revival } from "./revival.ts";
import type { Row } from "./rows.ts";

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
  const dearer = { segments: [{ upTo: 1n, price: 5n }, { upTo: 2n, price: 6n }] };
  assert.deepEqual(curableBy(held, [lane("PriceTooHigh", dearer)], 100n), []);
  const [half] = curableBy(held, [lane("InsufficientCredits", { settled: 1n })], 100n);
  assert.equal(half!.upTo, 2n);
  const short = curableBy({ ...held, credits: 3n }, good, 100n);
  assert.deepEqual(short.map(({ upTo }) => upTo), [2n, 1n]);
});

const PROVIDER = anvilAccount(1).address;

/** A revival among refused lanes of Anna's, with what it has simulated and written down. */
function openRevival(refused: readonly string[]) {
  const fake = fakeChain(PROVIDER);
  fake.allow(ANNA.address, 5n, CREDITS);
  const lanes = refused.map((because, n) => ({
    payer: ANNA.address,
    lane: laneOf(n),
    refused: because,
    settled: 0n,
    charged: 2n,
    segments: [{ upTo: 2n, price: 5n }],
    permits: [{ permit: { ...GOOD, epoch: 0 }, signer: null }],
  } as unknown as LaneState));
  const facts: ChainFact[] = [];
  const world = {
    fake,
    facts,
    heard: hearLog(),
    now: 0,
    /** Rows of each simulation, and what it says that they bring. */
    simulated: [] as number[],
    brings: 1n,
  };
  const ledger = {
    refused: () => Promise.resolve(lanes),
    record: (some: readonly ChainFact[]) => Promise.resolve(void facts.push(...some)),
  };
  const revival = new Revival({
    chain: fake.chain,
    escrow: FAKE_ESCROW,
    provider: PROVIDER,
    ledger,
    simulate(rows: readonly Row[]) {
      world.simulated.push(rows.length);
      return Promise.resolve(world.brings);
    },
    log: world.heard.log,
    now: () => world.now,
  });
  const revive = async () => {
    revival.revive(ANNA.address);
    await revival.idle();
  };
  return Object.assign(world, { revive });
}

Deno.test("lanes for which the escrow would pay nothing stay refused", async () => {
  const world = openRevival(["InsufficientCredits"]);
  world.brings = 0n;
  await world.revive();
  assert.deepEqual([world.simulated, world.facts], [[1], []]);
  world.brings = 1n;
  await world.revive();
  assert.equal(world.facts.length, 1);
});

Deno.test("two hundred lanes are simulated at a time", async () => {
  const world = openRevival(Array<string>(201).fill("InsufficientCredits"));
  await world.revive();
  assert.deepEqual([world.simulated, world.facts.length], [[200, 1], 201]);
});

Deno.test("where nothing can be cured nothing is asked, where one lane can that one is", async () => {
  const world = openRevival(["PermitExpired"]);
  let requests = 0;
  world.fake.intercept = () => Promise.resolve(void (requests += 1));
  await world.revive();
  assert.equal(requests, 0);
  const mixed = openRevival(["PermitExpired", "PriceTooHigh"]);
  await mixed.revive();
  assert.deepEqual(mixed.facts.map((fact) => fact.lane), [laneOf(1)]);
});

Deno.test("a permit whose deadline is over is not simulated", async () => {
  const world = openRevival(["InsufficientCredits"]);
  world.now = 101_000;
  await world.revive();
  assert.deepEqual(world.simulated, []);
  world.now = 100_999;
  await world.revive();
  assert.deepEqual(world.simulated, [1]);
});

Deno.test("a chain out of reach is said, and the payer may be asked for again", async () => {
  const world = openRevival(["InsufficientCredits"]);
  world.fake.intercept = () => Promise.reject(new Error("no"));
  await world.revive();
  assert.ok(
    world.heard.lines.some((line) => line.includes("refused lanes not looked at")),
  );
  world.fake.intercept = () => Promise.resolve(undefined);
  await world.revive();
  assert.equal(world.facts.length, 1);
});
