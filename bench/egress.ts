/**
 * What a way out costs: programs that call a server outside, from a sandbox and without one; what a
 * sandbox with a way out costs over one without; and how late what a program writes reaches its
 * caller. Measured in turns, so that the machine's noise meets all alike; figures are medians.
 * With `--against=COMMIT` also what sandboxes without a way out cost there.
 */
import { dirname, join } from "node:path";
import { makeEtc } from "../sandbox/etc.ts";
import type { EgressPolicy } from "../sandbox/egress.ts";
import { openSandbox, type Sandbox } from "../sandbox/sandbox.ts";
import { startChildProvider } from "../worlds/child_provider.ts";
import { startMarket } from "../worlds/market.ts";
import { checkOut, otherCommit, outputOf } from "./checkout.ts";
import { buildCaller, type Outside, startOutside } from "./egress_programs.ts";
import { atLeast, atMost, median, type Must, printReport, type Row } from "./report.ts";

const NAME = "outside.test";
const PORT = 80;
const ROUNDS = 7;
const EXCHANGES = 200;
/** One way, in each round. */
const BYTES = 512 * 1024 * 1024;
const COLD_STARTS = 40;
const HOT_RUNS = 600;
const STREAMS = 30;

const runUid = Deno.uid() === 0 ? 1_800_000_000 : null;
const limits = { timeoutMs: 15_000, memoryMb: 64, stdoutBytes: 1 << 20, stderrBytes: 1 << 14 };

/** A provider's bounds are not what is measured. */
function policyFor({ port }: Outside): EgressPolicy {
  return {
    hosts: [`${NAME}:${PORT}`],
    overrides: { [`${NAME}:${PORT}`]: `127.0.0.1:${port}` },
    connections: 64,
    connectionsPerSecond: 1_000_000,
    bytesPerSecond: 1e12,
    connectMs: 5_000,
    idleMs: 60_000,
  };
}

/** How sandboxes of this checkout, or of another, are opened for one program. */
type Opener = (egress: EgressPolicy | null) => Promise<Sandbox>;

function opener(open: typeof openSandbox, etc: string, program: string): Opener {
  const host = { launcher: "bwrap", runUid, etc } as const;
  return (egress) => open(host, { programDir: dirname(program), limits, egress });
}

/** Runs the program and returns the numbers that it printed. */
async function numbersOf(sandbox: Sandbox, args: readonly string[]): Promise<number[]> {
  const run = await sandbox.run({ argv: ["main", ...args], env: {}, stdin: null });
  const text = await new Response(run.stdout()).text();
  const { exit, stderr } = await run.record;
  if (exit !== 0) throw new Error(`${args[0]}: ${new TextDecoder().decode(stderr)}`);
  return numbers(text);
}

const numbers = (text: string) => text.split("\n").filter((line) => line !== "").map(Number);

/** From a sandbox and without one, in turns. */
interface Pair {
  direct: number[];
  sandboxed: number[];
}

async function inTurns(
  kind: "exchange" | "down" | "up",
  count: number,
  { program, sandbox, outside }: { program: string; sandbox: Sandbox; outside: Outside },
): Promise<Pair> {
  const pair: Pair = { direct: [], sandboxed: [] };
  const direct = [kind, "127.0.0.1", String(outside.port), String(count)];
  for (let round = 0; round < ROUNDS; round++) {
    pair.direct.push(...numbers(await outputOf(program, direct)));
    pair.sandboxed.push(...await numbersOf(sandbox, [kind, NAME, String(PORT), String(count)]));
  }
  return pair;
}

async function measureCalls(program: string, outside: Outside, open: Opener) {
  const sandbox = await open(policyFor(outside));
  const parts = { program, sandbox, outside };
  try {
    const exchange = await inTurns("exchange", EXCHANGES, parts);
    const down = await inTurns("down", BYTES, parts);
    const up = await inTurns("up", BYTES, parts);
    return { exchange, down, up };
  } finally {
    await sandbox.close();
  }
}

/** Milliseconds from nothing to the end of the first run. */
async function coldStart(open: () => Promise<Sandbox>): Promise<number> {
  const startedAt = performance.now();
  const sandbox = await open();
  await numbersOf(sandbox, ["nothing"]);
  const took = performance.now() - startedAt;
  await sandbox.close();
  return took;
}

/** Two kinds of sandboxes in turns: ms of cold starts, and of runs that do nothing. */
async function compare(one: () => Promise<Sandbox>, other: () => Promise<Sandbox>) {
  const cold = { one: [] as number[], other: [] as number[] };
  const hot = { one: [] as number[], other: [] as number[] };
  for (let start = 0; start < COLD_STARTS; start++) {
    cold.one.push(await coldStart(one));
    cold.other.push(await coldStart(other));
  }
  const [a, b] = [await one(), await other()];
  for (let run = 0; run < HOT_RUNS; run++) {
    for (const [sandbox, took] of [[a, hot.one], [b, hot.other]] as const) {
      const startedAt = performance.now();
      await numbersOf(sandbox, ["nothing"]);
      took.push(performance.now() - startedAt);
    }
  }
  await a.close();
  await b.close();
  return {
    cold: { one: median(cold.one), other: median(cold.other) },
    hot: { one: median(hot.one), other: median(hot.other) },
  };
}

