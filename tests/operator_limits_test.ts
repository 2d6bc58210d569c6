/** An operator that its provider bounded, on a real chain: it serves nothing it cannot settle. */
import assert from "node:assert/strict";
import { readConsumed } from "../lib/chain/escrow.ts";
import { NEVER, readOperatorLimits, setOperator } from "../lib/chain/escrow_provider.ts";
import { deploymentLane } from "../lib/permit.ts";
import { passTime } from "../worlds/chain/anvil_calls.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
const DAY_MS = 86_400_000;
/** Nothing settles by itself within a test. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

/** A market at noon: the payers' notice of an hour ends before the day does. */
async function startAtNoon(dailyCap: bigint, settings: Record<string, unknown> = {}) {
  const now = Date.now();
  let aheadMs = DAY_MS - now % DAY_MS + DAY_MS / 2;
  const settlement = { ...BATCH, ...settings };
  const market = await startMarket({ settings: { settlement }, now: () => Date.now() + aheadMs });
  const pass = async (ms: number) => {
    await passTime(market.chain, BigInt(Math.floor(ms / 1000)));
    aheadMs += ms;
  };
  await passTime(market.chain, BigInt(Math.floor(aheadMs / 1000)));
  const { chain, escrow, accounts: { provider, operator } } = market;
  const name = (expiry: bigint, cap: bigint) =>
    setOperator(chain, provider, escrow, operator.address, { expiry, dailyCap: cap });
  await name(NEVER, dailyCap);
  await market.restart();
  return Object.assign(market, { pass, name });
}

async function statusOf(market: Market, cid: string) {
  const response = await market.call(cid);
  return { status: response.status, body: await response.text(), headers: response.headers };
}

Deno.test("calls are served up to what the operator may settle, and again the next day", async () => {
  await using market = await startAtNoon(3n * PRICE);
  const { chain, escrow, accounts: { owner, provider, operator } } = market;
  const spec = await market.spec(HELLO);
  const cid = await market.publishSpec(spec);
  const lane = deploymentLane(spec.id);
  const settled = () => readConsumed(chain, escrow, owner.address, provider.address, lane);
  for (let calls = 0; calls < 3; calls++) assert.equal((await statusOf(market, cid)).status, 200);
  const refused = await statusOf(market, cid);
  assert.equal(refused.status, 503);
  assert.match(refused.body, /operator can settle no more today/);
  const wait = Number(refused.headers.get("retry-after"));
  assert.ok(wait > 0 && wait <= DAY_MS / 1000, `retry after ${wait}`);
  const charges = market.entries().filter(({ kind }) => kind === "charge");
  assert.equal(charges.length, 3, "who was refused was not charged");

  await market.restart();
  assert.equal(await settled(), 3n, "what was served is settled within the cap");
  const { spent } = await readOperatorLimits(chain, escrow, provider.address, operator.address);
  assert.equal(spent, 3n * PRICE);
  assert.equal((await statusOf(market, cid)).status, 503, "also after a restart");

  await market.pass(DAY_MS);
  await market.restart();
  for (let calls = 0; calls < 3; calls++) assert.equal((await statusOf(market, cid)).status, 200);
  assert.equal((await statusOf(market, cid)).status, 503);
  await market.restart();
  assert.equal(await settled(), 6n);
});

Deno.test("an operator whose time is over serves nothing, and a longer one goes on", async () => {
  await using market = await startAtNoon(0n);
  const cid = await market.deploy(HELLO);
  const { timestamp } = await market.chain.public.getBlock();
  await market.name(timestamp + 60n, 0n);
  await market.restart();
  assert.equal((await statusOf(market, cid)).status, 200, "a minute is enough to settle");
  await market.pass(61_000);
  assert.equal((await statusOf(market, cid)).status, 503);
  await market.name(NEVER, 0n);
  await market.restart();
  assert.equal((await statusOf(market, cid)).status, 200);
});

Deno.test("where each call is mined first, a cap that is used up is not the payer's trouble", async () => {
  await using market = await startAtNoon(2n * PRICE, { mode: "each" });
  const cid = await market.deploy(HELLO);
  for (let calls = 0; calls < 2; calls++) assert.equal((await statusOf(market, cid)).status, 200);
  assert.equal((await statusOf(market, cid)).status, 503);
});
