/** Views of payers that events keep, before a chain in memory. */
import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";
import { FAKE_ESCROW, fakeChain } from "../../../worlds/chain/fake_chain.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { Payers, type PayersOptions } from "./payers.ts";
import type { PayerEvent } from "./payer_events.ts";

const PROVIDER = anvilAccount(1).address;
const PAYER = anvilAccount(3).address;
const LANE: Hex = `0x${"1a".repeat(32)}`;
const OTHER: Hex = `0x${"2b".repeat(32)}`;
const CALLER = { isProven: true, from: undefined };

const stranger = (index: number): Address => `0x${(index + 9).toString(16).padStart(40, "0")}`;

/** A chain on which PAYER allows ten credits at one each, and a ledger in which it had calls. */
function watch(changes: Partial<PayersOptions> = {}) {
  const fake = fakeChain(PROVIDER);
  fake.allow(PAYER, 1n, 10n);
  const heard = hearLog();
  const world = { now: 1_000, asked: [] as string[], waits: null as Promise<void> | null };
  const opened = new Set<string>();
  fake.intercept = async ({ method }) => {
    world.asked.push(method);
    await world.waits;
    return undefined;
  };
  const payers = new Payers({
    chain: fake.chain,
    escrow: FAKE_ESCROW,
    provider: PROVIDER,
    ledger: {
      knows: (payer, lane) => payer === PAYER && (lane === undefined || opened.has(lane)),
      basis: (_payer, lane) =>
        Promise.resolve({
          lanes: new Map([[lane, opened.has(lane) ? 0n : null]]),
          settledHere: 0n,
        }),
    },
    finality: "latest",
    log: heard.log,
    now: () => world.now,
    ...changes,
  });
  return Object.assign(world, {
    fake,
    heard,
    payers,
    opened,
    view: (lane = LANE) => payers.view(PAYER, lane, Infinity, CALLER),
    /** The follower tells what the newest block brought. */
    hear(...events: PayerEvent[]): void {
      payers.hear(events, { head: fake.height(), trusted: fake.height() });
    },
    allowed: (credits: bigint): PayerEvent => {
      const terms = { pricePerCredit: 1n, credits, signer: PAYER };
      return { event: "allowed", payer: PAYER, block: fake.height(), ...terms };
    },
  });
}

Deno.test("a view is read in two requests, and then kept by what is heard", async () => {
  const { fake, payers, view, hear, allowed, asked } = watch();
  hear();
  assert.equal((await view()).ceiling, 10n);
  assert.deepEqual(asked, ["eth_getBlockByNumber", "eth_call"]);
  fake.allow(PAYER, 1n, 15n);
  hear(allowed(15n));
  assert.equal((await view()).ceiling, 15n);
  fake.revoke(PAYER, 4n);
  const thawing = { thawingCredits: 4n, thawEnd: 0n };
  hear({ event: "revoke_started", payer: PAYER, block: fake.height(), ...thawing });
  assert.equal((await view()).ceiling, 11n);
  assert.equal(asked.length, 2);
  const { read, advanced } = payers.figures();
  assert.deepEqual([read, advanced], [1, 2]);
});

