/**
 * The short form of `deno task bench growth`: counts in place of times, which no noise disturbs.
 * Of each thing that is counted the test says by which power of n it may grow.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { exponent, type Point } from "../bench/exponent.ts";
import { firstCalls, minutesOfPayers } from "../bench/growth_money_counts.ts";
import { markIn } from "../lib/provider/ledger/lane_table.ts";
import { bordersOf } from "../lib/provider/ledger/archive/schema.ts";
import { startChildProvider } from "../worlds/child_provider.ts";
import { ask } from "../worlds/chain/anvil_calls.ts";
import { buildProgram, deployMany } from "../worlds/crowd_programs.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { commandFromSource } from "../worlds/command_line.ts";
import { bytesRead, bytesReadBy } from "../worlds/processes.ts";
import { removeLedger } from "../bench/checkout.ts";
import { type LongJournal, writeJournal } from "../bench/long_journal.ts";

const SETTINGS = { settlement: { mode: "batch", intervalSeconds: 360, amount: "1000000000000" } };

/** Calls of which the first ones open what the others find open. */
const [WARM_CALLS, COUNTED_CALLS] = [3, 20];

/** A market, whose own provider has stopped, with some deployments of its owner. */
async function openShop(count: number) {
  const market = await startMarket({ settings: SETTINGS });
  const { accounts: { owner }, gateway, home } = market;
  const program = await buildProgram(home);
  const deployed = await deployMany(market, program, { count, owners: [owner], tag: "counts" });
  // What was settled in the last 256 blocks is read again at a start; other journals are older.
  await ask(market.chain, "anvil_mine", "0x200", "0x0");
  await market.provider.stop();
  return { market, gateway, deployed };
}

async function hello(url: string): Promise<void> {
  const response = await fetch(url);
  assert.equal(await response.text(), "hello\n");
}

/** A provider at the market's home, with a journal of this length. */
async function withJournal<T>(
  { home }: Market,
  entries: number,
  work: (url: string, pid: number, journal: LongJournal) => Promise<T>,
): Promise<T> {
  const book = join(home, "state", "book");
  await removeLedger(book);
  const journal = writeJournal(join(book, "ledger.db"), entries, Date.now());
  const provider = await startChildProvider(home, { logLevel: "info" });
  try {
    return await work((await provider.url)!, provider.pid, journal);
  } finally {
    await provider.stop();
  }
}

/** What an earlier release wrote is taken on once, while calls are served: until that is done. */
async function untilTakenOn({ home }: Market, entries: number, call: () => Promise<void>) {
  using database = new DatabaseSync(join(home, "state", "book", "ledger.db"), { readOnly: true });
  const receipts = database.prepare("SELECT seq FROM receipted_up_to");
  for (;;) {
    const [borders, { low }] = [bordersOf(database), markIn(database)];
    const looked = receipts.get()?.seq as number | undefined ?? 0;
    const isIndexed = borders !== null && borders.indexed + borders.layout.spanRows > entries;
    if (isIndexed && low >= entries && looked >= entries) return;
    await call();
  }
}

async function curve(sizes: readonly number[], count: (n: number) => Promise<number>) {
  const points: Point[] = [];
  for (const n of sizes) points.push([n, await count(n)]);
  return points;
}

function assertGrowsBy(what: string, points: readonly Point[], most: number): void {
  const power = exponent(points);
  const told = points.map(([n, value]) => `${n}: ${value}`).join(", ");
  assert.ok(power <= most, `${what} grows by n to the ${power.toFixed(2)}: ${told}`);
}

Deno.test("requests to the chain a minute hardly grow with the payers", async () => {
  const points = await curve([10, 100, 300], async (n) => Math.max(...await minutesOfPayers(n)));
  assertGrowsBy("requests a minute", points, 0.25);
});

Deno.test("first calls of an owner's lanes cost the chain so many requests each, not all again", async () => {
  assertGrowsBy("requests", await curve([10, 50, 250], firstCalls), 1.1);
});

