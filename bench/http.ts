/**
 * What a request to a server costs through the whole provider, paid by the deployment's owner:
 * against our listener and client with nothing in between (http_floor.ts), and against the same
 * hello as a program that is started for each call. Then how quickly an instance answers that stood
 * still, what it holds meanwhile, and what large bodies leave in the provider's memory. Figures are
 * medians of rounds in turn.
 */
import { startChildProvider } from "../worlds/child_provider.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { childrenOf, growthDuring } from "../worlds/processes.ts";
import { openBenchInstance } from "./http_instance.ts";
import { buildServer, HELLO } from "./http_programs.ts";
import { atLeast, atMost, median, printReport, type Row } from "./report.ts";
import { buildPrograms, type Figures, measureHttp } from "./sandbox_peers.ts";
import { ServerConnection } from "../lib/provider/server/connection.ts";

const OURS = "khachapuri, interface http";
const FLOOR = "our listener and client alone";
const CURL = "khachapuri, interface curl";
const CONNECTIONS = [1, 16];
const ROUNDS = 5;
const SECONDS = 2;
/** Until most of what a request takes is compiled, which is some ten thousand requests. */
const WARM = { connections: 16, seconds: 8 };
const THAWS = 200;
const LARGE_BYTES = 1_000_000_000;
const WARM_BYTES = 50_000_000;
/** More than can be used up. */
const CREDITS = 5_000_000n;
const MEBIBYTE = 1024 * 1024;

interface Side {
  readonly name: string;
  readonly url: string;
}

/** The provider in a process of its own, as it runs for real, with both deployments. */
async function startOurs(market: Market): Promise<{ pid: number; http: string; curl: string }> {
  const { hello } = await buildPrograms(market.home);
  const limits = {
    timeoutMs: 15_000,
    memoryMb: 64,
    concurrency: 64,
    credits: 40,
    ownerCreditsPerMinute: 1_000_000,
  };
  const deploy = async (binary: string, style: string) =>
    await market.deploy({
      files: { main: await Deno.readFile(binary) },
      fields: { interface: style, limits },
    });
  const http = await deploy(
    await buildServer(await Deno.makeTempDir({ dir: market.home })),
    "http",
  );
  const curl = await deploy(hello, "curl");
  await market.provider.stop();
  const child = await startChildProvider(market.home, { logLevel: "info" });
  const url = await child.url;
  if (url === null) throw new Error(`it does not start: see ${market.home}/provider.log`);
  return { pid: child.pid, http: `${url}/${http}/`, curl: `${url}/${curl}` };
}

async function startFloor(stack: AsyncDisposableStack): Promise<Side> {
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.chmod(dir, 0o755);
  await buildServer(dir);
  const program = new URL("http_floor.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, dir],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  stack.defer(async () => {
    child.kill("SIGTERM");
    await child.status;
  });
  const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
  if (value === undefined) throw new Error("the floor ended before it listened");
  return { name: FLOOR, url: `${value.trim()}/` };
}

/** What a program of the curl interface prints as its head is part of its answer. */
async function assertHello({ name, url }: Side): Promise<void> {
  const response = await fetch(url);
  const text = await response.text();
  if (!text.endsWith(HELLO)) throw new Error(`${name}: ${response.status} ${text}`);
}

/** By name and connections. */
type Measured = Map<string, Map<number, Figures>>;

/** The sides in turn, several times, so that the machine's noise meets all alike. */
async function measureSides(sides: readonly Side[]): Promise<Measured> {
  const measured: Measured = new Map(sides.map(({ name }) => [name, new Map()]));
  for (const { url } of sides) await measureHttp(url, WARM.connections, WARM.seconds);
  for (const connections of CONNECTIONS) {
    const seen = new Map(sides.map(({ name }) => [name, [] as Figures[]]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const { name, url } of round % 2 === 0 ? sides : sides.toReversed()) {
        seen.get(name)!.push(await measureHttp(url, connections, SECONDS));
      }
    }
    for (const [name, figures] of seen) {
      measured.get(name)!.set(connections, {
        p50Ms: median(figures.map(({ p50Ms }) => p50Ms)),
        p99Ms: median(figures.map(({ p99Ms }) => p99Ms)),
        perSecond: median(figures.map(({ perSecond }) => perSecond)),
      });
    }
  }
  return measured;
}

/** By another program, as Deno itself reads nothing below /proc. */
async function read(path: string): Promise<string> {
  const { stdout } = await new Deno.Command("cat", { args: [path] }).output();
  return new TextDecoder().decode(stdout);
}

