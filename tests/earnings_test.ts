/** What a provider does with its own key by commands: refunds, its collector, its operators. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Hex, LocalAccount } from "viem";
import { readBalance, readConsumed } from "../lib/chain/escrow.ts";
import { consume, earned, readPaid } from "../lib/chain/escrow_provider.ts";
import { clientLane } from "../lib/chain/lane.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import { deploymentLane, signPermit, UINT64_MAX } from "../lib/permit.ts";
import { writeKeyFile } from "../lib/spec/keys.ts";
import { passTime } from "../worlds/chain/anvil_calls.ts";
import { type EscrowChain, fund, PRICE, startEscrowChain } from "../worlds/chain/escrow_chain.ts";
import { type Accounts, privateKeyOf } from "../worlds/chain/people.ts";
import { chainConfig, openHome, runIn } from "../worlds/home.ts";
import { startMarket } from "../worlds/market.ts";

const DAY_SECONDS = 86_400n;
const COLLECTOR_DELAY_SECONDS = 3n * DAY_SECONDS;

async function openPeoplesHome(world: EscrowChain) {
  const people = Object.entries(world.accounts);
  const keys = people.map(([who, account]) => [`${who}.json`, privateKeyOf(account)]);
  const home = await openHome(chainConfig(world), Object.fromEntries(keys));
  const run = (who: keyof Accounts, ...[command = "", ...args]: string[]) =>
    home.run(command, "--keys", join(home.dir, `${who}.json`), ...args);
  return { ...home, run };
}

/** Charges `count` credits on a lane of the payer. */
async function charge(
  { chain, escrow, accounts: { payer, provider } }: EscrowChain,
  lane: Hex,
  count: number,
  by: LocalAccount = provider,
): Promise<void> {
  const permit = await signPermit(payer, { chainId: chain.chainId, escrow }, {
    payer: payer.address,
    provider: provider.address,
    lane,
    price: PRICE,
    credits: 1_000n,
    deadline: UINT64_MAX,
    epoch: 0,
  });
  for (let i = 0; i < count; i++) await consume(chain, by, escrow, PRICE, permit);
}

Deno.test("refund gives a lane's payer back what it was charged, and no more", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { run } = home;
  const { chain, escrow, accounts: { payer, provider } } = world;
  await fund(world, payer);
  const [own, laptop] = [clientLane(payer.address), clientLane(payer.address, "laptop")];
  await charge(world, own, 5);
  await charge(world, laptop, 2);
  const paid = (lane: Hex) => readPaid(chain, escrow, payer.address, provider.address, lane);
  const free = await readBalance(chain, escrow, payer.address);

  const { json } = await run("provider", "refund", payer.address, "0.003", "--json");
  assert.deepEqual([json.lane, json.amount, json.left], [own, "3000", "2000"]);
  assert.equal(await readBalance(chain, escrow, payer.address), free + 3_000n);
  assert.equal(await earned(chain, escrow, provider.address), 4_000n);
  const consumed = await readConsumed(chain, escrow, payer.address, provider.address, own);
  assert.equal(consumed, 5n, "the lane stays where it is");

  const high = await run("provider", "refund", payer.address, "0.003");
  assert.equal(high.code, 5);
  assert.match(high.err, /0\.002 USDC can be refunded: no more were charged on the lane/);
  const labelled = ["--lane-label", "laptop"];
  const done = await run("provider", "refund", payer.address, "0.002", ...labelled);
  assert.match(done.out, /refunded 0\.002 USDC to 0x.*\n0 USDC of the lane are not refunded/);
  // Whoever has another key has no earnings of this provider's.
  for (const who of ["operator", "stranger"] as const) {
    const refused = await run(who, "refund", payer.address, "0.001");
    assert.match(refused.err, /^khachapuri: 0 USDC can be refunded/);
  }
  await run("provider", "collect");
  const late = await run("provider", "refund", payer.address, "0.001", "--lane", own);
  assert.match(late.err, /0 USDC can be refunded: no more of your earnings are not collected/);
  const two = await run("provider", "refund", payer.address, "1", "--lane", own, ...labelled);
  assert.deepEqual([two.code, /give one/.test(two.err)], [2, true]);
  assert.deepEqual([await paid(own), await paid(laptop)], [2_000n, 0n]);
});

Deno.test("an owner's lane is found by the deployment, with the key that opens its spec", async () => {
  await using market = await startMarket();
  const { chain, escrow, home, accounts: { owner, payer, provider } } = market;
  const spec = await market.spec({ files: { main: "#!/bin/sh\necho hello\n" } });
  const cid = await market.publishSpec(spec);
  for (const _ of [1, 2]) assert.equal(await (await market.call(cid)).text(), "hello\n");
  const keys = join(home, "provider-key.json");
  await writeKeyFile(keys, { version: 1, account: privateKeyOf(provider) });
  const refund = (who: LocalAccount, ...args: string[]) =>
    runIn(home, ["refund", who.address, "0.001", "--deployment", cid, ...args]);
  const done = await refund(owner, "--keys", keys, "--json");
  assert.deepEqual([done.json.lane, done.json.left], [deploymentLane(spec.id), "1000"]);
  const lane = deploymentLane(spec.id);
  assert.equal(await readPaid(chain, escrow, owner.address, provider.address, lane), 1_000n);
  const foreign = await refund(payer, "--keys", keys);
  assert.match(foreign.err, new RegExp(`the owner of ${cid} is ${owner.address}`));
  const hot = await refund(owner);
  assert.deepEqual([hot.code, /the provider key is 0x/.test(hot.err)], [6, true]);
});

