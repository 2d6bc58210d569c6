/**
 * What a single caller of one owner gets while another owner is flooded, and how many calls are
 * answered of ever more at a time that come again at once when they are refused:
 * `deno task bench admission [--against=COMMIT] [--json]`, in turns with an earlier commit.
 */
import { join } from "node:path";
import {
  deploymentLane,
  permitToJson,
  signPermit,
  UINT128_MAX,
  UINT64_MAX,
} from "../lib/permit.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { signSpec } from "../lib/spec/signature.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { startChildProvider } from "../worlds/child_provider.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { type Checkout, checkOut, copyHome, HERE, otherCommit, outputOf } from "./checkout.ts";
import { atLeast, type Must, printReport, quantile, type Row } from "./report.ts";
import { buildPrograms } from "./sandbox_peers.ts";

const FLOODS = [
  { name: "64 x hello", callers: 64, path: "" },
  { name: "128 x hello", callers: 128, path: "" },
  { name: "64 x 1 s", callers: 64, path: "/1" },
  { name: "64 x 10 s", callers: 64, path: "/10" },
  { name: "1,024 x 10 s", callers: 1_024, path: "/10" },
];
const FLOOD_SECONDS = 4;
/** The flood is there by then. */
const FLOODED_MS = 1_000;
/** Between a polite caller's answer and its next call. */
const POLITE_MS = 5;
const CURVE = [1, 16, 64, 256, 1_024];
const CURVE_SECONDS = 3;
/** As the project demands: of a polite caller's calls, and of the curve's peak. */
const SERVED_LEAST = 0.95;
const GOODPUT_LEAST = 0.8;

const SLOW = '#!/bin/sh\nsleep "${PATH_INFO#/}"\nprintf "Content-Type: text/plain\\n\\nhello\\n"\n';

interface Side {
  name: string;
  of(cid: string): string;
  stop(): Promise<unknown>;
}

interface Cids {
  hello: string;
  slow: string;
  /** Of another owner. */
  polite: string;
}

/** Has a program of any owner published. */
async function deployFor(
  market: Market,
  owner: Market["accounts"]["owner"],
  main: Uint8Array | string,
) {
  const { chain, escrow, accounts: { provider }, recipient } = market;
  const limits = {
    timeoutMs: 15_000,
    memoryMb: 64,
    concurrency: 64,
    ownerCreditsPerMinute: 1_000_000,
  };
  const spec = await market.spec({ files: { main }, fields: { interface: "cgi", limits } });
  const permit = await signPermit(owner, { chainId: chain.chainId, escrow }, {
    payer: owner.address,
    provider: provider.address,
    lane: deploymentLane(spec.id),
    price: PRICE,
    credits: UINT128_MAX,
    deadline: UINT64_MAX,
    epoch: 0,
  });
  const [entry] = spec.providers;
  const providers = [{ ...entry!, permit: permitToJson(permit) }];
  const own = { ...spec, owner: owner.address, providers } as unknown as typeof spec;
  return await market.publish(await sealSpec(await signSpec(own, owner), [recipient]));
}

async function openSide({ name, root }: Checkout, market: Market, cids: Cids): Promise<Side> {
  const home = join(market.home, `../${name}-${crypto.randomUUID()}`);
  await copyHome(market.home, home);
  const child = await startChildProvider(home, { logLevel: "info", root });
  const url = await child.url;
  if (url === null) throw new Error(`${name} does not start: see ${home}/provider.log`);
  for (const path of [cids.hello, `${cids.slow}/0`, cids.polite]) {
    const answer = await (await fetch(`${url}/${path}`)).text();
    if (answer !== "hello\n") throw new Error(`${name} answers ${JSON.stringify(answer)}`);
  }
  return { name, of: (cid) => `${url}/${cid}`, stop: () => child.stop() };
}

/** Answers a second of callers that come again at once, and the share that was refused. */
async function load(url: string, callers: number, seconds: number) {
  const args = ["-t1", `-c${callers}`, `-d${seconds}s`, "--timeout", "20s", url];
  const text = await outputOf("wrk", args);
  const all = Number(/(\d+) requests in/.exec(text)![1]);
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  const perSecond = Number(/Requests\/sec:\s+(\S+)/.exec(text)![1]);
  return { perSecond: all === 0 ? 0 : perSecond * (all - refused) / all, refused: refused / all };
}

async function politely(side: Side, cids: Cids, { name, callers, path }: typeof FLOODS[number]) {
  const url = side.of(path === "" ? cids.hello : cids.slow + path);
  const flood = load(url, callers, FLOOD_SECONDS);
  const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
  await pause(FLOODED_MS);
  const end = performance.now() + FLOOD_SECONDS * 1_000 - 2 * FLOODED_MS;
  const took: number[] = [];
  let served = 0;
  while (performance.now() < end) {
    const at = performance.now();
    const answer = await fetch(side.of(cids.polite));
    await answer.body?.cancel();
    took.push(performance.now() - at);
    if (answer.status === 200) served += 1;
    await pause(POLITE_MS);
  }
  await flood;
  return { flood: name, share: served / took.length, p50: quantile(took, 0.5) };
}

const against = otherCommit();
const settlement = { mode: "batch", intervalSeconds: 360, amount: "1000000000000" };
// All callers are at one address, as those behind a proxy are: their network's bound is not meant.
const settings = { settlement, trustedProxies: ["127.0.0.1"] };
await using market = await startMarket({ credits: 5_000_000n, settings });
const { owner, payer } = market.accounts;
const hello = await Deno.readFile((await buildPrograms(market.home)).hello);
const cids: Cids = {
  hello: await deployFor(market, owner, hello),
  slow: await deployFor(market, owner, SLOW),
  polite: await deployFor(market, payer, hello),
};
await market.provider.stop();
const dir = await Deno.makeTempDir();
const checkouts = against === null ? [HERE] : [HERE, await checkOut(against, dir)];
const sides: Side[] = [];
for (const each of checkouts) sides.push(await openSide(each, market, cids));

const rows: Row[] = [];
const must: Must[] = [];
const goodput = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
for (const callers of CURVE) {
  for (const { name, of } of sides) {
    const { perSecond, refused } = await load(of(cids.hello), callers, CURVE_SECONDS);
    goodput.get(name)!.push(perSecond);
    rows.push({ tree: name, what: `c=${callers}`, "200s a second": perSecond, refused });
  }
}
for (const flood of FLOODS) {
  for (const side of sides) {
    const { share, p50 } = await politely(side, cids, flood);
    rows.push({ tree: side.name, what: `beside ${flood.name}`, served: share, "p50, ms": p50 });
    if (side.name !== HERE.name) continue;
    must.push(atLeast(`a polite caller beside ${flood.name}`, share, "served", SERVED_LEAST));
  }
}
const own = goodput.get(HERE.name)!;
const kept = own.at(-1)! / Math.max(...own);
must.push(atLeast("goodput at c=1,024", kept, "of the peak", GOODPUT_LEAST));
for (const side of sides) await side.stop();
await Deno.remove(dir, { recursive: true });
printReport({ rows, must });
