/** What runs in a process whose place another has taken: paid by `exact`, stopped, left alone. */
import assert from "node:assert/strict";
import { pause } from "../lib/pause.ts";
import { deploymentLane } from "../lib/permit.ts";
import { signStop } from "../lib/spec/stop.ts";
import { type ChildProvider, startChildProvider } from "../worlds/child_provider.ts";
import { balanceOf, exactHeader, exactIn, settlementIn, signExact } from "../worlds/exact_payer.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { migrateQueues } from "../worlds/migrating_queues.ts";

await migrateQueues();

const SETTLEMENT = { mode: "batch", intervalSeconds: 360, pollMs: 100 };
/** Longer than a successor takes on any machine. */
const TIMEOUT_MS = 300_000;
/** Ends when its body does. */
const WAITING = "#!/bin/sh\necho begun\ncat >/dev/null\necho done\n";
const LIMITS = {
  timeoutMs: TIMEOUT_MS,
  memoryMb: 64,
  concurrency: 32,
  ownerCreditsPerMinute: 60_000,
};

async function openMarket(): Promise<Market> {
  const sandbox = { timeoutMs: TIMEOUT_MS };
  const settings = { settlement: SETTLEMENT, listen: "127.0.0.1:0", sandbox };
  const market = await startMarket({ settings });
  await market.provider.stop();
  return market;
}

async function serve(market: Market, isSuccessor = false): Promise<[ChildProvider, string]> {
  const child = await startChildProvider(market.home, { logLevel: "info", isSuccessor });
  const url = await child.url;
  assert(url, "it serves");
  return [child, url];
}

/** A call whose program waits for the end of its body. */
async function begin(url: string) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const answer = fetch(url, { method: "POST", body: readable });
  await writer.write(new TextEncoder().encode("go "));
  answer.catch(() => {});
  return { answer, end: () => writer.close().catch(() => {}) };
}

function countIn(market: Market, lane: ReturnType<typeof deploymentLane>) {
  const kinds = market.entries({ lane }).map(({ kind }) => kind);
  const count = (wanted: string) => kinds.filter((kind) => kind === wanted).length;
  return { charge: count("charge"), held: count("reserve") - count("charge") - count("release") };
}

Deno.test("a payment by exact whose run began before the change is paid and answered once", async () => {
  await using market = await openMarket();
  // A payment is for a whole request, so its body cannot be waited for.
  const files = { main: "#!/bin/sh\necho begun\nsleep 20\necho done\n" };
  const program = { files, fields: { access: "payer", limits: LIMITS } };
  const cid = await market.deploy(program);
  const [former, url] = await serve(market);
  const { payer, provider } = market.accounts;
  const asked = await fetch(`${url}/${cid}`);
  await asked.body?.cancel();
  const headers = exactHeader(await signExact(payer, exactIn(asked)));
  const before = await balanceOf(market, provider.address);
  const answer = fetch(`${url}/${cid}`, { headers });
  // It is paid from its start on.
  while (await balanceOf(market, provider.address) === before) await pause(50);
  const [heir] = await serve(market, true);
  const response = await answer;
  assert.deepEqual([response.status, await response.text()], [200, "begun\ndone\n"]);
  assert.equal(settlementIn(response)?.success, true);
  assert.equal(await balanceOf(market, provider.address) - before, 10_000n);
  assert.equal(await former.ended, 0);
  assert.equal(await heir.stop(), 0);
});

Deno.test("an owner's stop reaches a run in the process before", async () => {
  await using market = await openMarket();
  const { owner, provider } = market.accounts;
  const spec = await market.spec({ files: { main: WAITING }, fields: { limits: LIMITS } });
  const cid = await market.publishSpec(spec);
  const [former, url] = await serve(market);
  const call = await begin(`${url}/${cid}`);
  assert.equal((await call.answer).status, 200);
  const [heir] = await serve(market, true);
  const { chain: { chainId }, escrow } = market;
  const signed = { id: spec.id, provider: provider.address, chainId, escrow };
  const signature = await signStop(owner, signed);
  const body = JSON.stringify({ cid, signature });
  const stopped = await fetch(`${url}/stop`, { method: "POST", body });
  assert.equal(stopped.status, 200, await stopped.text());
  const refused = await fetch(`${url}/${cid}`);
  assert.deepEqual([refused.status, (await refused.json()).error], [410, "stopped"]);
  await call.end();
  // What runs when its owner stops it ends by itself, and is paid for.
  assert.equal(await (await call.answer).text(), "begun\ndone\n");
  assert.equal(await former.ended, 0);
  assert.equal(await heir.stop(), 0);
  assert.deepEqual(countIn(market, deploymentLane(spec.id)), { charge: 1, held: 0 });
});

Deno.test("where the successor is killed, what still runs before it is charged to nobody", async () => {
  await using market = await openMarket();
  const spec = await market.spec({ files: { main: WAITING }, fields: { limits: LIMITS } });
  const cid = await market.publishSpec(spec);
  const [former, url] = await serve(market);
  const call = await begin(`${url}/${cid}`);
  assert.equal((await call.answer).status, 200);
  const [heir] = await serve(market, true);
  await heir.kill();
  await call.end();
  const whole = await call.answer.then((response) => response.text()).catch(() => null);
  assert.notEqual(whole, "begun\ndone\n", "nothing is answered that nobody can charge");
  await former.ended;
  const [third, again] = await serve(market);
  assert.equal(await (await fetch(`${again}/${cid}`)).text(), "begun\ndone\n");
  assert.equal(await third.stop(), 0);
  assert.deepEqual(countIn(market, deploymentLane(spec.id)), { charge: 1, held: 0 });
});
