/** Runs that take several credits, one after the other, against the real provider and sandbox. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { readConsumed } from "../lib/chain/escrow.ts";
import { deploymentLane } from "../lib/permit.ts";
import { type Receipt, receiptFromJson, recoverReceiptSigner } from "../lib/receipt.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const TIMEOUT_MS = 800;
/** Says a line every 100 ms, as often as its query says. */
const STREAM = `#!/bin/sh
printf 'HTTP/1.1 200 OK\\r\\ncontent-type: text/plain\\r\\n\\r\\n'
i=0
while [ $i -lt "$QUERY_STRING" ]; do i=$((i+1)); echo $i; sleep 0.1; done
`;
const LIMITS = { timeoutMs: TIMEOUT_MS, memoryMb: 64, concurrency: 8, ownerCreditsPerMinute: 600 };

const lines = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}\n`).join("");

let lanes = 0;
function freshLane(): Hex {
  lanes += 1;
  return `0x${String(10 + lanes).repeat(32)}`;
}

/** All of an answer that may be cut off, and whether it was. */
async function readAll(response: Response): Promise<{ text: string; isCut: boolean }> {
  let text = "";
  try {
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) text += part;
    return { text, isCut: false };
  } catch {
    return { text, isCut: true };
  }
}

async function receiptOf(market: Market, response: Response): Promise<Receipt> {
  const path = response.headers.get("khachapuri-receipt")!;
  const read = await fetch(market.provider.url + path);
  assert.equal(read.status, 200);
  const receipt = receiptFromJson(await read.json());
  assert.equal(await recoverReceiptSigner(receipt), market.accounts.operator.address);
  return receipt;
}

/** Charges and releases of a lane, as the ledger has them. */
function endings(market: Market, lane: Hex) {
  const kinds = market.entries({ lane }).map(({ kind }) => kind);
  const count = (kind: string) => kinds.filter((each) => each === kind).length;
  return { reserved: count("reserve"), charged: count("charge") };
}

Deno.test("runs take the credits that they need, and are charged those whose time began", async (t) => {
  const settlement = { mode: "batch", intervalSeconds: 1, pollMs: 100 };
  await using market = await startMarket({ settings: { settlement } });
  const { payer } = market.accounts;
  const deploy = (credits: number, fields = {}) =>
    market.deploy({
      files: { main: STREAM },
      fields: { limits: { ...LIMITS, credits, ...fields } },
    });
  const cid = await deploy(4);
  await t.step("a stream goes on from credit to credit", async () => {
    const lane = freshLane();
    const headers = await market.pay(payer, { lane, credits: 10n });
    const response = await market.call(`${cid}?18`, { headers });
    assert.equal(response.headers.get("khachapuri-credits"), "1");
    assert.deepEqual(await readAll(response), { text: lines(18), isCut: false });
    const receipt = await receiptOf(market, response);
    assert.equal(receipt.version, 2);
    assert.deepEqual([receipt.outcome, receipt.cumulative], ["answered", 3n]);
    assert.equal("credits" in receipt && receipt.credits, 3);
    assert.equal(endings(market, lane).charged, 3);
  });

  await t.step("a run that ends within its time costs one", async () => {
    const lane = freshLane();
    const headers = await market.pay(payer, { lane, credits: 10n });
    const response = await market.call(`${cid}?1`, { headers });
    assert.equal((await readAll(response)).text, lines(1));
    assert.equal((await receiptOf(market, response)).cumulative, 1n);
    assert.deepEqual(endings(market, lane), { reserved: 1, charged: 1 });
  });

  await t.step("where the permit has no more the run ends with its paid time", async () => {
    const lane = freshLane();
    const headers = await market.pay(payer, { lane, credits: 2n });
    const response = await market.call(`${cid}?30`, { headers });
    const { text, isCut } = await readAll(response);
    assert.ok(isCut);
    assert.ok(text.startsWith(lines(10)) && text.length < lines(18).length, text);
    const receipt = await receiptOf(market, response);
    assert.deepEqual([receipt.outcome, receipt.cumulative], ["timeout", 2n]);
    assert.equal(endings(market, lane).charged, 2);
    // The count is told, so that the next permit goes on from there.
    const refused = await market.call(`${cid}?1`, { headers });
    assert.equal(refused.status, 402);
    assert.equal((await refused.json()).cumulative, "2");
  });

  await t.step("no run takes more than its spec says", async () => {
    const lane = freshLane();
    const headers = await market.pay(payer, { lane, credits: 10n });
    const response = await market.call(`${await deploy(2)}?30`, { headers });
    assert.ok((await readAll(response)).isCut);
    assert.equal((await receiptOf(market, response)).cumulative, 2n);
  });

  await t.step("the owner pays up to its rate", async () => {
    const spec = await market.spec({
      files: { main: STREAM },
      fields: { limits: { ...LIMITS, credits: 10, ownerCreditsPerMinute: 3 } },
    });
    const response = await market.call(`${await market.publishSpec(spec)}?30`);
    assert.equal(response.headers.get("khachapuri-credits"), null);
    assert.ok((await readAll(response)).isCut);
    assert.equal(endings(market, deploymentLane(spec.id)).charged, 3);
  });

  await t.step("a caller that reads nothing of what is ready is paid for no longer", async () => {
    const main = `#!/bin/sh
printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'
while :; do head -c 500000 /dev/zero; sleep 0.05; done
`;
    const fields = { limits: { ...LIMITS, credits: 60 } };
    const spec = await market.spec({ files: { main }, fields });
    const [flood, url] = [await market.publishSpec(spec), new URL(market.provider.url)];
    const ended = market.logged("run ended");
    using caller = await Deno.connect({ hostname: url.hostname, port: Number(url.port) });
    await caller.write(new TextEncoder().encode(`GET /${flood} HTTP/1.1\r\nHost: a\r\n\r\n`));
    assert.match(String((await ended).reason), /the caller took nothing of the answer for \d+ s/);
    // What it does not take stops the run's clock, so that it pays for what came before alone.
    const { charged } = endings(market, deploymentLane(spec.id));
    assert.ok(charged >= 1 && charged < 15, String(charged));
    await assert.rejects(async () => {
      while (await caller.read(new Uint8Array(1 << 20)) !== null);
      throw new Error("half an answer ended as a whole one does");
    }, Deno.errors.ConnectionReset);
  });

  await t.step("a caller that hangs up takes no more", async () => {
    const lane = freshLane();
    const headers = await market.pay(payer, { lane, credits: 10n });
    const caller = new AbortController();
    const response = await market.call(`${cid}?30`, { headers, signal: caller.signal });
    await response.body!.getReader().read();
    caller.abort();
    await market.provider.stop();
    assert.equal(endings(market, lane).charged, 1);
    const { chain, escrow, accounts } = market;
    const taken = await readConsumed(chain, escrow, payer.address, accounts.provider.address, lane);
    assert.equal(taken, 1n);
  });

  await t.step("a provider that shuts down lets a run have the credit that it is in", async () => {
    await market.restart();
    const lane = freshLane();
    const headers = await market.pay(payer, { lane, credits: 10n });
    const response = await market.call(`${cid}?30`, { headers });
    const stopped = market.provider.stop();
    assert.ok((await readAll(response)).isCut);
    await stopped;
    assert.equal(endings(market, lane).charged, 1);
    await market.restart();
    assert.equal((await receiptOf(market, response)).outcome, "timeout");
    const [run] = market.lines.filter((line) => line.includes("the provider is shutting down"));
    assert.match(run!, /no further credit was to be had/);
  });

  await t.step(
    "where each credit is mined before its run, such a spec is refused by name",
    async () => {
      await market.restart({ settlement: { mode: "each" } });
      const headers = await market.pay(payer, { lane: freshLane(), credits: 10n });
      for (const paid of [{ headers }, {}]) {
        const refused = await market.call(`${cid}?1`, paid);
        assert.equal(refused.status, 422);
        const { error, message, hints } = await refused.json();
        assert.equal(error, "invalid_spec");
        assert.match(message, /limits\.credits is 4, and here a run takes one/);
        assert.match(hints.join(), /owner: deploy again without --credits/);
      }
      const plain = await market.deploy({ files: { main: STREAM }, fields: { limits: LIMITS } });
      assert.equal((await readAll(await market.call(`${plain}?1`))).text, lines(1));
    },
  );

  await t.step("CGI programs take further credits too, over their redirects", async () => {
    await market.restart({ settlement });
    const lane = freshLane();
    const main = `#!/bin/sh
sleep 0.5
if [ "$PATH_INFO" = /end ]; then printf 'Content-Type: text/plain\\n\\n'; sleep 0.7; echo end
else printf "Location: $SCRIPT_NAME/end\\n\\n"; fi
`;
    const fields = { interface: "cgi", limits: { ...LIMITS, credits: 6 } };
    const headers = await market.pay(payer, { lane, credits: 10n });
    const response = await market.call(await market.deploy({ files: { main }, fields }), {
      headers,
    });
    assert.equal((await readAll(response)).text, "end\n");
    const { outcome, cumulative } = await receiptOf(market, response);
    assert.equal(outcome, "answered");
    assert.ok(cumulative >= 2n && cumulative <= 4n, String(cumulative));
  });
});
