/**
 * How quickly bytes go through the whole provider, by their number: to a program that reads them
 * and from one that writes them, and the same of a server's. The floor is the bare listener on
 * which the provider stands, with nobody behind it, in the same run and in turns.
 */
import { startChildProvider } from "../worlds/child_provider.ts";
import { buildProgram } from "../worlds/crowd_programs.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { buildServer } from "./http_programs.ts";
import { atLeast, median, printReport, type Report, type Row } from "./report.ts";
import {
  type Rates,
  shareOf,
  startSide,
  type Target,
  transferInTurns,
  WAYS,
} from "./wire_process.ts";

const LARGEST_BYTES = 16_000_000;
const SIZES = [1_000, 64_000, 1_000_000, LARGEST_BYTES];
const ROUNDS = 5;
/** Of each round, target and way, in so many transfers at most. */
const ROUND_BYTES = 4 * LARGEST_BYTES;
const TRANSFERS_MOST = 64;
/** Of what the bare listener carries. */
const SHARE_LEAST = 0.6;
/** More than can be used up. */
const CREDITS = 1_000_000n;
const FLOOR = "bare listener";

async function deployPrograms(market: Market) {
  const limits = {
    timeoutMs: 15_000,
    memoryMb: 64,
    concurrency: 16,
    ownerCreditsPerMinute: 1_000_000,
  };
  const deploy = async (binary: string, style: string) =>
    await market.deploy({
      files: { main: await Deno.readFile(binary) },
      fields: { interface: style, limits },
    });
  const dir = await Deno.makeTempDir({ dir: market.home });
  const run = await deploy(await buildProgram(dir), "cgi");
  const server = await deploy(await buildServer(dir), "http");
  await market.provider.stop();
  return { run, server };
}

/** The program and the server of the market's provider, in a process as it runs for real. */
async function startTargets(
  stack: AsyncDisposableStack,
  home: string,
  cids: { run: string; server: string },
): Promise<Record<"program" | "server", Target>> {
  const child = await startChildProvider(home, { logLevel: "info" });
  stack.defer(async () => void await child.stop());
  const url = await child.url;
  if (url === null) throw new Error(`it does not start: see ${home}/provider.log`);
  const [run, server] = [`${url}/${cids.run}`, `${url}/${cids.server}`];
  return {
    program: { down: (bytes) => `${run}?bytes=${bytes}`, up: run },
    server: { down: (bytes) => `${server}/down/${bytes}`, up: `${server}/up`, method: "PUT" },
  };
}

async function startFloors(stack: AsyncDisposableStack): Promise<Record<string, Target>> {
  const floors: Record<string, Target> = {};
  for (const [name, side] of [[FLOOR, "khachapuri"], ["Deno.serve", "Deno.serve"]] as const) {
    const { url } = stack.use(await startSide(side));
    floors[name] = { down: (bytes) => `${url}down?${bytes}`, up: `${url}up` };
  }
  return floors;
}

/** The curve of sizes, and the shares of the floor that are to be reached at its end. */
async function measureSizes(): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const settlement = { mode: "batch", intervalSeconds: 360, amount: "1000000000000" };
  const market = stack.use(await startMarket({ credits: CREDITS, settings: { settlement } }));
  const cids = await deployPrograms(market);
  const targets = {
    ...await startTargets(stack, market.home, cids),
    ...await startFloors(stack),
  };
  const report: Report = { rows: [], must: [] };
  for (const bytes of SIZES) {
    const count = Math.min(TRANSFERS_MOST, Math.floor(ROUND_BYTES / bytes));
    const all = await transferInTurns(targets, { count, bytes, rounds: ROUNDS });
    report.rows.push(...rowsOf(bytes, all));
    if (bytes === LARGEST_BYTES) report.must.push(...mustsOf(all));
  }
  return report;
}

function rowsOf(bytes: number, all: Record<string, Rates>): Row[] {
  const floor = all[FLOOR]!;
  return Object.entries(all).map(([server, { down, up }]) => ({
    server,
    bytes,
    "down, MB/s": median(down) / 1e6,
    "of the floor's": shareOf(down, floor.down),
    "up, MB/s": median(up) / 1e6,
    "of the floor's up": shareOf(up, floor.up),
  }));
}

function mustsOf(all: Record<string, Rates>) {
  const floor = all[FLOOR]!;
  return ["program", "server"].flatMap((name) =>
    WAYS.map((way) =>
      atLeast(
        `16 MB ${way}, ${name}, of the bare listener's rate`,
        shareOf(all[name]![way], floor[way]),
        "",
        SHARE_LEAST,
      )
    )
  );
}

printReport(await measureSizes());
