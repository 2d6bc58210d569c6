/** A deployment outlives the permit that it was made with: taken back, or too cheap by now. */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { allow, readAllowance, readConsumed } from "../lib/chain/escrow.ts";
import { readDeployments } from "../lib/client/deployments_file.ts";
import { signDeploymentPermit } from "../lib/client/deployment_permit.ts";
import { deploymentLane, type Permit } from "../lib/permit.ts";
import { renewalRequestToJson } from "../lib/spec/renewal.ts";
import type { UnsignedSpec } from "../lib/spec/schema.ts";
import { bumpEpoch, PRICE, THAWING_SECONDS } from "../worlds/chain/escrow_chain.ts";
import { startChildProvider } from "../worlds/child_provider.ts";
import type { Market } from "../worlds/market.ts";
import {
  announce,
  answerOf,
  deployHello,
  HELLO,
  NAME,
  openNamedMarket,
  openPersonsHome,
} from "../worlds/named_market.ts";

const WINDOW_SECONDS = 120n;
/** A run, and the time that the debts at hand take twice over. */
const SLACK_SECONDS = 60n;

/** Credits that the escrow has taken for a deployment. */
async function settledFor(market: Market, id: UnsignedSpec["id"]): Promise<bigint> {
  const { chain, escrow, accounts: { owner, provider } } = market;
  return await readConsumed(chain, escrow, owner.address, provider.address, deploymentLane(id));
}

