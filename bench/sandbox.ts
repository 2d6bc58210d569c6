/**
 * What a call of a static hello costs through the whole provider, against web servers that start
 * the same program without a sandbox, a plain bubblewrap, and bare fork + exec (the floor).
 * `--json` prints the same for machines. Needs from Debian: nginx-light fcgiwrap lighttpd wrk.
 */
import { startMarket } from "../tests/world/market.ts";
import { startChildProvider } from "../tests/world/child_provider.ts";
import {
  buildPrograms,
  type Figures,
  measureFloor,
  measureHttp,
  measureShellBwrap,
  startLighttpd,
  startNginx,
} from "./sandbox_peers.ts";

interface Row extends Figures {
  what: string;
  connections: number;
}

interface Must {
  what: string;
  need: string;
  got: string;
  ok: boolean;
}

const CONNECTIONS = [1, 4, 16];
const SECONDS = Number(Deno.env.get("KHACHAPURI_BENCH_SECONDS") ?? 4);
const COLD_RUNS = 40;
const OURS = "khachapuri, whole request";
const NGINX = "nginx + fcgiwrap";

/** Requests that find no sandbox: the supervisors are ended before each. */
async function measureCold(url: string): Promise<Figures> {
  const took: number[] = [];
  for (let run = 0; run < COLD_RUNS; run++) {
    await endSandboxes();
    const startedAt = performance.now();
    const response = await fetch(url);
    await response.text();
    took.push(performance.now() - startedAt);
    if (response.status !== 200) throw new Error(`cold call: ${response.status}`);
  }
  took.sort((a, b) => a - b);
  return { p50Ms: took[COLD_RUNS >> 1]!, p99Ms: took.at(-1)!, perSecond: NaN };
}

/** The bracket keeps a shell that looks for it from finding itself. */
const HOST = "[k]hachapuri-init host";

async function endSandboxes(): Promise<void> {
  await new Deno.Command("pkill", { args: ["-TERM", "-f", HOST] }).output();
  while ((await new Deno.Command("pgrep", { args: ["-f", HOST] }).output()).success);
  // The provider learns of it in its own time.
  await new Promise((resolve) => setTimeout(resolve, 20));
}

/** PSS of all processes of one idle sandbox, KiB. */
async function idleKib(): Promise<number> {
  const script = `for pid in $(pgrep -f '${HOST}'); do
  for one in $pid $(pgrep -P $pid) $(pgrep -P $(pgrep -P $pid)); do
    awk '/^Pss:/ { print $2 }' /proc/$one/smaps_rollup; done; done`;
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", script] }).output();
  return new TextDecoder().decode(stdout).split("\n").reduce((sum, n) => sum + Number(n), 0);
}

async function run(): Promise<{ rows: Row[]; must: Must[] }> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.chmod(dir, 0o755);
  const programs = await buildPrograms(dir);
  const market = stack.use(
    // Settling is the payments bench's matter: here no batch falls due.
    await startMarket({
      settings: { settlement: { mode: "batch", intervalSeconds: 86_400, amount: "100000000" } },
      credits: 45_000n,
    }),
  );
  const limits = {
    timeoutMs: 5_000,
    memoryMb: 64,
    concurrency: 32,
    ownerCreditsPerMinute: 1_000_000,
  };
  const cid = await market.deploy({
    files: { main: await Deno.readFile(programs.hello) },
    fields: { interface: "cgi", limits },
  });
  await market.provider.stop();
  const provider = await startChildProvider(market.home);
  stack.defer(async () => void await provider.stop());
  const url = `${await provider.url}/${cid}`;
  const cold = await measureCold(url);
  const kib = await idleKib();
  const servers = [
    { name: OURS, url },
    stack.use(await startNginx(dir, programs.hello)),
    stack.use(await startLighttpd(dir, programs.hello)),
  ];
  const rows: Row[] = [{ what: "khachapuri, cold", connections: 1, ...cold }];
  rows.push({
    what: "bwrap from a shell",
    connections: 1,
    ...await measureShellBwrap(programs.hello, 60),
  });
  for (const connections of CONNECTIONS) {
    rows.push({
      what: "fork + exec (floor)",
      connections,
      ...await measureFloor(programs, connections),
    });
    for (const server of servers) {
      await measureHttp(server.url, connections, 1);
      const figures = await measureHttp(server.url, connections, SECONDS);
      rows.push({ what: server.name, connections, ...figures });
    }
  }
  return { rows, must: requirements(rows, kib) };
}

function requirements(rows: readonly Row[], kib: number): Must[] {
  const find = (what: string, connections: number) =>
    rows.find((row) => row.what === what && row.connections === connections)!;
  const cold = rows[0]!.p50Ms;
  const hot = find(OURS, 1).p50Ms;
  const ratio = find(OURS, 4).perSecond / find(NGINX, 4).perSecond;
  return [
    { what: "cold p50", need: "≤ 10 ms", got: `${cold.toFixed(2)} ms`, ok: cold <= 10 },
    { what: "hot p50 at c=1", need: "≤ 2 ms", got: `${hot.toFixed(2)} ms`, ok: hot <= 2 },
    {
      what: "requests a second at c=4 / nginx + fcgiwrap",
      need: "≥ 0.8",
      got: ratio.toFixed(2),
      ok: ratio >= 0.8,
    },
    {
      what: "idle sandbox, PSS",
      need: "≤ 1000 KiB",
      got: `${kib} KiB`,
      ok: kib > 0 && kib <= 1000,
    },
  ];
}

function table({ rows, must }: { rows: Row[]; must: Must[] }): string {
  const floor = (connections: number) =>
    rows.find((row) => row.what.includes("floor") && row.connections === connections)!.perSecond;
  const lines = rows.map(({ what, connections, p50Ms, p99Ms, perSecond }) =>
    [
      what.padEnd(26),
      String(connections).padStart(3),
      p50Ms.toFixed(2).padStart(9),
      p99Ms.toFixed(2).padStart(9),
      (Number.isNaN(perSecond) ? "-" : perSecond.toFixed(0)).padStart(8),
      (Number.isNaN(perSecond) ? "-" : (perSecond / floor(connections)).toFixed(2)).padStart(9),
    ].join("  ")
  );
  const head = "what                          c     p50 ms     p99 ms     req/s   vs floor";
  const verdicts = must.map(({ what, need, got, ok }) =>
    `${ok ? "ok  " : "MISS"}  ${what}: ${got} (need ${need})`
  );
  return [head, ...lines, "", ...verdicts].join("\n");
}

const machine = {
  arch: Deno.build.arch,
  cpus: navigator.hardwareConcurrency,
  load: Deno.loadavg()[0],
  deno: Deno.version.deno,
};
const result = await run();
const text = Deno.args.includes("--json")
  ? JSON.stringify({ machine, ...result }, null, 2)
  : `${table(result)}\n\n${JSON.stringify(machine)}`;
await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
if (result.must.some(({ ok }) => !ok)) Deno.exitCode = 1;
