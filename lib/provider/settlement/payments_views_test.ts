/** That a view which events kept is the one that would be read, whatever happens on chain. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isSameView } from "../money/payer_events.ts";
import { ViewReader } from "../money/view_reader.ts";
import { FAKE_ESCROW } from "../../../worlds/chain/fake_chain.ts";
import { permitOf, PRICE, PROVIDER } from "../../../worlds/chain/payer_bills.ts";
import {
  laneAt,
  openWatchedPayers,
  payerAt,
  type WatchedPayers,
} from "../../../worlds/chain/watched_payers.ts";

const PAYERS = [payerAt(1), payerAt(2)];
const LANES = [laneAt(1), laneAt(2), laneAt(3)];
const CREDITS = 1_000n;
const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 60);

const step = fc.record({
  do: fc.constantFrom(
    "call",
    "call",
    "call",
    "settle",
    "charge",
    "allow",
    "revoke",
    "reclaim",
    "bump",
    "reorganise",
    "look",
    "look",
    "restart",
  ),
  payer: fc.nat(PAYERS.length - 1),
  lane: fc.nat(LANES.length - 1),
  credits: fc.bigInt(1n, 6n),
});

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function take(world: WatchedPayers, { do: what, payer, lane, credits }: Step) {
  const { fake, payments: { ledger } } = world;
  const account = PAYERS[payer]!;
  const { address } = account;
  const held = fake.allowanceOf(address);
  const permit = await permitOf(account, LANES[lane]!, CREDITS, 0);
  const settle = (upTo: bigint) => world.settle([{ permit, credits: upTo, price: PRICE }]);
  switch (what) {
    case "call":
      // Whether it is served is told elsewhere.
      return await world.call(account, LANES[lane]!, permit).catch(() => {});
    case "settle":
      return await settle(
        (await ledger.lane({ payer: address, lane: LANES[lane]! }))?.charged ?? 0n,
      );
    case "charge":
      // By somebody else with the operator's key, for nothing that was served here.
      return await settle(fake.consumed(address, LANES[lane]!) + credits);
    case "allow":
      return fake.allow(address, PRICE, held.credits + credits);
    case "revoke":
      return held.credits > 0n ? fake.revoke(address, credits) : undefined;
    case "reclaim":
      return held.thawingCredits > 0n ? fake.reclaim(address) : undefined;
    case "bump":
      return held.epochEnd === 0n ? fake.bumpEpoch(address, fake.now + 9_000_000n) : undefined;
    case "reorganise":
      return await fake.reorganise(Number(credits), credits % 2n === 0n);
    case "look":
      return await look(world);
    case "restart":
      return await world.restart();
  }
}

/** Looks at the chain; what is then said to be current is what is read. */
async function look(world: WatchedPayers): Promise<void> {
  await world.look();
  const { fake, payments: { payers, ledger, follower } } = world;
  // A batch may be mined meanwhile.
  const head = follower.head()!;
  const reader = new ViewReader({
    chain: fake.chain,
    escrow: FAKE_ESCROW,
    provider: PROVIDER.address,
    ledger,
    finality: "latest",
    now: () => world.now,
  });
  for (const { address: payer } of PAYERS) {
    const view = payers.current(payer, Infinity);
    if (!view) continue;
    const [read] = await reader.asOf([{ payer, lane: LANES[0]! }], head);
    assert.ok(isSameView(view, read!, fake.now), `${told(view)} is not ${told(read)}`);
    for (const [lane, settled] of view.settled) {
      if (ledger.knows(payer, lane)) continue;
      const [counter] = await reader.counters([{ payer, lane }], head);
      assert.equal(settled, counter);
    }
  }
}

function told(view: unknown): string {
  return JSON.stringify(view, (_key, value) => typeof value === "bigint" ? String(value) : value);
}

Deno.test("a view that is current is what the chain says at the block that was heard last", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
      async (steps) => {
        await using world = await openWatchedPayers();
        for (const { address } of PAYERS) world.fake.allow(address, PRICE, 20n);
        await look(world);
        for (const each of steps) await take(world, each);
        await look(world);
        await look(world);
      },
    ),
    { numRuns: RUNS },
  );
});
