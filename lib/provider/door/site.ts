/** What a provider's parts are opened on, and where they keep what they keep. */
import { join } from "node:path";
import { type Config, type ProviderConfig, resolveFromHome } from "../../config.ts";
import type { Log } from "../../log.ts";
import type { Ground } from "./preflight.ts";

export interface StateDirs {
  /** Ledger and logs: nobody else's. */
  book: string;
  cache: string;
  /** What owners have pushed. */
  kept: string;
  programs: string;
  etc: string;
  /** Where the sockets of servers are made, if its path is short enough. */
  sockets: string;
}

export interface Site {
  config: Config;
  provider: ProviderConfig;
  state: StateDirs;
  ground: Ground;
  log: Log;
  now: () => number;
}

/** The run uid passes through `stateDir` to an unpacked program whose name it is told, no more. */
export async function prepareState(config: Config, provider: ProviderConfig): Promise<StateDirs> {
  const dir = resolveFromHome(config, provider.stateDir);
  const [book, cache] = [join(dir, "book"), join(dir, "cache")];
  const [programs, etc] = [join(dir, "programs"), join(dir, "etc")];
  await Deno.mkdir(book, { recursive: true });
  await Deno.chmod(dir, 0o711);
  await Deno.chmod(book, 0o700);
  return { book, cache, kept: join(dir, "kept"), programs, etc, sockets: join(dir, "sockets") };
}