/** ms until a real provider's caller has what a program wrote: its first event, and the others. */
async function measureEvents(program: string) {
  await using stack = new AsyncDisposableStack();
  const market = stack.use(await startMarket({ credits: 100_000n }));
  const files = { main: await Deno.readFile(program) };
  const limits = { timeoutMs: 5_000, memoryMb: 64, concurrency: 8, ownerCreditsPerMinute: 10_000 };
  const cid = await market.deploy({ files, fields: { interface: "cgi", limits } });
  await market.provider.stop();
  const provider = await startChildProvider(market.home, { logLevel: "info" });
  stack.defer(async () => void await provider.stop());
  const { hostname, port } = new URL((await provider.url)!);
  const first = new Map<string, number[]>(), later = new Map<string, number[]>();
  for (let call = 0; call < STREAMS; call++) {
    for (const kind of ["event-stream", "plain"]) {
      const heard = numbers(await outputOf(program, ["hear", hostname, port, `/${cid}?${kind}`]));
      const [one, ...others] = heard.map((us) => us / 1000);
      first.set(kind, [...first.get(kind) ?? [], one!]);
      later.set(kind, [...later.get(kind) ?? [], ...others]);
    }
  }
  return { first, later };
}

/** Without a way out, here and in another commit. */
async function measureAgainst(commit: string, program: string, etc: string, here: Opener) {
  const dir = await Deno.makeTempDir();
  try {
    const { root } = await checkOut(commit, dir);
    const { openSandbox: open } = await import(join(root, "sandbox/sandbox.ts"));
    const there = opener(open, etc, program);
    return await compare(() => here(null), () => there(null));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const rows: Row[] = [];
const must: Must[] = [];

async function addCalls(program: string, outside: Outside, open: Opener): Promise<void> {
  const { exchange, down, up } = await measureCalls(program, outside, open);
  const [ours, theirs] = [median(exchange.sandboxed) / 1000, median(exchange.direct) / 1000];
  rows.push({ what: "connect + 1 KiB round trip, ms", sandbox: ours, without: theirs });
  must.push(atMost("round trip beyond 1.5 of direct", ours - 1.5 * theirs, "ms", 0.3));
  for (const [name, { direct, sandboxed }] of [["in", down], ["out", up]] as const) {
    const what = `throughput ${name}, MB/s`;
    rows.push({ what, sandbox: median(sandboxed), without: median(direct) });
    // By round: from one to the next the machine is not the same.
    const ratios = sandboxed.map((each, round) => each / direct[round]!);
    must.push(atLeast(`throughput ${name}`, median(ratios), "of direct", 0.5));
  }
}

async function addSandboxes(outside: Outside, open: Opener): Promise<void> {
  const policy = policyFor(outside);
  const { cold, hot } = await compare(() => open(policy), () => open(null));
  rows.push({ what: "cold start, ms", sandbox: cold.one, without: cold.other });
  rows.push({ what: "a run, ms", sandbox: hot.one, without: hot.other });
  must.push(atMost("a way out at cold start", cold.one - cold.other, "ms", 3));
  must.push(atMost("a way out in a run", (hot.one - hot.other) * 1000, "µs", 50));
}

async function addAgainst(commit: string, program: string, etc: string, open: Opener) {
  const { cold, hot } = await measureAgainst(commit, program, etc, open);
  rows.push({
    what: `no way out, cold, ms, against ${commit}`,
    sandbox: cold.one,
    without: cold.other,
  });
  rows.push({
    what: `no way out, a run, ms, against ${commit}`,
    sandbox: hot.one,
    without: hot.other,
  });
  must.push(atMost("no way out, cold", cold.one / cold.other, "of the other tree's", 1.05));
  must.push(atMost("no way out, a run", hot.one / hot.other, "of the other tree's", 1.05));
}

async function addEvents(program: string): Promise<void> {
  const { first, later } = await measureEvents(program);
  for (const [kind, took] of first) {
    rows.push({ what: `first event as text/${kind}, ms`, sandbox: median(took) });
    rows.push({ what: `later events as text/${kind}, ms`, sandbox: median(later.get(kind)!) });
    must.push(atMost(`first byte of text/${kind}`, median(took), "ms", 2));
  }
}

await using stack = new AsyncDisposableStack();
const dir = await Deno.makeTempDir();
stack.defer(() => Deno.remove(dir, { recursive: true }));
await Deno.chmod(dir, 0o755);
const program = await buildCaller(join(dir, "caller"));
const etc = makeEtc(join(dir, "etc"));
const outside = stack.use(await startOutside(program));
const open = opener(openSandbox, etc, program);
await addCalls(program, outside, open);
await addSandboxes(outside, open);
const commit = otherCommit();
if (commit !== null) await addAgainst(commit, program, etc, open);
await addEvents(program);
printReport({ rows, must });
