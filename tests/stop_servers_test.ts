/** What an owner's `POST /stop` does to requests that its server is answering. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { signStop } from "../lib/spec/stop.ts";
import type { UnsignedSpec } from "../lib/spec/schema.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };
const LIMITS = { timeoutMs: 10_000, memoryMb: 128, concurrency: 8, ownerCreditsPerMinute: 600 };
/** How long each answer lasts, s: the stop comes while it does. */
const ANSWER_S = 2;
const CALLS = 4;
const LANE: Hex = `0x${"51".repeat(32)}`;

async function deploy(market: Market): Promise<{ spec: UnsignedSpec; cid: string }> {
  const main = await Deno.readTextFile(new URL("../worlds/lasting_server.py", import.meta.url));
  const fields = { interface: "http", limits: LIMITS };
  const spec = await market.spec({ files: { main }, fields });
  return { spec, cid: await market.publishSpec(spec) };
}

/** Requests of which each has been answered by half. */
async function beginCalls(market: Market, cid: string) {
  const headers = await market.pay(market.accounts.payer, { lane: LANE });
  return await Promise.all(Array.from({ length: CALLS }, async () => {
    const response = await market.call(`${cid}?${ANSWER_S}`, { headers });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader.read()).value, "hel");
    return reader;
  }));
}

type Reader = Awaited<ReturnType<typeof beginCalls>>[number];

async function restOf(reader: Reader): Promise<string> {
  let text = "";
  for (let part; !(part = await reader.read()).done;) text += part.value;
  return text;
}

/** All of them are answered in full, and each is paid. */
async function assertAnswered(market: Market, readers: readonly Reader[]) {
  for (const rest of await Promise.all(readers.map(restOf))) assert.equal(rest, "lo\n");
  const kinds = market.entries({ lane: LANE }).map(({ kind }) => kind);
  const count = (kind: string) => kinds.filter((other) => other === kind).length;
  assert.deepEqual([count("charge"), count("release")], [CALLS, 0]);
}

Deno.test("requests at a server whose deployment is stopped are answered and paid for", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { spec, cid } = await deploy(market);
  const readers = await beginCalls(market, cid);
  const signature = await signStop(market.accounts.owner, {
    id: spec.id,
    provider: market.accounts.provider.address,
    chainId: market.chain.chainId,
    escrow: market.escrow,
  });
  const body = JSON.stringify({ cid, signature });
  const stopped = await fetch(`${market.provider.url}/stop`, { method: "POST", body });
  assert.equal(stopped.status, 200, await stopped.text());
  const refused = await market.call(cid, { headers: await market.pay(market.accounts.payer) });
  assert.deepEqual([refused.status, (await refused.json()).error], [410, "stopped"]);
  await assertAnswered(market, readers);
});
