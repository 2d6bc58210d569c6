/**
 * What a provider on a small machine waits for, and holds while nobody calls: the size of the one
 * file, the time from its start to the first answered request, on an endpoint of the chain beside
 * it and on one that is 80 ms away, and the memory of a provider that was left alone.
 * `deno task bench start [--against=COMMIT] [--json]`; the other commit's file is measured in
 * turns. Starts are those after the first, which unpacks the file.
 */
import { join } from "node:path";
import { pause } from "../lib/pause.ts";
import { startCountingRpc } from "../worlds/chain/counting_rpc.ts";
import { changeConfig } from "../worlds/home.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { type Checkout, checkOut, HERE, otherCommit, outputOf } from "./checkout.ts";
import { atMost, median, type Must, printReport, quantile, type Row } from "./report.ts";
import { measureTakeover } from "./takeover.ts";

const STARTS = 10;
const COMMANDS = 10;
const AWAY_MS = 80;
const IDLE_MS = 30_000;
const MB_MOST = 45;
const START_MS_MOST = 500;
const IDLE_MB_MOST = 90;

/** One checkout's file, unpacked, with a home of its own on the market's chain. */
interface Packaged {
  readonly name: string;
  readonly file: string;
  readonly cache: string;
  readonly home: string;
}

interface Serving {
  readonly pid: number;
  /** From its start to its first answer. */
  readonly ms: number;
  stop(): Promise<void>;
}

async function packaged(checkout: Checkout, market: Market, dir: string): Promise<Packaged> {
  const { name, root } = checkout;
  const at = join(dir, `package-${name}`);
  const [file, cache, home] = [join(at, "khachapuri"), join(at, "cache"), join(at, "home")];
  await Deno.mkdir(home, { recursive: true, mode: 0o755 });
  for (const part of ["config.json", "keys.json", "terms.txt"]) {
    await Deno.copyFile(join(market.home, part), join(home, part));
  }
  const build = ["run", "--quiet", "--frozen", "--no-prompt", "-A", "tools/package.ts", file];
  await outputOf(Deno.execPath(), build, root);
  const one = { name, file, cache, home };
  // Not counted: it unpacks the file, and lays out the state.
  await (await serve(one)).stop();
  return one;
}

function command({ file, cache, home }: Packaged, args: readonly string[]): Deno.Command {
  return new Deno.Command(file, {
    args: [...args],
    env: { XDG_CACHE_HOME: cache, KHACHAPURI_HOME: home, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
}

/** @param rpc in place of the configuration's */
async function serve(one: Packaged, rpc?: string): Promise<Serving> {
  if (rpc !== undefined) await changeConfig(one.home, (config) => ({ ...config, rpc }));
  const startedAt = performance.now();
  const process = command(one, ["serve"]).spawn();
  const url = await listeningUrl(process.stdout);
  await (await fetch(`${url}/healthz`)).text();
  const ms = performance.now() - startedAt;
  return {
    pid: process.pid,
    ms,
    async stop() {
      process.kill("SIGTERM");
      await process.status;
    },
  };
}

async function listeningUrl(stdout: ReadableStream<Uint8Array>): Promise<string> {
  const [own, rest] = stdout.tee();
  rest.cancel().catch(() => {});
  let head = "";
  for await (const text of own.pipeThrough(new TextDecoderStream())) {
    head += text;
    const [url] = /https?:\/\/127\.0\.0\.1:\d+(?=\D)/.exec(head) ?? [];
    if (url) return url;
  }
  throw new Error(`it does not serve: ${head}`);
}

/** ms of each start, of the files in turns. */
async function starts(all: readonly Packaged[], rpc: string): Promise<Map<string, number[]>> {
  const took = new Map(all.map(({ name }): [string, number[]] => [name, []]));
  for (let turn = 0; turn < STARTS; turn++) {
    for (const one of turn % 2 === 0 ? all : all.toReversed()) {
      const serving = await serve(one, rpc);
      took.get(one.name)!.push(serving.ms);
      await serving.stop();
    }
  }
  return took;
}

async function commands(one: Packaged, ...args: string[]): Promise<number[]> {
  const took: number[] = [];
  for (let turn = 0; turn < COMMANDS; turn++) {
    const startedAt = performance.now();
    await command(one, args).output();
    took.push(performance.now() - startedAt);
  }
  return took;
}

/** MB of a provider that nobody has called for half a minute. */
async function idle(one: Packaged, rpc: string): Promise<number> {
  const serving = await serve(one, rpc);
  await pause(IDLE_MS);
  const status = await outputOf("cat", [`/proc/${serving.pid}/status`]);
  await serving.stop();
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1_000;
}

function timeRow(file: string, what: string, took: readonly number[]): Row {
  return { file, what, "p50 ms": median(took), "p90 ms": quantile(took, 0.9) };
}

async function measure(): Promise<{ rows: Row[]; must: Must[] }> {
  await using market = await startMarket({ settings: { settlement: { intervalSeconds: 360 } } });
  await market.provider.stop();
  await using away = startCountingRpc(market.rpc, AWAY_MS);
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  const against = otherCommit();
  const checkouts = against === null ? [HERE] : [HERE, await checkOut(against, dir)];
  const all: Packaged[] = [];
  for (const checkout of checkouts) all.push(await packaged(checkout, market, dir));
  const near = await starts(all, market.rpc);
  const far = await starts(all, away.url);
  const rows: Row[] = [];
  const must: Must[] = [];
  for (const one of all) {
    const { name } = one;
    const megabytes = (await Deno.stat(one.file)).size / 1e6;
    const memory = await idle(one, market.rpc);
    rows.push(
      timeRow(name, "start to first answer", near.get(name)!),
      timeRow(name, `the same, chain ${AWAY_MS} ms away`, far.get(name)!),
      timeRow(name, "--version", await commands(one, "--version")),
      timeRow(name, "help", await commands(one, "help")),
      { file: name, what: "package", MB: megabytes },
      { file: name, what: "idle RSS", MB: memory },
    );
    if (name !== HERE.name) continue;
    must.push(
      atMost("package", megabytes, "MB", MB_MOST),
      atMost(
        "start to first answer, after the first",
        median(near.get(name)!),
        "ms",
        START_MS_MOST,
      ),
      atMost("idle RSS", memory, "MB", IDLE_MB_MOST),
    );
  }
  await Deno.remove(dir, { recursive: true });
  const takeover = await measureTakeover();
  rows.push({ file: HERE.name, what: "takeover under load, longest wait", ms: takeover.gapMs });
  rows.push({ file: HERE.name, what: "of it, books nobody's", ms: takeover.heldMs });
  must.push(atMost("calls lost to a takeover", takeover.errors, "", 0));
  return { rows, must };
}

printReport(await measure());
