/**
 * What a developer waits for: `deploy` of a 5 MB program as the command in a process of its own,
 * dry run included, with a process that does nothing as its floor; the first call after each; and
 * 10,000 files packed. The provider has a process of its own, too. `--json` prints the same for
 * machines.
 */
import { join } from "node:path";
import { packForDeployment } from "../lib/client/packed_program.ts";
import { type ChildProvider, startChildProvider } from "../worlds/child_provider.ts";
import { commandFromSource } from "../worlds/command_line.ts";
import { randomBytes } from "../worlds/crowd_programs.ts";
import { startMarket } from "../worlds/market.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";
import { atMost, median, printReport, quantile, type Report, type Row } from "./report.ts";

const DEPLOYMENTS = 16;
const PROGRAM_BYTES = 5_000_000;
/** With `main` as many as a program may have, folders counted: so it has none. */
const FILES = 9_999;
const PACKINGS = 5;
const MAIN = "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\n\\r\\nhello\\n'\n";
/** Credits: they are the owner's quota of kept bytes, too. */
const PLENTY = 1_000_000n;

/** A program of so many bytes that nobody has seen and no compression makes small. */
async function writeProgram(dir: string): Promise<void> {
  await Deno.writeFile(join(dir, "data"), randomBytes(PROGRAM_BYTES));
  await Deno.writeTextFile(join(dir, "main"), MAIN, { mode: 0o755 });
}

/** Runs the command line in a process of its own; how long it took, and what it printed. */
async function command(home: string, args: readonly string[]) {
  const [program, ...flags] = commandFromSource();
  const startedAt = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(program!, {
    args: [...flags, ...args],
    env: { KHACHAPURI_HOME: home, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const ms = performance.now() - startedAt;
  if (code !== 0) throw new Error(`${args[0]}: ${code}\n${new TextDecoder().decode(stderr)}`);
  return { ms, text: new TextDecoder().decode(stdout) };
}

interface Times {
  readonly start: number[];
  readonly deploy: number[];
  readonly firstCall: number[];
  readonly secondCall: number[];
}

async function measureDeployments(): Promise<Times> {
  await using stack = new AsyncDisposableStack();
  // Settling is the payments bench's matter: here no batch falls due.
  const settlement = { mode: "batch", intervalSeconds: 360, amount: "1000000000" };
  const market = stack.use(await startMarket({ settings: { settlement }, credits: PLENTY }));
  const owner = stack.use(await openOwnersHome(market));
  await market.provider.stop();
  const provider = stack.adopt(await startChildProvider(market.home, { logLevel: "info" }), ended);
  const url = await provider.url;
  if (url === null) throw new Error(`it does not start: see ${market.home}/provider.log`);
  await owner.register({ webDomain: url });
  const dir = join(owner.dir, "program");
  await Deno.mkdir(dir);
  const times: Times = { start: [], deploy: [], firstCall: [], secondCall: [] };
  // Not counted: the first fills what Deno caches of the source.
  for (let run = -1; run < DEPLOYMENTS; run++) {
    await writeProgram(dir);
    const one = await measureDeployment(owner.dir, dir, url);
    if (run < 0) continue;
    for (const [what, ms] of Object.entries(one)) times[what as keyof Times].push(ms);
  }
  return times;
}

async function ended(provider: ChildProvider): Promise<void> {
  await provider.stop();
}

async function measureDeployment(home: string, dir: string, url: string) {
  const { ms: start } = await command(home, ["--version"]);
  const flags = ["--provider", NAME, "--accept-terms", "--json"];
  const { ms: deploy, text } = await command(home, ["deploy", dir, ...flags]);
  const { cid } = JSON.parse(text);
  const firstCall = await call(`${url}/${cid}`);
  return { start, deploy, firstCall, secondCall: await call(`${url}/${cid}`) };
}

async function call(url: string): Promise<number> {
  const startedAt = performance.now();
  const answer = await (await fetch(url)).text();
  if (answer !== "hello\n") throw new Error(`answered ${JSON.stringify(answer)}`);
  return performance.now() - startedAt;
}

/** Milliseconds that each packing of the same 10,000 files takes. */
async function measurePacking(): Promise<number[]> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(dir, "main"), MAIN, { mode: 0o755 });
    for (let file = 0; file < FILES; file++) {
      const text = `export const number = ${file};\n`.repeat(20);
      await Deno.writeTextFile(join(dir, `${file}.js`), text);
    }
    const times: number[] = [];
    for (let run = 0; run < PACKINGS; run++) {
      const startedAt = performance.now();
      await packForDeployment(dir, false, { entrypoint: "./main", env: {} });
      times.push(performance.now() - startedAt);
    }
    return times;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function row(what: string, times: readonly number[]): Row {
  return {
    what,
    runs: times.length,
    "p50 ms": median(times),
    "p90 ms": quantile(times, 0.9),
    "most, ms": Math.max(...times),
  };
}

async function run(): Promise<Report> {
  const packing = await measurePacking();
  const { start, deploy, firstCall, secondCall } = await measureDeployments();
  return {
    rows: [
      row("khachapuri --version (floor)", start),
      { ...row("deploy, 5 MB", deploy), "floor's share": median(start) / median(deploy) },
      row("first call after it", firstCall),
      row("second call", secondCall),
      row("10,000 files packed", packing),
    ],
    must: [
      atMost("deploy of 5 MB, dry run included", median(deploy), "ms", 1_500),
      atMost("first call after deploy, p50", median(firstCall), "ms", 30),
      atMost("10,000 files packed", median(packing), "ms", 3_000),
    ],
  };
}

printReport(await run());
