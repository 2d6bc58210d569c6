/** How long a new call waits while one process of a provider takes another's place. */
import { startChildProvider } from "../worlds/child_provider.ts";
import { startLoad } from "../worlds/load.ts";
import { startMarket } from "../worlds/market.ts";
import { pause } from "../lib/pause.ts";

export interface Takeover {
  /** The longest that a call waited beyond what half of them take, ms. */
  gapMs: number;
  /** Of that, how long nobody had the books, ms; as the process says that handed them over. */
  heldMs: number;
  /** Requests that were not answered whole. */
  errors: number;
}

const LIMITS = { timeoutMs: 5_000, memoryMb: 64, concurrency: 32, ownerCreditsPerMinute: 60_000 };

/** Measures one takeover under callers that keep their connection and callers that do not. */
export async function measureTakeover({ kept = 2, fresh = 2 } = {}): Promise<Takeover> {
  const settlement = { mode: "batch", intervalSeconds: 60 };
  await using market = await startMarket({ credits: 100_000n, settings: { settlement } });
  const cid = await market.deploy({
    files: { main: "#!/bin/sh\necho hello\n" },
    fields: { limits: LIMITS },
  });
  await market.provider.stop();
  const first = await startChildProvider(market.home, { logLevel: "info" });
  const port = Number(new URL((await first.url)!).port);
  const connect = () => Deno.connect({ port });
  const load = startLoad({ connect, path: `/${cid}`, answer: "hello\n", kept, fresh });
  while (load.answered() < 200) await pause(20);
  const usual = middle(load.times());
  const second = await startChildProvider(market.home, { logLevel: "info", isSuccessor: true });
  await second.url;
  const answered = load.answered();
  while (load.answered() < answered + 200) await pause(20);
  const slowest = load.times().at(-1)!;
  await load.stop();
  await first.ended;
  await second.stop();
  const log = await Deno.readTextFile(`${market.home}/provider.log`);
  const [, heldMs = "0"] = /"handed over","waitedMs":(\d+)/.exec(log) ?? [];
  return { gapMs: slowest - usual, heldMs: Number(heldMs), errors: load.errors.length };
}

function middle(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1] ?? 0;
}
