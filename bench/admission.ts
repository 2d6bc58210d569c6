/**
 * What a single caller of one owner gets while another owner is flooded, and how many calls are
 * answered of ever more at a time that come again at once when they are refused:
 * `deno task bench admission [--against=COMMIT] [--json]`, in turns with an earlier commit.
 */
import type { LocalAccount } from "viem";
import { pause } from "../lib/pause.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import {
  type Checkout,
  checkOut,
  HERE,
  otherCommit,
  serveCopy,
  type ServedCopy,
} from "./checkout.ts";
import { load, type Politely, politely } from "./growth_load.ts";
import { atLeast, type Must, printReport, type Row } from "./report.ts";
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

interface Cids {
  hello: string;
  slow: string;
  /** Of another owner. */
  polite: string;
}

/** Has a program of any owner published. */
async function deployFor(market: Market, owner: LocalAccount, main: Uint8Array | string) {
  const limits = {
    timeoutMs: 15_000,
    memoryMb: 64,
    concurrency: 64,
    ownerCreditsPerMinute: 1_000_000,
  };
  return await market.deploy({ owner, files: { main }, fields: { interface: "cgi", limits } });
}

async function openSide(checkout: Checkout, market: Market, cids: Cids): Promise<ServedCopy> {
  const served = await serveCopy(checkout, market.home);
  for (const path of [cids.hello, `${cids.slow}/0`, cids.polite]) {
    const answer = await (await fetch(`${served.url}/${path}`)).text();
    if (answer !== "hello\n") throw new Error(`${served.name} answers ${JSON.stringify(answer)}`);
  }
  return served;
}

/** What a polite caller gets while the flood goes on. */
async function beside(
  { callers, path }: typeof FLOODS[number],
  { url }: ServedCopy,
  cids: Cids,
): Promise<Politely> {
  const paths = [`/${path === "" ? cids.hello : cids.slow + path}`];
  const flood = load({ url, paths, connections: callers, seconds: FLOOD_SECONDS });
  await pause(FLOODED_MS);
  const seconds = FLOOD_SECONDS - 2 * FLOODED_MS / 1_000;
  const found = await politely(`${url}/${cids.polite}`, seconds, POLITE_MS);
  await flood;
  return found;
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
const sides: ServedCopy[] = [];
for (const each of checkouts) sides.push(await openSide(each, market, cids));

const rows: Row[] = [];
const must: Must[] = [];
const goodput = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
for (const callers of CURVE) {
  for (const { name, url } of sides) {
    const asked = { url, paths: [`/${cids.hello}`], connections: callers, seconds: CURVE_SECONDS };
    const { perSecond, share } = await load(asked);
    goodput.get(name)!.push(perSecond);
    rows.push({ tree: name, what: `c=${callers}`, "200s a second": perSecond, refused: 1 - share });
  }
}
for (const flood of FLOODS) {
  for (const side of sides) {
    const { share, p50Ms } = await beside(flood, side, cids);
    rows.push({ tree: side.name, what: `beside ${flood.name}`, served: share, "p50, ms": p50Ms });
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
