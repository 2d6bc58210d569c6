/**
 * A provider in a process of its own that tells how it fares. Told "watch" on a line, it watches
 * its event loop and memory; told "report", it prints what it saw since, and ends with its input.
 */
import process from "node:process";
import { readConfig } from "../lib/config.ts";
import { silentLog } from "../lib/log.ts";
import { startProvider } from "../lib/provider/door/serve.ts";
import { type Slices, watchStalls } from "./stall_watch.ts";

/** What it saw of itself. */
export interface Fared {
  slices: Slices;
  /** Resident memory as the watch began, and the most of it, bytes. */
  rssBefore: number;
  rssMost: number;
  /** Processor time of all its threads, ms. */
  cpuMs: number;
}

/** Between two looks at the memory, ms. */
const LOOK_MS = 10;

async function watch(until: Promise<void>): Promise<Fared> {
  const rss = () => Deno.memoryUsage().rss;
  const [rssBefore, cpu] = [rss(), process.cpuUsage()];
  let rssMost = rssBefore;
  const looking = setInterval(() => rssMost = Math.max(rssMost, rss()), LOOK_MS);
  const { slices } = await watchStalls(() => until);
  clearInterval(looking);
  const { user, system } = process.cpuUsage(cpu);
  return { slices, rssBefore, rssMost, cpuMs: (user + system) / 1_000 };
}

function say(what: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(what)}\n`));
}

async function serve(home: string): Promise<void> {
  const provider = await startProvider(await readConfig(home), { log: silentLog });
  say({ url: provider.url });
  let end = () => {};
  const decoder = new TextDecoder();
  for await (const bytes of Deno.stdin.readable) {
    for (const line of decoder.decode(bytes).split("\n")) {
      if (line === "watch") watch(new Promise((resolve) => end = resolve)).then(say);
      if (line === "report") end();
    }
  }
  await provider.stop();
}

if (import.meta.main) await serve(Deno.args[0]!);
