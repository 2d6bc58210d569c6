/**
 * Two processes of one provider: the second takes the first one's place under load, and nobody who
 * calls notices. The chain is a real one, and the money is looked at in the end.
 */
import assert from "node:assert/strict";
import { type ChildProvider, startChildProvider } from "../worlds/child_provider.ts";
import { startLoad } from "../worlds/load.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { migrateQueues } from "../worlds/migrating_queues.ts";
import { pause } from "../lib/pause.ts";
import { deploymentLane } from "../lib/permit.ts";

await migrateQueues();

const SETTLEMENT = { mode: "batch", intervalSeconds: 2, pollMs: 100, amount: "400000" };
const LIMITS = { timeoutMs: 5_000, memoryMb: 64, concurrency: 32, ownerCreditsPerMinute: 60_000 };

/** A market whose provider is a process of its own. */
async function openMarket(settings: Record<string, unknown> = {}): Promise<Market> {
  const market = await startMarket({
    credits: 20_000n,
    settings: { settlement: SETTLEMENT, listen: "127.0.0.1:0", ...settings },
  });
  await market.provider.stop();
  return market;
}

async function first(market: Market): Promise<{ child: ChildProvider; url: string }> {
  const child = await startChildProvider(market.home, { logLevel: "info" });
  const url = await child.url;
  assert(url, "the first serves");
  return { child, url };
}

async function successor(market: Market): Promise<ChildProvider> {
  const child = await startChildProvider(market.home, { logLevel: "info", isSuccessor: true });
  assert(await child.url, "the successor serves");
  return child;
}

Deno.test("several successors in a row lose no call and charge each answer once", async () => {
  await using market = await openMarket();
  const spec = await market.spec({
    files: { main: "#!/bin/sh\necho hello\n" },
    fields: { limits: LIMITS },
  });
  const cid = await market.publishSpec(spec);
  let { child, url } = await first(market);
  await (await fetch(`${url}/${cid}`)).text();
  const port = Number(new URL(url).port);
  const connect = () => Deno.connect({ port });
  const load = startLoad({ connect, path: `/${cid}`, answer: "hello\n", kept: 8, fresh: 8 });
  const former: ChildProvider[] = [];
  for (let count = 0; count < 3; count++) {
    const before = load.answered();
    while (load.answered() < before + 50) await pause(20);
    load.times();
    former.push(child);
    child = await successor(market);
  }
  const after = load.answered();
  while (load.answered() < after + 100) await pause(20);
  await load.stop();
  const slowest = load.times().at(-1)!;
  // deno-lint-ignore no-console -- the figure
  console.log(
    `      ${load.answered()} answers, the slowest after the last change ${slowest | 0} ms`,
  );
  assert.deepEqual(load.errors, []);
  assert.deepEqual(await Promise.all(former.map(({ ended }) => ended)), [0, 0, 0]);
  assert.equal(await child.stop(), 0);
  const lane = deploymentLane(spec.id);
  const charged = market.entries({ lane }).filter(({ kind }) => kind === "charge").length;
  assert.equal(charged, load.answered() + 1);
  const { owner, provider } = market.accounts;
  const consumed = await market.chain.public.readContract({
    address: market.escrow,
    abi: (await import("../lib/chain/abi.ts")).escrowAbi,
    functionName: "consumed",
    args: [owner.address, provider.address, lane],
  });
  assert.equal(consumed, BigInt(charged), "the chain agrees with the books");
});

Deno.test("what was begun before a change ends as it would have: long, keyed, killed", async () => {
  await using market = await openMarket({ sandbox: { credits: 10 } });
  const { payer } = market.accounts;
  const spec = await market.spec({
    files: { main: "#!/bin/sh\necho begun\nsleep $QUERY_STRING\necho done\n" },
    fields: { limits: { ...LIMITS, timeoutMs: 1_000, credits: 10 } },
  });
  const cid = await market.publishSpec(spec);
  const keyedCid = await market.deploy({
    files: { main: "#!/bin/sh\necho begun\nsleep 5\necho done\n" },
    fields: { limits: { ...LIMITS, timeoutMs: 9_000 } },
  });
  const { child, url } = await first(market);
  const headers = { ...await market.pay(payer, { credits: 1_000n }), "idempotency-key": "one" };
  const long = fetch(`${url}/${cid}?6`).then((response) => response.text());
  const keyed = fetch(`${url}/${keyedCid}`, { headers });
  const second = await successor(market);
  const conflict = await fetch(`${url}/${keyedCid}`, { headers });
  await conflict.body?.cancel();
  const answer = await keyed;
  assert.equal(await answer.text(), "begun\ndone\n");
  const again = await fetch(`${url}/${keyedCid}`, { headers });
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assert.equal(await again.text(), "begun\ndone\n");
  assert.equal(conflict.status, 409, "the successor knows that it runs");
  assert.equal(await long, "begun\ndone\n");
  assert.equal(await child.ended, 0);
  assert.equal(await second.stop(), 0);
  const charges = (lane: `0x${string}`) =>
    market.entries({ lane }).filter(({ kind }) => kind === "charge").length;
  const credits = charges(deploymentLane(spec.id));
  assert([6, 7].includes(credits), `${credits} credits for 6 s`);
  const keyedCharges = market.entries({ payer: payer.address }).filter(({ kind }) =>
    kind === "charge"
  );
  assert.equal(keyedCharges.length, 1, "once, under its key");
});

Deno.test("whichever of the two is killed, the other goes on and nobody pays twice", async () => {
  // Longer than a successor takes on any machine: the run has to be under way when it is killed.
  const timeoutMs = 300_000;
  await using market = await openMarket({ sandbox: { timeoutMs } });
  const spec = await market.spec({
    files: { main: "#!/bin/sh\necho begun\nsleep $QUERY_STRING\necho done\n" },
    fields: { limits: { ...LIMITS, timeoutMs } },
  });
  const cid = await market.publishSpec(spec);
  const { child, url } = await first(market);
  const lost = fetch(`${url}/${cid}?300`).then((response) => response.text());
  lost.catch(() => {});
  const second = await successor(market);
  await child.kill();
  await lost.catch(() => {});
  assert.equal(await (await fetch(`${url}/${cid}?0`)).text(), "begun\ndone\n");
  const third = await startChildProvider(market.home, { logLevel: "info", isSuccessor: true });
  await third.kill();
  assert.equal(await (await fetch(`${url}/${cid}?0`)).text(), "begun\ndone\n");
  assert.equal(await second.stop(), 0);
  const entries = market.entries({ lane: deploymentLane(spec.id) });
  const count = (wanted: string) => entries.filter(({ kind }) => kind === wanted).length;
  assert.equal(count("charge"), 2, "the run that was killed cost nothing");
  assert.equal(count("charge") + count("release"), count("reserve"), "nothing is held for ever");
});