Deno.test("what is heard while a view is read is in it, and what the read has seen is not there twice", async () => {
  const world = watch();
  const { fake, view, hear, allowed } = world;
  hear();
  const [isAsked, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  // The read knows the block; what follows is told before it has come.
  fake.intercept = async ({ method }) => {
    if (method !== "eth_call") return undefined;
    isAsked.resolve();
    await goesOn.promise;
    return undefined;
  };
  const reading = view();
  await isAsked.promise;
  fake.allow(PAYER, 1n, 20n);
  hear(allowed(20n));
  goesOn.resolve();
  assert.equal((await reading).ceiling, 20n);
  fake.intercept = null;
  // Read ahead of the follower.
  fake.allow(PAYER, 1n, 30n);
  world.payers.forget(PAYER);
  assert.equal((await view()).ceiling, 30n);
  hear(allowed(30n));
  assert.equal((await view()).ceiling, 30n);
});

Deno.test("what is heard late makes the payer be read anew", async () => {
  const { fake, view, hear, allowed, asked } = watch();
  hear();
  await view();
  fake.allow(PAYER, 1n, 20n);
  const late = allowed(20n);
  await fake.mine();
  hear();
  hear(late);
  assert.equal((await view()).ceiling, 20n);
  assert.equal(asked.length, 4);
});

Deno.test("a lane that was never seen is one counter more, as of the block the view holds for", async () => {
  const { fake, view, hear, asked } = watch();
  hear();
  await view();
  await fake.mine();
  hear();
  const { settled, block } = await view(OTHER);
  assert.deepEqual([...settled.keys()].sort(), [LANE, OTHER]);
  assert.equal(block, fake.height());
  assert.deepEqual(asked.slice(2), ["eth_call"]);
});

Deno.test("a charge on a lane of ours leaves the ceiling, one on another's lane lowers it", async () => {
  const { fake, view, hear, opened } = watch();
  hear();
  await view();
  opened.add(LANE);
  const charge = { event: "charged" as const, payer: PAYER, credits: 3n, settled: 3n };
  await fake.mine();
  hear({ ...charge, lane: LANE, block: fake.height() });
  const after = await view();
  assert.deepEqual([after.credits, after.ceiling], [7n, 10n]);
  await fake.mine();
  hear({ ...charge, lane: OTHER, block: fake.height() });
  assert.deepEqual([(await view()).credits, (await view()).ceiling], [4n, 7n]);
});

Deno.test("above the trusted block an event lowers a view at once, and raises it once trusted", async () => {
  const { fake, payers, allowed } = watch({ finality: "safe" });
  const tell = (head: bigint, trusted: bigint, ...events: PayerEvent[]) =>
    payers.hear(events, { head, trusted });
  const ceiling = async () => (await payers.view(PAYER, LANE, Infinity, CALLER)).ceiling;
  for (let block = 0; block < 6; block++) await fake.mine();
  const from = fake.height();
  tell(from, from - 3n);
  assert.equal(await ceiling(), 10n);
  tell(from + 1n, from - 2n, { ...allowed(15n), block: from + 1n });
  assert.equal(await ceiling(), 10n);
  const thawing = { thawingCredits: 9n, thawEnd: 99n };
  const revoked = { event: "revoke_started" as const, payer: PAYER, ...thawing };
  tell(from + 2n, from - 1n, { ...revoked, block: from + 2n });
  assert.equal(await ceiling(), 6n);
  tell(from + 4n, from + 1n);
  assert.equal(await ceiling(), 6n, "of fifteen nine thaw");
  payers.undo(from + 1n);
  assert.equal(await ceiling(), 15n, "the notice was undone");
});

Deno.test("what rests on a block that was undone is read anew, what does not is kept", async () => {
  const { fake, view, payers, hear, allowed, asked } = watch();
  await fake.mine();
  hear();
  await view();
  const { block } = await view();
  payers.undo(block);
  await view();
  assert.equal(asked.length, 2);
  fake.allow(PAYER, 1n, 15n);
  hear(allowed(15n));
  await fake.reorganise(1, false);
  payers.undo(block);
  assert.equal((await view()).ceiling, 10n);
  assert.equal(asked.length, 4);
});

Deno.test("views of before anything was followed are read anew", async () => {
  const { fake, view, hear, asked } = watch();
  await view();
  fake.allow(PAYER, 1n, 20n);
  hear();
  assert.equal((await view()).ceiling, 20n);
  assert.equal(asked.length, 4);
});

Deno.test("a payer with calls is read again by and by, and what is read wins", async () => {
  const world = watch();
  const { fake, view, hear, payers, heard, asked } = world;
  hear();
  await view();
  // Something that no event told.
  fake.allow(PAYER, 1n, 30n);
  hear();
  world.now += 599_999;
  await view();
  await payers.check();
  assert.equal(asked.length, 2);
  world.now += 5_001;
  await payers.check();
  assert.equal(asked.length, 3);
  assert.equal((await view()).ceiling, 30n);
  const [line] = heard.lines.map((each) => JSON.parse(each));
  assert.deepEqual([line.level, line.payer], ["error", PAYER]);
  world.now += 600_001;
  await payers.check();
  assert.equal(asked.length, 3, "nobody has asked for it since");
});

Deno.test("strangers are read together, so many at once and then so many a second, others always", async () => {
  const world = watch();
  const { payers, view } = world;
  const look = (n: number) => payers.view(stranger(n), LANE, 0, CALLER);
  await Promise.all(Array.from({ length: 1_000 }, (_, n) => look(n)));
  assert.ok(world.asked.length <= 12, `${world.asked.length}`);
  const refused = { code: "overloaded", retryAfterSeconds: 1 };
  await assert.rejects(look(1_000), refused);
  await view();
  world.now += 20;
  await Promise.all([look(1_000), look(1_001)]);
  await assert.rejects(look(1_002), refused);
  assert.deepEqual([...payers.figures().refused], [["strangers", 2]]);
});

Deno.test("strangers that a slow chain keeps waiting do not keep others waiting", async () => {
  const world = watch();
  const { payers, view } = world;
  const goesOn = Promise.withResolvers<void>();
  world.waits = goesOn.promise;
  const waiting = [1, 2, 3].map((n) => payers.view(stranger(n), LANE, 0, CALLER));
  const own = view();
  assert.equal(world.asked.length, 2);
  goesOn.resolve();
  await Promise.all([...waiting, own]);
});

Deno.test("a chain that stands still is not read", async () => {
  const { payers, asked } = watch({ isStandingStill: () => true });
  await assert.rejects(payers.view(PAYER, LANE, 0, CALLER), { code: "chain_unavailable" });
  assert.deepEqual(asked, []);
});
