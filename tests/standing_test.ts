/** What a payer and a provider are told of their money, and which command helps this very one. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { allow, deposit, revoke } from "../lib/chain/escrow.ts";
import { UINT128_MAX } from "../lib/permit.ts";
import { writeKeyFile } from "../lib/spec/keys.ts";
import { giveEther, mine } from "../worlds/chain/anvil_calls.ts";
import { startForgetfulRpc } from "../worlds/chain/forgetful_rpc.ts";
import { nameProvider, PRICE } from "../worlds/chain/escrow_chain.ts";
import { privateKeyOf } from "../worlds/chain/people.ts";
import { chainConfig, openHome, runIn } from "../worlds/home.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const NAME = "paolo.khachapuri";
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
/** Nothing settles by itself within a test. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };
const SETTINGS = { settlement: BATCH, onboarding: { minimum: "100000", perMinute: 9 } };

async function startNamed(): Promise<Market> {
  const market = await startMarket({ settings: SETTINGS, credits: 100n });
  const { provider: { url: webDomain }, recipient } = market;
  await nameProvider(market, NAME, { webDomain, recipients: [recipient] });
  return market;
}

/** The 402 that a call comes to, once the provider trusts what was done on chain before. */
async function refusedText(market: Market, cid: string, headers: Record<string, string> = {}) {
  for (;;) {
    const response = await market.call(cid, { headers });
    const text = await response.text();
    if (response.status === 402) return text;
    await mine(market.chain, 1);
  }
}

Deno.test("a payer is told what is unsettled, what thaws until when, and what helps", async (t) => {
  await using market = await startNamed();
  const { chain, escrow, usdc, accounts: { payer, owner, provider, stranger } } = market;
  await using home = await openHome(chainConfig(market), {
    "keys.json": privateKeyOf(payer),
    "stranger.json": privateKeyOf(stranger),
  });
  const { run } = home;
  const cid = await market.deploy(HELLO);

  await t.step("what calls took is unsettled, and no more is left than without it", async () => {
    for (const _ of [1, 2, 3]) assert.equal((await run("call", "--pay", `${NAME}/${cid}`)).code, 0);
    const { out } = await run("allowance", NAME);
    assert.match(out, /^credits {3}100 at 0\.001 USDC each$/m);
    assert.match(out, /^of it {5}3 unsettled, 0\.003 USDC at most: used or held by calls$/m);
    assert.doesNotMatch(out, /^next/m, "what is left will do");
    const { json } = await run("allowance", NAME, "--json");
    assert.deepEqual([json.unsettled, json.left], ["3", "97"]);
    const balance = await run("balance", NAME);
    const locked = `locked   0.1 USDC, 100 credits at 0.001 USDC each for ${NAME} (`;
    assert.ok(balance.out.includes(locked), balance.out);
    assert.match(balance.out, /^ {2}of it {2}3 unsettled, 0\.003 USDC/m);
    assert.equal((await run("balance", NAME, "--json")).json.providers[0].unsettled, "3");
    // Where no name is known nobody can be asked.
    assert.equal((await run("balance", "--json")).json.providers[0].unsettled, null);
  });

  await t.step("of another's nothing is told that the chain does not say", async () => {
    const of = ["--of", payer.address, "--keys", join(home.dir, "stranger.json")];
    for (const command of ["balance", "allowance"]) {
      const { out } = await run(command, NAME, ...of);
      assert.match(out, /100 (credits )?at 0\.001 USDC each/);
      assert.doesNotMatch(out, /unsettled|^next/m);
    }
    const silent = (await run("allowance", NAME, "--json", ...of)).json;
    assert.deepEqual([silent.unsettled, silent.left], [null, "100"]);
  });

  await t.step("a 402 says what is unsettled to who proves to be the payer", async () => {
    await market.mint(stranger, 5n * PRICE);
    await deposit(chain, stranger, escrow, usdc, 5n * PRICE);
    const few = { provider: provider.address, pricePerCredit: PRICE, credits: 2n };
    await allow(chain, stranger, escrow, few);
    const headers = await market.pay(stranger);
    const told = JSON.parse(await refusedText(market, cid, headers));
    const who = `${stranger.address} has no credits left with this provider`;
    assert.equal(told.message, `${who}: 2 unsettled`);
    assert.equal(told.unsettled, "2");
    const [first, ...others] = told.hints;
    assert.match(first, / --credits N --price 0\.001, with an N above the 2 credits that stand$/);
    assert.match(others.join("\n"), /in place of both: khachapuri onboard NAME --amount 0\.1,/);
  });

  await t.step("and what thaws until when, and none of it to a guest", async () => {
    for (const account of [payer, owner]) {
      await revoke(chain, account, escrow, provider.address, UINT128_MAX);
    }
    const told = JSON.parse(await refusedText(market, cid, await market.pay(payer)));
    const thaws = /with this provider: (?:\d unsettled, )?\d+ thawing until \d{4}-\S+Z$/;
    assert.match(told.message, thaws);
    for (const headers of [{}, await market.pay(stranger, { payer: payer.address })]) {
      assert.doesNotMatch(await refusedText(market, cid, headers), /unsettled|thaw(?!ingP)/);
    }
  });

  await t.step("and the command line says what helps, which does", async () => {
    const { out } = await run("allowance", NAME);
    assert.match(out, /^of it {5}\d+ thawing until \d{4}-.*; then: khachapuri reclaim paolo/m);
    const [, next = ""] = /^next {6}khachapuri (.*)$/m.exec(out) ?? [];
    assert.match(next, /^allow paolo\.khachapuri --credits 10\d$/);
    assert.match((await run("balance", NAME)).out, /^next {5}khachapuri allow paolo/m);
    assert.equal((await run(...next.split(" "))).code, 0);
    assert.equal((await run("call", "--pay", `${NAME}/${cid}`)).code, 0);
  });

  await t.step("what is settled is unsettled no more", async () => {
    await market.restart();
    const { provider: { url: webDomain }, recipient } = market;
    await nameProvider(market, NAME, { webDomain, recipients: [recipient] });
    const { json } = await run("allowance", NAME, "--json");
    assert.deepEqual([json.unsettled, json.left], ["0", json.credits]);
    await market.provider.stop();
    const silent = await run("allowance", NAME);
    assert.equal(silent.code, 0);
    assert.match(silent.err, /what is unsettled at paolo\.khachapuri is not known: .*not say/);
  });
});

