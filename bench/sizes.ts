/**
 * How quickly bytes go through the whole provider, by their number: to a program that reads them
 * and from one that writes them, and the same of a server's. The floor is the bare listener on
 * which the provider stands, with nobody behind it, in the same run and in turns.
 */
import { join } from "node:path";
import { startChildProvider } from "../worlds/child_provider.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { buildServer } from "./http_programs.ts";
import { atLeast, median, printReport, type Report, type Row } from "./report.ts";
import { measureTransfers, startSide } from "./wire_process.ts";

const LARGEST_BYTES = 16_000_000;
/** Of what the bare listener carries. */
const SHARE_LEAST = 0.6;
/** More than can be used up. */
const CREDITS = 1_000_000n;

/** Reads all of a POST's body and says its length, or writes as many bytes as its path says. */
const PROGRAM = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char piece[1 << 16];

static void write_all(unsigned long left) {
  while (left > 0) {
    ssize_t put = write(1, piece, left < sizeof piece ? left : sizeof piece);
    if (put <= 0) exit(1);
    left -= (unsigned long)put;
  }
}

int main(void) {
  const char *method = getenv("REQUEST_METHOD"), *path = getenv("PATH_INFO");
  unsigned long bytes = 0;
  if (method && !strcmp(method, "GET")) {
    const char *last = path ? strrchr(path, '/') : NULL;
    write_all(last ? strtoul(last + 1, NULL, 10) : 0);
    return 0;
  }
  for (ssize_t got; (got = read(0, piece, sizeof piece)) > 0;) bytes += (unsigned long)got;
  printf("%lu\\n", bytes);
  return 0;
}
`;

async function buildProgram(dir: string): Promise<string> {
  const [source, binary] = [join(dir, "bytes.c"), join(dir, "bytes")];
  await Deno.writeTextFile(source, PROGRAM);
  const args = ["-O2", "-static", "-s", "-o", binary, source];
  const { success, stderr } = await new Deno.Command("musl-gcc", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return binary;
}

/** Where so many bytes are got, and where they are put. */
interface Target {
  readonly name: string;
  down(bytes: number): string;
  readonly up: string;
}

interface SizesOptions {
  readonly sizes?: readonly number[];
  readonly rounds?: number;
  /** Of each round, side and direction, as large as the largest at most. */
  readonly roundBytes?: number;
  /** Another checkout whose provider is measured beside ours. */
  readonly others?: readonly { name: string; root: string }[];
}

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
  const run = await deploy(await buildProgram(dir), "curl");
  const server = await deploy(await buildServer(dir), "http");
  await market.provider.stop();
  return { run, server };
}

/** Programs and servers of the market's provider, in a process as it runs for real. */
async function startTargets(
  stack: AsyncDisposableStack,
  home: string,
  cids: { run: string; server: string },
  label: string,
  root?: string,
): Promise<Target[]> {
  const child = await startChildProvider(home, {
    logLevel: "info",
    ...(root === undefined ? {} : { root }),
  });
  stack.defer(async () => void await child.stop());
  const url = await child.url;
  if (url === null) throw new Error(`it does not start: see ${home}/provider.log`);
  return [
    {
      name: `program${label}`,
      down: (bytes) => `${url}/${cids.run}/${bytes}`,
      up: `${url}/${cids.run}/up`,
    },
    {
      name: `server${label}`,
      down: (bytes) => `${url}/${cids.server}/down/${bytes}`,
      up: `${url}/${cids.server}/up`,
    },
  ];
}

async function startFloors(stack: AsyncDisposableStack): Promise<Target[]> {
  const floors = [];
  for (const name of ["khachapuri", "Deno.serve"]) {
    const { url } = stack.use(await startSide(name));
    const down = (bytes: number) => `${url}down?${bytes}`;
    floors.push({ name: name === "khachapuri" ? FLOOR : name, down, up: `${url}up` });
  }
  return floors;
}

const FLOOR = "bare listener";

interface Figures {
  readonly down: number[];
  readonly up: number[];
}

/** MB a second of each target at one size, medians of rounds in turn. */
async function measureSize(
  targets: readonly Target[],
  bytes: number,
  file: string,
  { rounds = 5, roundBytes = 4 * LARGEST_BYTES }: SizesOptions,
): Promise<Map<string, Figures>> {
  const found = new Map(targets.map(({ name }) => [name, { down: [], up: [] } as Figures]));
  await Deno.writeFile(file, new Uint8Array(bytes));
  const all = { count: Math.max(1, Math.min(64, Math.floor(roundBytes / bytes))), bytes };
  for (let round = -1; round < rounds; round++) {
    for (const { name, down, up } of targets) {
      const method = name.startsWith("server") ? "PUT" : "POST";
      const figures = {
        down: await measureTransfers(down(bytes), all),
        up: await measureTransfers(up, { ...all, upload: file, method }),
      };
      // The first round warms up.
      if (round < 0) continue;
      found.get(name)!.down.push(figures.down / 1e6);
      found.get(name)!.up.push(figures.up / 1e6);
    }
  }
  return found;
}

/** The curve of sizes, and the shares of the floor that are to be reached at its end. */
async function measureSizes(options: SizesOptions = {}): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const settlement = { mode: "batch", intervalSeconds: 360, amount: "1000000000000" };
  const market = stack.use(await startMarket({ credits: CREDITS, settings: { settlement } }));
  const cids = await deployPrograms(market);
  const targets = await startTargets(stack, market.home, cids, "");
  for (const { name, root } of options.others ?? []) {
    const home = join(market.home, `../${name}-${crypto.randomUUID()}`);
    await new Deno.Command("cp", { args: ["-a", market.home, home] }).output();
    stack.defer(() => Deno.remove(home, { recursive: true }));
    targets.push(...await startTargets(stack, home, cids, `, ${name}`, root));
  }
  targets.push(...await startFloors(stack));
  const file = await Deno.makeTempFile();
  stack.defer(() => Deno.remove(file));
  const report: Report = { rows: [], must: [] };
  for (const bytes of options.sizes ?? [1_000, 64_000, 1_000_000, LARGEST_BYTES]) {
    const all = await measureSize(targets, bytes, file, options);
    report.rows.push(...rowsOf(bytes, all));
    if (bytes === LARGEST_BYTES) report.must.push(...mustsOf(all));
  }
  return report;
}

function rowsOf(bytes: number, all: Map<string, Figures>): Row[] {
  const floor = all.get(FLOOR)!;
  return [...all].map(([server, { down, up }]) => ({
    server,
    bytes,
    "down, MB/s": median(down),
    "of the floor's": share(down, floor.down),
    "up, MB/s": median(up),
    "of the floor's up": share(up, floor.up),
  }));
}

/** Round by round, so that the machine's noise meets both alike. */
function share(own: readonly number[], floor: readonly number[]): number {
  return median(own.map((each, round) => each / floor[round]!));
}

function mustsOf(all: Map<string, Figures>) {
  const floor = all.get(FLOOR)!;
  return ["program", "server"].flatMap((name) =>
    (["down", "up"] as const).map((way) =>
      atLeast(
        `16 MB ${way}, ${name}, of the bare listener's rate`,
        share(all.get(name)![way], floor[way]),
        "",
        SHARE_LEAST,
      )
    )
  );
}

printReport(await measureSizes());