async function curl(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("curl", { args: ["-sSf", ...args] }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

interface Large {
  growth: number;
  downPerSecond: number;
  upPerSecond: number;
}

/** So many bytes down and up. */
async function moveLarge(pid: number, url: string): Promise<Large> {
  const file = await Deno.makeTempFile();
  // What it takes for the first of its kind is not this one's.
  await curl("-o", "/dev/null", `${url}down/${WARM_BYTES}`);
  await Deno.truncate(file, WARM_BYTES);
  await curl("-H", "Expect:", "-o", "/dev/null", "-T", file, `${url}up`);
  await Deno.truncate(file, LARGE_BYTES);
  let [down, up] = [0, 0];
  const growth = await growthDuring(pid, async () => {
    const from = performance.now();
    await curl("-o", "/dev/null", `${url}down/${LARGE_BYTES}`);
    const between = performance.now();
    await curl("-H", "Expect:", "-o", "/dev/null", "-T", file, `${url}up`);
    down = LARGE_BYTES / (between - from) * 1000;
    up = LARGE_BYTES / (performance.now() - between) * 1000;
  });
  await Deno.remove(file);
  return { growth, downPerSecond: down, upPerSecond: up };
}

interface Still {
  /** From the word to go on to the answer on a new connection, ms. */
  thawMs: number;
  /** The same of one that was awake. */
  awakeMs: number;
  /** PSS of all that stands around a program that is frozen, bytes. */
  aroundBytes: number;
}

async function measureStill(): Promise<Still> {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  await buildServer(dir);
  const others = await childrenOf(Deno.pid);
  await using opened = await openBenchInstance(dir);
  const { instance } = opened;
  const first = ask(instance.socketPath);
  await instance.listening();
  await first;
  const thaws: number[] = [];
  const awakes: number[] = [];
  for (let turn = 0; turn < THAWS; turn++) {
    const awakeFrom = performance.now();
    await ask(instance.socketPath);
    awakes.push(performance.now() - awakeFrom);
    instance.freeze();
    await instance.usage();
    const from = performance.now();
    instance.thaw();
    await ask(instance.socketPath);
    thaws.push(performance.now() - from);
  }
  instance.freeze();
  await instance.usage();
  const aroundBytes = await aroundProgram(others);
  instance.thaw();
  await Deno.remove(dir, { recursive: true });
  return { thawMs: median(thaws), awakeMs: median(awakes), aroundBytes };
}

async function ask(socketPath: string): Promise<void> {
  const connection = await ServerConnection.open(socketPath);
  const response = await connection.send({
    method: "GET",
    target: "/",
    fields: [["host", "localhost"]],
    body: null,
    bodyBytes: null,
    upgrade: null,
  });
  while (await response.read() !== null);
  connection.close();
}

/** PSS of what this process has started since, but for the program itself, which is called main. */
async function aroundProgram(others: readonly number[]): Promise<number> {
  let sum = 0;
  const own = (await childrenOf(Deno.pid)).filter((pid) => !others.includes(pid));
  for (let level = own; level.length > 0;) {
    for (const pid of level) {
      const [name, maps] = [
        await read(`/proc/${pid}/comm`),
        await read(`/proc/${pid}/smaps_rollup`),
      ];
      const [, kib = "0"] = /^Pss:\s+(\d+)/m.exec(maps) ?? [];
      if (name.trim() !== "main") sum += Number(kib) * 1024;
    }
    level = (await Promise.all(level.map(childrenOf))).flat();
  }
  return sum;
}

async function measureAll() {
  await using stack = new AsyncDisposableStack();
  const settlement = { mode: "batch", intervalSeconds: 360, amount: "1000000000000" };
  const sandbox = { requestBytes: 2 * LARGE_BYTES, responseBytes: 2 * LARGE_BYTES };
  const market = stack.use(
    await startMarket({ credits: CREDITS, settings: { settlement, sandbox } }),
  );
  const { pid, http, curl } = await startOurs(market);
  stack.defer(() => Deno.kill(pid, "SIGTERM"));
  const sides = [
    { name: OURS, url: http },
    await startFloor(stack),
    { name: CURL, url: curl },
  ];
  for (const side of sides) await assertHello(side);
  const measured = await measureSides(sides);
  const large = await moveLarge(pid, http);
  return { measured, large, still: await measureStill() };
}

const { measured, large, still } = await measureAll();
const of = (name: string, connections: number) => measured.get(name)!.get(connections)!;
const rows: Row[] = [...measured].flatMap(([what, figures]) =>
  [...figures].map(([c, { p50Ms, p99Ms, perSecond }]) => ({
    what,
    c,
    "p50 ms": p50Ms,
    "p99 ms": p99Ms,
    "req/s": perSecond,
  }))
);
rows.push(
  { what: "awake, a new connection", "p50 ms": still.awakeMs },
  { what: "frozen, thawed for a new connection", "p50 ms": still.thawMs },
  { what: "1 GB down", "MB/s": large.downPerSecond / 1e6 },
  { what: "1 GB up", "MB/s": large.upPerSecond / 1e6 },
);

printReport({
  rows,
  must: [
    atLeast("req/s at c=16", of(OURS, 16).perSecond / of(FLOOR, 16).perSecond, "of the floor", 0.5),
    atMost("added to p50 at c=1", of(OURS, 1).p50Ms - of(FLOOR, 1).p50Ms, "ms", 0.35),
    atLeast("req/s at c=16", of(OURS, 16).perSecond / of(CURL, 16).perSecond, "of curl's", 2),
    atMost("thaw, with its new connection", still.thawMs, "ms", 1),
    atMost("RSS growth by 1 GB down and up", large.growth / MEBIBYTE, "MiB", 50),
    atMost("PSS around a frozen instance", still.aroundBytes / MEBIBYTE, "MiB", 1.5),
  ],
});
