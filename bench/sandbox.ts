/**
 * What a call of a static hello costs through the whole provider, against web servers that start
 * the same program without a sandbox, a plain bubblewrap, and bare fork + exec (the floor).
 * Figures are medians of rounds in turn. `--json` prints the same for machines. Needs from Debian:
 * nginx-light fcgiwrap lighttpd wrk.
 */
import { startMarket } from "../worlds/market.ts";
import { startChildProvider } from "../worlds/child_provider.ts";
import { childrenOf, untilChildrenEnded } from "../worlds/processes.ts";
import {
  buildPrograms,
  type Figures,
  measureFloor,
  measureHttp,
  measureShellBwrap,
  startLighttpd,
  startNginx,
  type Times,
} from "./sandbox_peers.ts";
import { atLeast, atMost, median, printReport, quantile, type Report, type Row } from "./report.ts";

const CONNECTIONS = [1, 4, 16];
const ROUNDS = 3;
/** Of each round and server. */
const SECONDS = Number(Deno.env.get("KHACHAPURI_BENCH_SECONDS") ?? 2);
/** Before the first round: by then what is compiled while it runs is compiled. */
const WARM_SECONDS = 4;
const COLD_RUNS = 40;
const CREDITS = 400_000n;
const OURS = "khachapuri, whole request";
const NGINX = "nginx + fcgiwrap";

/** Requests that find no sandbox: the supervisors are ended before each. */
async function measureCold({ url, pid }: Ours): Promise<Times> {
  const took: number[] = [];
  for (let run = 0; run < COLD_RUNS; run++) {
    await endSandboxes(pid);
    const startedAt = performance.now();
    const response = await fetch(url);
    await response.text();
    took.push(performance.now() - startedAt);
    if (response.status !== 200) throw new Error(`cold call: ${response.status}`);
  }
  return { p50Ms: median(took), p99Ms: quantile(took, 0.99) };
}

/** A provider's children are its sandboxes' supervisors. */
async function endSandboxes(provider: number): Promise<void> {
  for (const supervisor of await childrenOf(provider)) Deno.kill(supervisor, "SIGTERM");
  await untilChildrenEnded(provider);
  // Nothing tells from outside when the provider has learnt of it.
  await new Promise((resolve) => setTimeout(resolve, 20));
}

/**
 * PSS of the one idle sandbox of a provider: supervisor, launcher and init, KiB. The keeper that
 * waits below init lives in init's memory, which counts once.
 */
async function idleKib(provider: number): Promise<number> {
  let sum = 0;
  let level = await childrenOf(provider);
  for (let depth = 0; depth < 3; depth++) {
    for (const pid of level) sum += await pssKib(pid);
    level = (await Promise.all(level.map(childrenOf))).flat();
  }
  return sum;
}

/** Read by another program, as Deno itself reads nothing below /proc. */
async function pssKib(pid: number): Promise<number> {
  const args = [`/proc/${pid}/smaps_rollup`];
  const { stdout } = await new Deno.Command("cat", { args }).output();
  return Number(/^Pss:\s+(\d+)/m.exec(new TextDecoder().decode(stdout))![1]);
}

/** The servers in turn, several times, so that the machine's noise meets all alike. */
async function measureInTurn(servers: readonly { name: string; url: string }[], c: number) {
  const measured = new Map(servers.map(({ name }) => [name, [] as Figures[]]));
  for (const { url } of servers) await measureHttp(url, c, WARM_SECONDS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, url } of servers) {
      measured.get(name)!.push(await measureHttp(url, c, SECONDS));
    }
  }
  return measured;
}

function medians(figures: readonly Figures[]): Figures {
  return {
    p50Ms: median(figures.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(figures.map(({ p99Ms }) => p99Ms)),
    perSecond: median(figures.map(({ perSecond }) => perSecond)),
  };
}

/** Calls that did not come one after the other have no rate. */
function row(what: string, c: number, times: Times | Figures, floor: Figures): Row {
  const row = { what, c, "p50 ms": times.p50Ms, "p99 ms": times.p99Ms };
  if (!("perSecond" in times)) return row;
  return { ...row, "req/s": times.perSecond, "vs floor": times.perSecond / floor.perSecond };
}

interface Ours {
  url: string;
  /** Of the provider's process. */
  pid: number;
}

/** A provider in its own process, as it runs for real, with one deployment of `program`. */
async function startOurs(program: string, stack: AsyncDisposableStack): Promise<Ours> {
  const market = stack.use(
    // Settling is the payments bench's matter: here no batch falls due.
    await startMarket({
      settings: { settlement: { mode: "batch", intervalSeconds: 360, amount: "1000000000" } },
      credits: CREDITS,
    }),
  );
  const limits = {
    timeoutMs: 5_000,
    memoryMb: 64,
    concurrency: 32,
    ownerCreditsPerMinute: 1_000_000,
  };
  const cid = await market.deploy({
    files: { main: await Deno.readFile(program) },
    fields: { interface: "cgi", limits },
  });
  await market.provider.stop();
  const provider = await startChildProvider(market.home, { logLevel: "info" });
  stack.defer(async () => void await provider.stop());
  return { url: `${await provider.url}/${cid}`, pid: provider.pid };
}

async function run(): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.chmod(dir, 0o755);
  const programs = await buildPrograms(dir);
  const ours = await startOurs(programs.hello, stack);
  const cold = await measureCold(ours);
  const kib = await idleKib(ours.pid);
  const servers = [
    { name: OURS, url: ours.url },
    stack.use(await startNginx(dir, programs.hello, Math.max(...CONNECTIONS))),
    stack.use(await startNginx(dir, programs.hello, 1)),
    stack.use(await startLighttpd(dir, programs.hello)),
  ];
  const must = [
    atMost("cold p50", cold.p50Ms, "ms", 10),
    atMost("idle sandbox, PSS", kib, "KiB", 1_000),
  ];
  const rows: Row[] = [];
  for (const c of CONNECTIONS) {
    const floor = await measureFloor(programs, c);
    if (c === 1) {
      rows.push(row("khachapuri, cold", c, cold, floor));
      rows.push(row("bwrap from a shell", c, await measureShellBwrap(programs.hello, 60), floor));
    }
    rows.push(row("fork + exec (floor)", c, floor, floor));
    const measured = await measureInTurn(servers, c);
    for (const [name, figures] of measured) rows.push(row(name, c, medians(figures), floor));
    const [hot, nginx] = [measured.get(OURS)!, measured.get(NGINX)!];
    if (c === 1) must.push(atMost("hot p50 at c=1", medians(hot).p50Ms, "ms", 2));
    if (c === 4) {
      const ratios = hot.map(({ perSecond }, round) => perSecond / nginx[round]!.perSecond);
      must.push(atLeast("requests a second at c=4", median(ratios), `of ${NGINX}`, 0.8));
    }
  }
  return { rows, must };
}

printReport(await run());