Deno.test("which command helps depends on what one holds, and each that is told works", async () => {
  await using market = await startNamed();
  const { chain, escrow, usdc, accounts } = market;
  const key = generatePrivateKey();
  await using home = await openHome(chainConfig(market), { "keys.json": key });
  const account = privateKeyToAccount(key);
  const { address } = account;
  const next = async (...args: string[]) => {
    const { out, err, code } = await home.run(...args);
    assert.equal(code, 0, err);
    return /^next +(.*(?:\n {8,}.*)*)$/m.exec(out)?.[1]?.split(/\n +/) ?? [];
  };
  const onboard = `khachapuri onboard ${NAME} --amount 0.1`;
  assert.deepEqual(await next("balance", NAME), [
    `send ${address} 0.1 USDC; it needs no ETH`,
    `then: ${onboard}`,
  ]);
  assert.match((await next("balance"))[0]!, new RegExp(`^send ${address} USDC on this chain`));
  await market.mint(account, 1_000_000n);
  for (const command of ["balance", "allowance"]) {
    assert.deepEqual(await next(command, NAME), [`without ETH: ${onboard}`]);
  }
  await giveEther(chain, address);
  assert.deepEqual(await next("balance"), [
    "khachapuri deposit USDC",
    "khachapuri allow NAME --credits N",
  ]);
  const steps = await next("allowance", NAME);
  assert.deepEqual(steps, ["khachapuri deposit 0.1", `khachapuri allow ${NAME} --credits 100`]);
  const [first = "", second = ""] = steps.map((step) => step.replace("khachapuri ", ""));
  assert.equal((await home.run(...first.split(" "))).code, 0);
  assert.deepEqual(await next("balance", NAME), [`khachapuri ${second}`]);
  assert.equal((await home.run(...second.split(" "))).code, 0);
  assert.deepEqual([await next("balance", NAME), await next("balance")], [[], []]);

  // What bounds nothing is no number to read, and stays one for programs.
  await deposit(chain, account, escrow, usdc, PRICE);
  const wide = { provider: accounts.stranger.address, pricePerCredit: 0n, credits: UINT128_MAX };
  await allow(chain, account, escrow, wide);
  const { out } = await home.run("allowance", wide.provider);
  assert.match(out, /^credits {3}unlimited at 0 USDC each$/m);
  const { json } = await home.run("allowance", wide.provider, "--json");
  assert.equal(json.credits, String(UINT128_MAX));
  assert.match((await home.run("balance")).out, /, unlimited credits at 0 USDC each for 0x/);
});

