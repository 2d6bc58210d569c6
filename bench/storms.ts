/**
 * Deployments that nobody has called here before, many at once: how many are answered in time, and
 * what that takes of the provider, which has a process of its own. `--json` prints the same for
 * machines.
 */
import { join } from "node:path";
import type { LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import {
  deploymentLane,
  permitToJson,
  signPermit,
  UINT128_MAX,
  UINT64_MAX,
} from "../lib/permit.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { newDeploymentId, parseUnsignedSpec } from "../lib/spec/schema.ts";
import { signSpec } from "../lib/spec/signature.ts";
import { giveEther } from "../worlds/chain/anvil_calls.ts";
import { fund, PRICE } from "../worlds/chain/escrow_chain.ts";
import { childLines } from "../worlds/child_lines.ts";
import { type Market, packFiles, startMarket } from "../worlds/market.ts";
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
/** A system's random bytes come in pieces of at most so many. */
const RANDOM_BYTES_MOST = 65_536;

/** What became of calls that came at once. */
export interface Storm extends Fared {
  /** How long those took that were answered, ms. */
  times: number[];
  /** How many of the others were refused with what. */
  refused: Record<string, number>;
}

/** A provider in a process of its own, and owners who have allowed it credits. */
export interface StormWorld extends AsyncDisposable {
  readonly owners: readonly LocalAccount[];
  /** Publishes a program whose zip has about so many bytes, and its spec. */
  deploy(owner: LocalAccount, zipBytes: number): Promise<string>;
  /** Calls all of them at once. */
  storm(cids: readonly string[]): Promise<Storm>;
}

/** @param root the checkout whose provider it is; it needs this folder's bench, too */
export async function openStormWorld(owners: number, root = ROOT): Promise<StormWorld> {
  await using stack = new AsyncDisposableStack();
  const settlement = { mode: "batch", intervalSeconds: 360, amount: "1000000000" };
  const market = stack.use(await startMarket({ settings: { settlement } }));
  await market.provider.stop();
  const accounts = Array.from(
    { length: owners },
    () => privateKeyToAccount(generatePrivateKey()),
  );
  for (const account of accounts) await giveEther(market.chain, account.address);
  for (const account of accounts) await fund(market, account);
  const provider = stack.use(await startWatched(root, market.home));
  const owned = stack.move();
  return {
    owners: accounts,
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

async function deploy(market: Market, owner: LocalAccount, zipBytes: number): Promise<string> {
  const { chain, escrow, accounts: { provider } } = market;
  const id = newDeploymentId();
  const entry = { address: provider.address, chainId: chain.chainId, escrow };
  const permit = await signPermit(owner, entry, {
    payer: owner.address,
    provider: provider.address,
    lane: deploymentLane(id),
    price: PRICE,
    credits: UINT128_MAX,
    deadline: UINT64_MAX,
    epoch: 0,
  });
  const main = `#!/bin/sh\necho hello # ${id}\n`;
  const files = { main, ...(zipBytes > 1_000 ? { data: noise(zipBytes) } : {}) };
  const cid = await market.publish(await packFiles(files));
  const like = await market.spec({ files: { main: "#!/bin/sh\n" } });
  const providers = [{ ...like.providers[0]!, permit: permitToJson(permit) }];
  const program = { ...like.program, cid };
  const spec = parseUnsignedSpec({ ...like, id, owner: owner.address, program, providers });
  const signed = await signSpec(spec, owner);
  return await market.publish(await sealSpec(signed, [market.recipient]));
}

/** What no compression makes small. */
function noise(bytes: number): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += RANDOM_BYTES_MOST) {
    crypto.getRandomValues(data.subarray(at, at + RANDOM_BYTES_MOST));
  }
  return data;
}

async function startWatched(root: string, home: string) {
  const program = join(root, "bench/storms_provider.ts");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--frozen", "--no-prompt", "-A", program, home],
    cwd: root,
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
export function stormRow(what: string, { times, refused, slices, ...fared }: Storm): Row {
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
export async function measureStorms(owners = OWNERS, mixed = MIXED): Promise<Report> {
  await using world = await openStormWorld(owners);
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
    const least = Math.floor(Math.min(smallMax, owners) * ANSWERED_LEAST / 100);
    must.push(atLeast(`${what}: answered within ${WITHIN_MS} ms`, inTime, "", least));
    const more = (storm.rssMost - storm.rssBefore) / 1e6;
    must.push(atMost(`${what}: memory`, more, "MB more", RSS_MORE_MAX_MB));
    must.push(atMost(`${what}: longest turn`, storm.slices.longest, "ms", STALL_MAX_MS));
    return storm;
  };
  await all(`${owners} owners`, () => 1_000);
  const [one] = world.owners;
  const cids = [];
  for (let index = 0; index < OF_ONE_OWNER; index++) cids.push(await world.deploy(one!, 1_000));
  const ofOne = await world.storm(cids);
  rows.push(stormRow(`${OF_ONE_OWNER} of one owner`, ofOne));
  must.push(atLeast("of one owner: answered", ofOne.times.length, "", OF_ONE_OWNER));
  const isLarge = (index: number) => index % 10 < mixed.length;
  const small = world.owners.filter((_, index) => !isLarge(index)).length;
  await all("mixed sizes", (index) => isLarge(index) ? mixed[index % 10]! : 1_000, small);
  return { rows, must };
}

if (import.meta.main) printReport(await measureStorms());