Deno.test("a call reads as much of the disk with a long journal as with a short one", async () => {
  const { market, deployed } = await openShop(1);
  await using _ = market;
  const read = (entries: number) =>
    withJournal(market, entries, async (url, pid) => {
      await untilTakenOn(market, entries, () => hello(`${url}/${deployed[0]!.cid}`));
      for (let n = 0; n < WARM_CALLS; n++) await hello(`${url}/${deployed[0]!.cid}`);
      const before = await bytesRead(pid);
      for (let n = 0; n < COUNTED_CALLS; n++) await hello(`${url}/${deployed[0]!.cid}`);
      return await bytesRead(pid) - before;
    });
  // Two pages a call: those that were read while the journal was taken on had others go.
  const most = 2 * 4_096 * COUNTED_CALLS;
  assertReadsNoMore("calls", await read(1_000), await read(100_000), most);
});

Deno.test("each deployment is fetched and its sandbox started once, however many take turns", async () => {
  const { market, gateway, deployed } = await openShop(64);
  await using _ = market;
  const provider = await startChildProvider(market.home, { logLevel: "info" });
  const url = await provider.url;
  const starts = async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(
      /^khachapuri_sandbox_starts_total{outcome="[a-z]+"} (\d+)$/m.exec(text)?.[1] ?? 0,
    );
  };
  const count = async () => ({ fetched: gateway.requests.length, started: await starts() });
  const points: { fetched: Point[]; started: Point[] } = { fetched: [], started: [] };
  try {
    for (let to = 4, from = 0; to <= deployed.length; from = to, to *= 4) {
      const before = await count();
      for (const { cid } of deployed.slice(from, to)) await hello(`${url}/${cid}`);
      const first = await count();
      for (const { cid } of deployed.slice(0, to)) await hello(`${url}/${cid}`);
      assert.deepEqual(await count(), first, "the second time all is here");
      points.fetched.push([to - from, first.fetched - before.fetched]);
      points.started.push([to - from, first.started - before.started]);
    }
  } finally {
    await provider.kill();
  }
  assertGrowsBy("requests to gateways", points.fetched, 1.05);
  assertGrowsBy("sandboxes started", points.started, 1.05);
  assert.deepEqual(points.started.map(([n, started]) => started / n), [1, 1, 1]);
});

/** How much more may be read with a long journal or many answers than with few, bytes. */
const MORE_BYTES_MOST = 4_000_000;

function assertReadsNoMore(what: string, few: number, many: number, most = MORE_BYTES_MOST) {
  assert.ok(many - few <= most, `${what}: ${few} bytes read, and ${many} with many`);
}

Deno.test("a start reads no more of a long journal than of a short one, once it is converted", async () => {
  const { market, deployed } = await openShop(1);
  await using _ = market;
  const read = (entries: number) =>
    withJournal(
      market,
      entries,
      (url) => untilTakenOn(market, entries, () => hello(`${url}/${deployed[0]!.cid}`)),
    ).then(async () => {
      const again = await startChildProvider(market.home, { logLevel: "info" });
      await again.url;
      const bytes = await bytesRead(again.pid);
      await again.kill();
      return bytes;
    });
  assertReadsNoMore("a start", await read(1_000), await read(100_000));
});

Deno.test("ledger reads of a long journal what it prints", async () => {
  const { market, deployed } = await openShop(1);
  await using _ = market;
  const read = (entries: number) =>
    withJournal(market, entries, async (url, _pid, { rare }) => {
      await untilTakenOn(market, entries, () => hello(`${url}/${deployed[0]!.cid}`));
      const flags = ["ledger", "--payer", rare.payer, "--home", market.home];
      return await bytesReadBy([...commandFromSource(), ...flags]);
    });
  assertReadsNoMore("ledger --payer", await read(1_000), await read(100_000));
});
