/** A provider's price and terms change, and what was deployed before goes on as was promised. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readAllowance, readConsumed } from "../lib/chain/escrow.ts";
import { earned } from "../lib/chain/escrow_provider.ts";
import { readDeployments } from "../lib/client/deployments_file.ts";
import { deploymentLane } from "../lib/permit.ts";
import type { Finding } from "../lib/provider/door/findings.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { runIn } from "../worlds/home.ts";
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

const HOUR = 3_600;
const DEARER = { price: String(2n * PRICE), keepPrice: HOUR };

/** What settlement has paid the provider, all that is due included. */
async function paidTo({ chain, escrow, accounts: { provider } }: Market): Promise<bigint> {
  return await earned(chain, escrow, provider.address);
}

Deno.test("a deployment goes on at its price until the end that was promised", async (t) => {
  await using market = await openNamedMarket();
  await announce(market);
  await using owner = await openPersonsHome(market, "owner");
  const cid = await deployHello(owner);
  const [own] = await readDeployments(owner.dir);
  const spec = await market.spec(HELLO);
  const other = await market.publishSpec(spec);
  const row = async () => (await owner.run("deployments", "--json")).json.deployments[0];
  const call = (which = cid) => answerOf(market, which);
  assert.equal(await call(), "hello\n");
  assert.equal(await call(other), "hello\n");

  await t.step("and whoever changes the price hears beforehand whom that concerns", async () => {
    const dearer = ["--price", "0.002"];
    const refusing = await runIn(market.home, ["register", "--print", ...dearer]);
    assert.match(refusing.err, /2 paid for here, 2 refused by price/);
    assert.match(refusing.err, /2 deployments .*--keep-price 90d/);
    const init = await runIn(market.home, ["init", ...dearer, "--keep-price", "1h"]);
    assert.equal(init.code, 0, init.err);
    assert.match(init.err, /at 0\.002 USDC a credit: 2 paid for here, 0 refused/);
    const { json: { findings } } = await runIn(market.home, ["doctor", "--json"]);
    const { hints, detail } = findings.find(({ part }: Finding) => part === "deployments");
    assert.equal(detail, "2 paid for here, 0 refused by price or terms");
    assert.match(hints.join(), /2 deployments .*: served at an earlier price than 0\.002 USDC/);
  });

  await market.restart(DEARER);
  await announce(market, 2n * PRICE);

  await t.step("its owner reads until when", async () => {
    assert.equal(await call(), "hello\n");
    const { state, tariff, priceNow } = await row();
    assert.deepEqual([state, priceNow], ["at an earlier price", String(2n * PRICE)]);
    assert.deepEqual([tariff.price, tariff.next.price], [String(PRICE), String(2n * PRICE)]);
    const { out } = await owner.run("deployments", cid);
    assert.match(out, /running at an earlier price: \d+ credits? spent/);
    assert.match(out, /keeps its price of 0\.001 USDC a credit until .*, then 0\.002; before/);
  });

  await t.step("and nobody else has that price", async () => {
    const fresh = await market.deploy(HELLO);
    assert.match(await call(fresh), /^402\n[^]*one credit costs 0\.002 USDC here since 2/);
    const copy = await market.publishSpec(spec);
    assert.notEqual(copy, other);
    assert.match(await call(copy), /^402\n/, "the same spec under another cid");
    assert.equal(await call(other), "hello\n");
    const bearer = await market.pay(market.accounts.payer);
    const refused = await answerOf(market, cid, bearer);
    assert.match(refused, /^402\nthe permit allows 0\.001 USDC[^]*callers pay what is asked now/);
    assert.equal(await call(), "hello\n");
  });

  await t.step("which is what the escrow pays for it", async () => {
    await market.restart(DEARER);
    await announce(market, 2n * PRICE);
    const { chain, escrow, accounts } = market;
    const [payer, provider] = [accounts.owner.address, accounts.provider.address];
    const taken = await readConsumed(chain, escrow, payer, provider, deploymentLane(own!.id));
    assert.equal(taken, 3n);
    assert.equal(await paidTo(market), 5n * PRICE);
  });

  await t.step("then it is refused, in words that say what to do", async () => {
    await market.pass(BigInt(HOUR));
    const refused = await call();
    assert.match(refused, /^402\nthe owner's credits do not cover this call/);
    assert.match(refused, /costs 0\.002 USDC here; this deployment kept 0\.001 USDC until 2/);
    assert.match(refused, /owner: khachapuri allow NAME --reprice allows it[^]*caller: pay/);
    assert.doesNotMatch(refused, /permit CID/);
    assert.equal((await row()).state, "needs permit");
    assert.match((await owner.run("deployments")).out, /allowance pays 0\.001: .* --reprice/);
  });

  await t.step("and allow --reprice mends it", async () => {
    const { chain, escrow, accounts } = market;
    const { code, err, json } = await owner.run("allow", NAME, "--reprice", "--json");
    assert.equal(code, 0, err);
    assert.match(err, /995 credits at 0\.002 USDC each: 0\.995 USDC more of your free balance/);
    assert.deepEqual([json.renewed.map(({ cid }: { cid: string }) => cid), json.failed], [
      [cid],
      [],
    ]);
    const { pricePerCredit } = await readAllowance(
      chain,
      escrow,
      accounts.owner.address,
      accounts.provider.address,
    );
    assert.equal(pricePerCredit, 2n * PRICE);
    // Who was refused is not read from the chain again at once.
    await market.pass(1n);
    assert.equal(await call(), "hello\n");
    assert.equal((await row()).state, "running");
    const again = await owner.run("allow", NAME, "--reprice", "--json");
    assert.deepEqual([again.json.transaction, again.json.renewed], [null, []]);
    const before = await paidTo(market);
    await market.restart(DEARER);
    assert.equal(await paidTo(market) - before, 2n * PRICE, "at the new price from then on");
  });
});

Deno.test("a permit alone mends no allowance at the old price, which whoever signs it hears", async () => {
  await using market = await openNamedMarket();
  await announce(market);
  await using owner = await openPersonsHome(market, "owner");
  const cid = await deployHello(owner);
  await market.restart({ price: String(2n * PRICE) });
  await announce(market, 2n * PRICE);
  const { code, err } = await owner.run("permit", cid);
  assert.equal(code, 0, err);
  assert.match(
    err,
    /does not suffice: .* asks 0\.002 .* pays 0\.001: khachapuri allow .* --reprice/,
  );
  assert.match(await answerOf(market, cid), /^402\n[^]*allowance is at 0\.001[^]*NAME --reprice/);
  const { json: { deployments: [row] } } = await owner.run("deployments", "--json");
  assert.deepEqual([row.state, row.needsPermit], ["needs allowance", null]);
  const mended = await owner.run("allow", NAME, "--reprice");
  assert.equal(mended.code, 0, mended.err);
  await market.pass(1n);
  assert.equal(await answerOf(market, cid), "hello\n");
});

Deno.test("where each credit is mined first, it is mined at the price that is kept", async () => {
  await using market = await openNamedMarket({ mode: "each" });
  const cid = await market.deploy(HELLO);
  assert.equal(await answerOf(market, cid), "hello\n");
  await market.restart(DEARER);
  assert.equal(await answerOf(market, cid), "hello\n");
  assert.equal(await paidTo(market), 2n * PRICE);
  assert.match(await answerOf(market, await market.deploy(HELLO)), /^402\n/);
  await market.restart({ price: String(PRICE) });
  assert.equal(await answerOf(market, cid), "hello\n");
  await market.restart({ price: String(3n * PRICE), keepPrice: "forever" });
  assert.equal(await answerOf(market, cid), "hello\n");
  assert.equal(await paidTo(market), 4n * PRICE, "up, down and up");
  await market.restart({ price: String(3n * PRICE) });
  assert.match(await answerOf(market, cid), /^402\n/);
});

Deno.test("terms that are listed no more count for who was there, as long as is said", async () => {
  await using market = await openNamedMarket();
  const cid = await market.deploy(HELLO);
  assert.equal(await answerOf(market, cid), "hello\n");
  await Deno.writeTextFile(join(market.home, "newer.txt"), "Be kinder.\n");
  await market.restart({ terms: ["newer.txt"], keepTerms: HOUR });
  assert.equal(await answerOf(market, cid), "hello\n");
  assert.match(
    await answerOf(market, await market.deploy(HELLO)),
    /^4\d\d\nthe owner signed terms/,
  );
  await market.pass(BigInt(HOUR));
  assert.match(await answerOf(market, cid), /^4\d\d\nthe owner signed terms no longer offered/);
  await market.restart({ terms: ["newer.txt", "terms.txt"] });
  assert.equal(await answerOf(market, cid), "hello\n");
});
