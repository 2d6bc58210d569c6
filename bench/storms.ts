/**
 * Deployments that nobody has called here before, many at once: how many are answered in time, and
 * what that takes of the provider, which has a process of its own. `--json` prints the same for
 * machines.
 */
import { join } from "node:path";
import type { LocalAccount } from "viem";
import { fundCrowd, people } from "../worlds/chain/crowd.ts";
import { childLines } from "../worlds/child_lines.ts";
import { randomBytes } from "../worlds/crowd_programs.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import type { Fared } from "./storms_provider.ts";
import {
  atLeast,
  atMost,
  type Must,
  printReport,
  quantile,
  type Report,
  type Row,
} from "./report.ts";

const ROOT = join(import.meta.dirname!, "..");
/** As many deployments as owners, at once, */
const OWNERS = 100;
/** so many of them answered */
const ANSWERED_LEAST = 95;
/** within so long, */
const WITHIN_MS = 5_000;
/** with so much more memory at most, MB, whatever they are, */
const RSS_MORE_MAX_MB = 500;
/** and no turn of the event loop longer, ms. */
const STALL_MAX_MS = 50;
/** Bytes of a zip, one in ten of them: the rest are scripts. */
const MIXED = [60_000_000, 4_000_000, 1_000_000, 256_000];
const OF_ONE_OWNER = 40;
/** Of each owner: more than its calls can use up. */
const CREDITS = 50_000n;

/** What became of calls that came at once. */
interface Storm extends Fared {
  /** How long those took that were answered, ms. */
  times: number[];
  /** How many of the others were refused with what. */
  refused: Record<string, number>;
}

/** A provider in a process of its own, and owners who have allowed it credits. */
interface StormWorld extends AsyncDisposable {
  readonly owners: readonly LocalAccount[];
  /** Publishes a program whose zip has about so many bytes, and its spec. */
  deploy(owner: LocalAccount, zipBytes: number): Promise<string>;
  /** Calls all of them at once. */
  storm(cids: readonly string[]): Promise<Storm>;
}

async function openStormWorld(): Promise<StormWorld> {
  await using stack = new AsyncDisposableStack();
  const settlement = { mode: "batch", intervalSeconds: 360, amount: "1000000000" };
  const market = stack.use(await startMarket({ settings: { settlement } }));
  await market.provider.stop();
  const owners = people(OWNERS);
  await fundCrowd(market, owners, CREDITS);
  const provider = stack.use(await startWatched(market.home));
  const owned = stack.move();
  return {
    owners,
    deploy: (owner, zipBytes) => deploy(market, owner, zipBytes),
    async storm(cids) {
      await provider.watch();
      const answers = await Promise.all(cids.map((cid) => call(`${provider.url}/${cid}`)));
      const fared = await provider.report();
      const times = answers.filter(({ code }) => code === null).map(({ ms }) => ms);
      const codes = answers.flatMap(({ code }) => code ?? []);
      const refused = Object.fromEntries(
        Map.groupBy(codes, (code) => code).entries().map(([code, all]) => [code, all.length]),
      );
      return { ...fared, times, refused };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function call(url: string): Promise<{ ms: number; code: string | null }> {
  const begun = performance.now();
  const response = await fetch(url);
  const text = await response.text();
  const ms = performance.now() - begun;
  if (response.status === 200) return { ms, code: null };
  return { ms, code: `${response.status} ${/"message":"([^"]*)"/.exec(text)?.[1] ?? text}` };
}

/** A program whose zip has about so many bytes. */
async function deploy(market: Market, owner: LocalAccount, zipBytes: number): Promise<string> {
  const main = `#!/bin/sh\necho hello # ${crypto.randomUUID()}\n`;
  const files = { main, ...(zipBytes > 1_000 ? { data: randomBytes(zipBytes) } : {}) };
  return await market.deploy({ owner, files });
}

async function startWatched(home: string) {
  const program = join(ROOT, "bench/storms_provider.ts");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--frozen", "--no-prompt", "-A", program, home],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  let heard = Promise.withResolvers<string>();
  const lines = childLines(child.stdout, (line) => heard.resolve(line));
  lines.then(() => heard.reject(new Error("the provider has ended")), () => {});
  const next = async () => {
    const line = await heard.promise;
    heard = Promise.withResolvers<string>();
    return JSON.parse(line);
  };
  const tell = (word: string) => writer.write(new TextEncoder().encode(`${word}\n`));
  const { url } = await next();
  return {
    url: url as string,
    watch: () => tell("watch"),
    async report(): Promise<Fared> {
      await tell("report");
      return await next();
    },
    async [Symbol.asyncDispose]() {
      heard.promise.catch(() => {});
      await writer.close();
      await child.status;
    },
  };
}

/** One row for people. */
function stormRow(what: string, { times, refused, slices, ...fared }: Storm): Row {
  const isAny = times.length > 0;
  return {
    storm: what,
    answered: times.length,
    refused: Object.values(refused).reduce((sum, count) => sum + count, 0),
    "p50 ms": isAny ? quantile(times, 0.5) : 0,
    "last ms": isAny ? Math.max(...times) : 0,
    "rss +MB": (fared.rssMost - fared.rssBefore) / 1e6,
    "stall ms": slices.longest,
    "collector ms": slices.collector,
    "cpu ms": fared.cpuMs,
  };
}

/** Scripts of 100 owners, 40 of one owner, and the same 100 owners with large zips among them. */
async function measureStorms(): Promise<Report> {
  await using world = await openStormWorld();
  const rows: Row[] = [];
  const must: Must[] = [];
  const all = async (what: string, bytesOf: (index: number) => number, smallMax = Infinity) => {
    const cids = [];
    for (const [at, owner] of world.owners.entries()) {
      cids.push(await world.deploy(owner, bytesOf(at)));
    }
    const storm = await world.storm(cids);
    rows.push(stormRow(what, storm));
    const inTime = storm.times.filter((ms) => ms <= WITHIN_MS).length;
    const least = Math.floor(Math.min(smallMax, OWNERS) * ANSWERED_LEAST / 100);
    must.push(atLeast(`${what}: answered within ${WITHIN_MS} ms`, inTime, "", least));
    const more = (storm.rssMost - storm.rssBefore) / 1e6;
    must.push(atMost(`${what}: memory`, more, "MB more", RSS_MORE_MAX_MB));
    must.push(atMost(`${what}: longest turn`, storm.slices.longest, "ms", STALL_MAX_MS));
    return storm;
  };
  await all(`${OWNERS} owners`, () => 1_000);
  const [one] = world.owners;
  const cids = [];
  for (let index = 0; index < OF_ONE_OWNER; index++) cids.push(await world.deploy(one!, 1_000));
  const ofOne = await world.storm(cids);
  rows.push(stormRow(`${OF_ONE_OWNER} of one owner`, ofOne));
  must.push(atLeast("of one owner: answered", ofOne.times.length, "", OF_ONE_OWNER));
  const isLarge = (index: number) => index % 10 < MIXED.length;
  const small = world.owners.filter((_, index) => !isLarge(index)).length;
  await all("mixed sizes", (index) => isLarge(index) ? MIXED[index % 10]! : 1_000, small);
  return { rows, must };
}

printReport(await measureStorms());