Deno.test("a deployment goes on at its URL after its owner took the permits back", async () => {
  await using market = await openNamedMarket();
  await announce(market);
  await using owner = await openPersonsHome(market, "owner");
  const cid = await deployHello(owner);
  const needs = async () => {
    const { json, err } = await owner.run("deployments", "--json");
    assert.ok(json.deployments, err);
    return json.deployments[0].needsPermit;
  };
  const call = () => answerOf(market, cid);
  assert.equal(await call(), "hello\n");
  assert.equal(await needs(), null);

  await bumpEpoch(market, market.accounts.owner);
  assert.equal(await needs(), "epoch");
  const listed = await owner.run("deployments");
  assert.match(listed.out, new RegExp(`permits taken back; .*khachapuri permit ${cid}`));
  assert.equal(await call(), "hello\n");
  await market.pass(THAWING_SECONDS - WINDOW_SECONDS - SLACK_SECONDS);
  assert.equal(await call(), "hello\n", "until there is only the time to settle it");
  await market.pass(SLACK_SECONDS);
  const refused = await call();
  assert.match(refused, /^402\n.*owner's credits/);
  assert.match(refused, /taken the permits of this epoch back; sign one of epoch 1/);
  assert.match(refused, /khachapuri permit CID/);

  const renewed = await owner.run("permit", cid, "--json");
  assert.equal(renewed.code, 0, renewed.err);
  assert.deepEqual(renewed.json, {
    cid,
    renewed: [{ cid, provider: NAME, price: String(PRICE), epoch: 1 }],
  });
  assert.equal(await call(), "hello\n");
  assert.equal(await needs(), null);
  await market.pass(WINDOW_SECONDS);
  assert.equal(await call(), "hello\n", "also when the old epoch is over");
  await market.restart();
  assert.equal(await call(), "hello\n");
  await market.restart();
  const [own] = await readDeployments(owner.dir);
  assert.equal(await settledFor(market, own!.id), 6n);
});

Deno.test("what is deployed while a bump is pending is signed for the next epoch", async () => {
  await using market = await openNamedMarket();
  await announce(market);
  await bumpEpoch(market, market.accounts.owner);
  await using owner = await openPersonsHome(market, "owner");
  const samples = new URL("../samples/hello", import.meta.url).pathname;
  const deployed = await owner.run("deploy", samples, "--provider", NAME, "--accept-terms");
  assert.equal(deployed.code, 0, deployed.err);
  const [own] = await readDeployments(owner.dir);
  assert.equal(own!.providers[0]!.epoch, 1);
  assert.match(await answerOf(market, own!.cid), /^gamarjoba/);
  await market.pass(THAWING_SECONDS);
  assert.match(await answerOf(market, own!.cid), /^gamarjoba/);
});

Deno.test("a deployment follows its provider's price", async (t) => {
  await using market = await openNamedMarket();
  await announce(market);
  await using owner = await openPersonsHome(market, "owner");
  const samples = new URL("../samples/hello", import.meta.url).pathname;
  const early = await owner.run("allow", NAME, "--credits", "1000", "--reprice");
  assert.match(early.err, /nothing was deployed from here with paolo/);
  const deployed = await owner.run("deploy", samples, "--provider", NAME, "--accept-terms");
  const cid = deployed.out.split("\n")[0]!;
  const row = async () => (await owner.run("deployments", "--json")).json.deployments[0];
  assert.match(await answerOf(market, cid), /^gamarjoba/);

  await t.step("which rose", async () => {
    await market.restart({ price: String(2n * PRICE) });
    await announce(market, 2n * PRICE);
    const { needsPermit, priceNow, permit } = await row();
    assert.deepEqual([needsPermit, priceNow, permit.price], ["price", "2000", "1000"]);
    assert.match((await owner.run("deployments")).out, /price rose to 0\.002 USDC.* --reprice/);
    assert.match(await answerOf(market, cid), /^402\n[^]*the permit allows 0\.001 USDC a credit/);
    const allowed = await owner.run("allow", NAME, "--credits", "1000");
    assert.match(allowed.err, new RegExp(`1 deployment with ${NAME} \\(${cid}\\) need.*--reprice`));
    assert.match((await owner.run("deployments")).out, /price rose to 0\.002 USDC.*permit bafk/);
    // Who was refused is not read from the chain again at once.
    await market.pass(1n);
    const deadline = performance.now() + 30_000;
    let answer = await answerOf(market, cid);
    while (/allowance is at/.test(answer) && performance.now() < deadline) {
      answer = await answerOf(market, cid);
    }
    assert.match(answer, /^402\n[^]*renews it, .*; allow alone does not/);
    const capped = await owner.run("permit", cid, "--max-price", "0.0015");
    assert.equal(capped.code, 5);
    assert.match(capped.err, /charges 0\.002 USDC a credit, your cap is 0\.0015/);
  });

  await t.step("and may be served at what they signed until a time", async () => {
    const until = "2100-01-01T00:00:00Z";
    await market.restart({ price: String(2n * PRICE), keepPrice: until });
    const told = market.lines.filter((line) => line.includes("served at an earlier price"));
    assert.match(told.at(-1)!, new RegExp(`${cid}.*"firstUntil":"${until}"`));
    assert.match(await answerOf(market, cid), /^gamarjoba/);
    const page = await (await fetch(market.provider.url)).json();
    assert.deepEqual(page.keep, { price: until, terms: 0 });
    await market.restart({ price: String(2n * PRICE), keepPrice: "2020-01-01T00:00:00Z" });
    const prices = market.entries().flatMap((entry) => entry.kind === "reserve" ? entry.price : []);
    assert.equal(prices.at(-1), PRICE, "that is what it was charged");
    const refused = await answerOf(market, cid);
    assert.match(
      refused,
      /^402\n[^]*costs 0\.002 USDC here; this deployment kept 0\.001 USDC until/,
    );
    assert.ok(market.lines.some((line) => line.includes("refused until their owners sign")));
    await announce(market, 2n * PRICE);
  });

  await t.step("by one command", async () => {
    const { code, out, err } = await owner.run("allow", NAME, "--credits", "1000", "--reprice");
    assert.equal(code, 0, err);
    // Who was refused is not read from the chain again at once.
    await market.pass(1n);
    assert.match(out, new RegExp(`${cid} pays ${NAME} up to 0.002 USDC a credit, epoch 0`));
    assert.match(await answerOf(market, cid), /^gamarjoba/);
    assert.equal((await row()).needsPermit, null);
    const again = await owner.run("allow", NAME, "--credits", "1000", "--reprice", "--json");
    assert.deepEqual(again.json.renewed, []);
    assert.match(again.err, /no deployment with paolo\S+ needs a new permit/);
  });

  await t.step("or says that it cannot know it", async () => {
    const nowhere = ["--registry", market.escrow];
    const { code, out } = await owner.run("deployments", ...nowhere);
    assert.equal(code, 0);
    assert.match(out, /the price of paolo\.khachapuri is unknown/);
  });

  await t.step("until it is stopped", async () => {
    assert.equal((await owner.run("stop", cid)).code, 0);
    assert.equal((await owner.run("permit", cid)).code, 4);
    const again = await owner.run("allow", NAME, "--credits", "1000", "--reprice");
    assert.match(again.err, /no deployment with/);
  });
});

/** A deployment that costs twice what its permit pays by now, though the owner allows as much. */
async function openTooCheap(market: Market) {
  const { chain, escrow, accounts: { owner, provider } } = market;
  const spec = await market.spec(HELLO);
  const cid = await market.publishSpec(spec);
  assert.equal(await answerOf(market, cid), "hello\n");
  await market.restart({ price: String(2n * PRICE) });
  const wanted = { provider: provider.address, pricePerCredit: 2n * PRICE, credits: 1_000n };
  await allow(chain, owner, escrow, wanted);
  const sign = (price: bigint, account: LocalAccount = owner, epoch = 0) => {
    const about = { payer: owner.address, provider: provider.address, id: spec.id, price, epoch };
    return signDeploymentPermit(account, { chainId: chain.chainId, escrow }, about);
  };
  const post = async (permit: Permit, url = market.provider.url) => {
    const body = JSON.stringify(renewalRequestToJson(cid, permit));
    const response = await fetch(`${url}/permit`, { method: "POST", body });
    return { status: response.status, text: await response.text() };
  };
  return { cid, spec, sign, post };
}

Deno.test("nobody but the owner renews a permit, and nobody undoes it", async () => {
  await using market = await openNamedMarket();
  const { cid, spec, sign, post } = await openTooCheap(market);
  const old = spec.providers[0]!.permit;
  assert.match(await answerOf(market, cid), /^402/);
  const forged = await post(await sign(2n * PRICE, market.accounts.stranger));
  assert.equal(forged.status, 402);
  assert.match(forged.text, /the permit's signature is not the payer's/);
  assert.equal((await post(await sign(2n * PRICE - 1n))).status, 402);
  const ahead = await post(await sign(2n * PRICE, market.accounts.owner, 1));
  assert.match(ahead.text, /has not begun this permit's epoch/);
  const elsewhere = { ...await sign(2n * PRICE), provider: market.accounts.stranger.address };
  assert.equal((await post(elsewhere)).status, 400);
  assert.match(await answerOf(market, cid), /^402/, "nothing of that counts");

  const good = await sign(2n * PRICE);
  assert.equal((await post(good)).status, 200);
  assert.equal(await answerOf(market, cid), "hello\n");
  const again = await post(good);
  assert.deepEqual([again.status, JSON.parse(again.text).renewed], [200, false]);
  assert.equal((await post(old)).status, 402, "the old one does not even pay");
  assert.equal(await answerOf(market, cid), "hello\n");

  // Its price is good again, and its epoch too: it pays, and is still less than what is there.
  await market.restart({ price: String(PRICE) });
  assert.deepEqual((await post(old)).status, 200);
  await market.restart({ price: String(2n * PRICE) });
  assert.equal(await answerOf(market, cid), "hello\n");
  for (const line of market.lines) assert.ok(!line.includes(good.signature.slice(2)));
  await market.restart();
  assert.equal(await settledFor(market, spec.id), 4n);
});

Deno.test("kill -9 after the answer does not lose a renewed permit", async () => {
  await using market = await openNamedMarket();
  const { cid, sign, post } = await openTooCheap(market);
  await market.provider.stop();
  const first = await startChildProvider(market.home);
  const posted = await post(await sign(2n * PRICE), (await first.url)!);
  await first.kill();
  assert.equal(posted.status, 200, posted.text);
  const second = await startChildProvider(market.home);
  const response = await fetch(`${await second.url}/${cid}`);
  assert.deepEqual([response.status, await response.text()], [200, "hello\n"]);
  assert.equal(await second.stop(), 0);
});

Deno.test("a caller's payments go on by themselves when it takes its permits back", async () => {
  await using market = await openNamedMarket();
  await announce(market);
  await using payer = await openPersonsHome(market, "payer");
  const cid = await market.deploy({ ...HELLO, fields: { access: "payer" } });
  const call = async () => {
    const { code, out, err } = await payer.run("call", "--pay", `${NAME}/${cid}`);
    assert.deepEqual([code, out], [0, "hello\n"], err);
  };
  const { chain, escrow, accounts } = market;
  const header = await market.pay(accounts.payer);
  await call();
  await bumpEpoch(market, accounts.payer);
  await call();
  await market.pass(THAWING_SECONDS);
  await call();
  const leaked = await market.call(cid, { headers: header });
  assert.equal(leaked.status, 402);
  assert.match(await leaked.text(), /taken the permits of this epoch back/);
  await market.restart();
  const left = await readAllowance(
    chain,
    escrow,
    accounts.payer.address,
    accounts.provider.address,
  );
  assert.deepEqual([left.credits, left.epoch], [997n, 1]);
});
