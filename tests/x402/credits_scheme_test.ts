/** Our package in the stock client, in plain Node, against a real provider on a real chain. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readAllowance } from "../../lib/chain/escrow.ts";
import { PRICE } from "../../worlds/chain/escrow_chain.ts";
import { makeFolder } from "../../worlds/home.ts";
import { type Market, startMarket } from "../../worlds/market.ts";
import { escrowsOf, openAgency } from "./agent.ts";
import { areStockClientsThere } from "./stock.ts";

const ignore = !await areStockClientsThere();

const ECHO = {
  files: { main: "#!/bin/sh\nprintf 'ran '; cat\n" },
  fields: {
    access: "payer",
    limits: { timeoutMs: 5_000, memoryMb: 64, concurrency: 32, ownerCreditsPerMinute: 600 },
  },
};
/** Nothing settles by itself within a test. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

function charges(market: Market, payer: keyof Market["accounts"] = "payer"): number {
  const { address } = market.accounts[payer];
  return market.entries({ payer: address }).filter(({ kind }) => kind === "charge").length;
}

Deno.test(
  { name: "an agent pays by permits through @x402/fetch", ignore },
  async (t) => {
    await using market = await startMarket({ settings: { settlement: BATCH } });
    await using home = await makeFolder();
    await using agency = await openAgency();
    const { payer, stranger } = market.accounts;
    const url = `${market.provider.url}/${await market.deploy(ECHO)}`;
    const escrows = escrowsOf(market)!;
    const store = join(home.dir, "credits.json");
    let due = 0;

    await t.step("one call after the other", async () => {
      const { answers, lanes, statuses } = await agency.send(payer, {
        url,
        calls: 3,
        options: { escrows },
        store,
      });
      for (const answer of answers) {
        assert.equal(answer.body, "ran data", JSON.stringify(answer));
        assert.equal(answer.scheme, "credits");
      }
      assert.deepEqual(answers.map(({ paid }) => paid?.extra?.cumulativeCredits), ["1", "2", "3"]);
      assert.deepEqual(lanes.map(({ signed, charged }) => [signed, charged]), [["3", "3"]]);
      assert.deepEqual(statuses, { 200: 3, 402: 3 });
      assert.equal(charges(market), due += 3);
    });

    await t.step("an agent that starts again goes on on its lane", async () => {
      const { answers, lanes } = await agency.send(payer, {
        url,
        calls: 2,
        options: { escrows },
        store,
      });
      assert.deepEqual(answers.map(({ paid }) => paid?.extra?.cumulativeCredits), ["4", "5"]);
      assert.equal(lanes.length, 1);
      assert.equal(charges(market), due += 2);
    });

    await t.step("sixteen at a time on one lane", async () => {
      const calls = 96;
      const { answers, lanes } = await agency.send(payer, {
        url,
        calls,
        atOnce: 16,
        options: { escrows },
        store,
      });
      assert.deepEqual(answers.filter(({ body }) => body !== "ran data"), []);
      assert.equal(charges(market), due += calls);
      const [lane] = lanes;
      assert.equal(lanes.length, 1);
      assert.ok(Number(lane!.signed) <= due + 32, `${lane!.signed} signed for ${due}`);
    });

    await t.step("not one credit beyond a cap", async () => {
      const caps = { perProvider: "0.004" };
      const { answers } = await agency.send(payer, {
        url,
        calls: 6,
        options: { escrows, caps },
      });
      const failed = answers.filter(({ failed }) => failed !== null);
      assert.equal(answers.length - failed.length, 4);
      for (const answer of failed) {
        assert.match(answer.failed!, /caps\.perProvider \(0\.004 USDC\)/);
      }
      assert.equal(charges(market), due += 4);
      const dear = await agency.send(payer, {
        url,
        calls: 1,
        options: { escrows, caps: { perCall: "0.0009" } },
      });
      assert.match(dear.answers[0]!.failed!, /a call costs 0\.001 USDC.* caps\.perCall/);
      const low = await agency.send(payer, {
        url,
        calls: 1,
        options: { escrows },
        spendControls: { maxAmountPerPayment: "$0.0005" },
      });
      assert.match(low.answers[0]!.failed!, /rejected by spendControls\.maxAmountPerPayment/);
      assert.equal(charges(market), due);
    });

    await t.step("no escrow that it does not know, no provider that it does not mean", async () => {
      const unknown = await agency.send(payer, { url, calls: 1 });
      assert.match(unknown.answers[0]!.failed!, /only default assets/);
      const spendControls = { allowedAssets: true };
      const untrusted = await agency.send(payer, { url, calls: 1, spendControls });
      assert.match(untrusted.answers[0]!.failed!, /is none that you trust/);
      const providers = [stranger.address];
      const other = await agency.send(payer, { url, calls: 1, options: { escrows, providers } });
      assert.match(other.answers[0]!.failed!, /none of those to be paid/);
      assert.equal(charges(market), due);
    });
  },
);

Deno.test(
  { name: "an agent without ETH deposits with its first call", ignore },
  async () => {
    await using market = await startMarket({
      settings: { settlement: BATCH, onboarding: { minimum: "100000", perMinute: 3 } },
    });
    await using agency = await openAgency();
    const { stranger } = market.accounts;
    await market.mint(stranger, 10_000_000n);
    const url = `${market.provider.url}/${await market.deploy(ECHO)}`;
    const options = { escrows: escrowsOf(market)!, deposit: { amount: "2" } };
    const { answers } = await agency.send(stranger, { url, calls: 2, options });
    assert.deepEqual(answers.map(({ body }) => body), ["ran data", "ran data"]);
    assert.match(answers[0]!.paid!.transaction, /^0x[0-9a-f]{64}$/);
    assert.equal(charges(market, "stranger"), 2);
    const { address } = market.accounts.provider;
    const allowed = await readAllowance(market.chain, market.escrow, stranger.address, address);
    assert.deepEqual([allowed.credits, allowed.pricePerCredit], [2_000_000n / PRICE, PRICE]);
  },
);
