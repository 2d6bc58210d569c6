/** Starts a provider: opens its parts and listens, or takes the place of one that does. */
import { type Config, requireProvider } from "../../config.ts";
import type { Log } from "../../log.ts";
import { prepareSite, prepareSuccession } from "./prepare.ts";
import { Predecessor } from "./taking_over.ts";
import { type Hooks, type RunningProvider, Tenancy } from "./tenancy.ts";

export type { RunningProvider };

export interface ServeOptions extends Hooks {
  log: Log;
  now?: () => number;
  /** How long runs may go on after `stop`, ms. */
  graceMs?: number;
  /** Takes the place of the provider that runs on these books, where one does. */
  isSuccessor?: boolean;
  /** A socket that listens already, passed to this process; else it listens by itself. */
  fd?: number | null;
  /** Of port 80's, likewise. */
  httpFd?: number | null;
}

/**
 * Starts a provider.
 * @throws KhachapuriError when the configuration, the keys, the chain, the operator's approval or
 * the sandbox would not let it serve; it says what to do
 */
export async function startProvider(
  config: Config,
  { isSuccessor = false, ...options }: ServeOptions,
): Promise<RunningProvider> {
  const provider = requireProvider(config);
  const { log, now = Date.now, graceMs = null, fd = null, httpFd = null } = options;
  const own = { ...options, config, log, now, graceMs, fd, httpFd };
  const site = await prepareSite(config, { log, now });
  const predecessor = isSuccessor ? await Predecessor.of(site.state.book) : null;
  if (predecessor === null) return await Tenancy.begin(own, site);
  try {
    predecessor.assertSameBooks(provider);
    const succession = prepareSuccession(site, predecessor.agreed.generation + 1);
    return await Tenancy.succeed(own, succession, predecessor);
  } catch (error) {
    predecessor.leave();
    throw error;
  }
}