Deno.test("a provider is told what it may collect, and who may settle for it", async (t) => {
  await using market = await startMarket();
  const { home, accounts: { payer, provider, operator, stranger } } = market;
  const cold = join(home, "provider-key.json");
  await writeKeyFile(cold, { version: 1, account: privateKeyOf(provider) });
  const run = (...args: string[]) => runIn(home, args);
  const cid = await market.deploy(HELLO);
  await (await market.call(cid, { headers: await market.pay(payer) })).text();
  await market.provider.stop();

  await t.step("what is earned is told until it is collected", async () => {
    const hot = await run("balance");
    const line = "earned   0.001 USDC, not collected: khachapuri collect";
    assert.ok(hot.out.includes(`${line}, with the key of ${provider.address}\n`), hot.out);
    assert.match((await run("balance", "--keys", cold)).out, new RegExp(`^${line}$`, "m"));
    const earnings = async (...args: string[]) => (await run("balance", "--json", ...args)).json;
    const { address } = provider;
    const told = { provider: address, uncollected: "1000" };
    assert.deepEqual((await earnings("--of", address)).earnings, told);
    const doctor = async () => {
      const { findings } = (await run("doctor", "--json")).json;
      return findings.find(({ part }: { part: string }) => part === "earnings");
    };
    const { state, detail, hints } = await doctor();
    assert.deepEqual([state, detail], ["good", "0.001 USDC are not collected"]);
    assert.deepEqual(hints, ["with the provider key: khachapuri collect"]);
    assert.equal((await run("collect", "--keys", cold)).code, 0);
    assert.equal((await earnings()).earnings.uncollected, "0");
    assert.doesNotMatch((await run("balance")).out, /^earned/m);
    assert.match((await doctor()).detail, /all that is settled is collected/);
  });

  await t.step("operators are listed with their limits, and which is this machine's", async () => {
    const other = ["operator", "add", stranger.address, "--daily-cap", "5", "--keys", cold];
    assert.equal((await run(...other)).code, 0);
    const { out } = await run("operator", "list");
    assert.deepEqual(out.trimEnd().split("\n"), [
      `${operator.address}  expires never, unlimited a day  (the key of this machine)`,
      `${stranger.address}  expires never, 0 of 5 USDC settled today`,
    ]);
    const { json } = await run("operator", "list", "--json");
    assert.equal(json.isComplete, true);
    const facts = json.operators.map((each: Record<string, unknown>) => {
      return [each.isThisMachine, each.expiry, each.dailyCap];
    });
    const never = String((1n << 48n) - 1n);
    assert.deepEqual(facts, [[true, never, "0"], [false, never, "5000000"]]);
  });

  await t.step(
    "where events are not searched, this machine's is told, and that others may be",
    async () => {
      await using rpc = startForgetfulRpc(market.rpc);
      const { code, out, err } = await run("operator", "list", "--rpc", rpc.url);
      assert.equal(code, 0, err);
      assert.match(out, new RegExp(`^${operator.address} .*\\(the key of this machine\\)\\n$`));
      assert.match(err, /does not search events far enough back, so others may be named/);
      const { json } = await run("operator", "list", "--json", "--rpc", rpc.url);
      assert.deepEqual([json.isComplete, json.operators.length], [false, 1]);
    },
  );
});