Deno.test("earnings go to the collector alone, and a change of it takes its time", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { run } = home;
  const { chain, usdc, accounts: { payer, provider, owner, stranger } } = world;
  await fund(world, payer);
  const lane = clientLane(payer.address);
  const collector = (...args: string[]) => run("provider", "collector", ...args, "--json");
  const wallet = ({ address }: LocalAccount) => readUsdcBalance(chain, usdc, address);
  const before = [await wallet(owner), await wallet(stranger)] as const;

  assert.match((await run("provider", "collector")).out, /go to whomever collect names$/m);
  const first = (await collector(owner.address)).json;
  const { address } = provider;
  const named = { provider: address, collector: owner.address, pending: null };
  assert.deepEqual(first, { ...named, isChanged: true });
  await charge(world, lane, 1);
  const wrong = await run("provider", "collect", "--to", stranger.address);
  assert.deepEqual([wrong.code, /WrongCollector/.test(wrong.err)], [5, true]);

  const change = (await collector(stranger.address)).json;
  assert.deepEqual([change.collector, change.pending.next], [owner.address, stranger.address]);
  const again = (await collector(stranger.address)).json;
  assert.deepEqual(again, { ...change, isChanged: false }, "its delay does not begin anew");
  assert.match((await run("provider", "collector")).out, /\nfrom \d{4}.* on to 0x15d34AAf/);
  assert.match(
    (await run("provider", "collect")).out,
    new RegExp(`0.001 USDC to ${owner.address}`),
  );
  assert.equal(await wallet(owner), before[0] + 1_000n);

  assert.deepEqual((await collector(owner.address)).json, { ...named, isChanged: true });
  await passTime(chain, COLLECTOR_DELAY_SECONDS + 1n);
  assert.deepEqual((await collector()).json, named, "it was taken back");
  await collector(stranger.address);
  await passTime(chain, COLLECTOR_DELAY_SECONDS + 1n);
  await charge(world, lane, 1);
  await run("provider", "collect");
  assert.equal(await wallet(stranger), before[1] + 1_000n);
  const none = (await collector("none")).json;
  assert.deepEqual([none.collector, none.pending.next], [stranger.address, null]);
});

Deno.test("an operator has the limits that it was given, until they change", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { chain, accounts: { payer, provider, operator, stranger } } = world;
  await fund(world, payer);
  const run = (...args: string[]) => home.run("provider", "operator", ...args);
  const json = async (...args: string[]) => (await run(...args, "--json")).json;
  const hot = operator.address;

  assert.match((await run("list")).out, /^none$/m);
  const added = await run("add", hot);
  assert.equal(
    added.out,
    `${hot} may settle for ${provider.address}: expires never, unlimited a day\n`,
  );
  assert.equal((await json("add", hot)).isChanged, false);
  const capped = await json("add", hot, "--expires", "90d", "--daily-cap", "0.05");
  assert.deepEqual([capped.isChanged, capped.dailyCap], [true, "50000"]);
  const days = (BigInt(capped.expiry) - (await chain.public.getBlock()).timestamp) / DAY_SECONDS;
  assert.ok(days >= 89n && days <= 90n, `${days} days`);

  await charge(world, clientLane(payer.address), 2, operator);
  const line = /until \d{4}-\d\d-\d\dT.*, 0\.002 of 0\.05 USDC settled today/;
  assert.match((await run("show", hot)).out, line);
  const later = await json("add", hot, "--expires", "2100-01-01");
  assert.deepEqual([later.expiry, later.dailyCap], ["4102444800", "50000"], "the cap stays");
  const free = await json("add", hot, "--daily-cap", "none");
  assert.deepEqual([free.expiry, free.dailyCap], ["4102444800", "0"], "the time stays");

  await json("add", stranger.address, "--expires", "1d");
  await passTime(chain, 2n * DAY_SECONDS);
  const listed = await json("list");
  assert.deepEqual(
    listed.operators.map((each: Record<string, unknown>) => [each.operator, each.approved]),
    [[hot, true], [stranger.address, false]],
  );
  assert.match((await run("list")).out, new RegExp(`^${stranger.address}  expired 20`, "m"));
  assert.equal((await json("remove", hot)).isChanged, true);
  assert.equal((await json("remove", hot)).isChanged, false);
  assert.match((await run("show", hot)).out, /may not settle$/m);
  assert.match((await run("add", hot)).out, /expires never, unlimited a day/);
});

Deno.test("limits that make no sense are named", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { accounts: { provider, operator } } = world;
  const hot = operator.address;
  const cases: [string[], number, RegExp][] = [
    [["add", hot, "--expires", "soon"], 2, /--expires is no time/],
    [["add", hot, "--expires", "0d"], 2, /--expires is no time/],
    [["add", hot, "--expires", "2020-01-01"], 2, /--expires has passed/],
    [["add", hot, "--expires", String(1n << 48n)], 2, /too far away/],
    [["add", hot, "--daily-cap", "0"], 2, /amount is zero/],
    [["add", hot, "--daily-cap", "1e9"], 3, /not an amount/],
    [["add", hot, "--daily-cap", "1000000000000000000000000"], 2, /too much/],
    [["remove", hot, "--daily-cap", "1"], 2, /are for add/],
    [["list", hot], 2, /list takes no address/],
    [["add"], 2, /which ADDRESS/],
    [["add", provider.address], 3, /may always settle for itself/],
  ];
  for (const [args, code, message] of cases) {
    const result = await home.run("provider", "operator", ...args);
    assert.equal(result.code, code, `${args.join(" ")}: ${result.err}`);
    assert.match(result.err, message);
  }
});
