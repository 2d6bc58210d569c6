/** One sandbox for each deployment in use: opened at its first call, closed when idle. */
import type { Address } from "viem";
import type { Sandbox, SandboxHost } from "../../../sandbox/sandbox.ts";
import { openSandbox } from "../../../sandbox/sandbox.ts";
import type { ProviderConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { RESPONSE_BYTES_MAX, RESPONSE_HEAD_BYTES_MAX, STDERR_BYTES_MAX } from "../../limits.ts";
import type { Deployment } from "../deployment/deployments.ts";
import type { ProgramFolder, Programs } from "../deployment/programs.ts";

/** First uid of programs when the provider is root: a range that nobody has an account in. */
const RUN_UID_FIRST = 1_800_000_000;

/** How this machine starts sandboxes, by the configuration and by who runs us. */
export function sandboxHost(config: ProviderConfig["sandbox"]): SandboxHost {
  const { launcher, launcherPath, runUid } = config;
  const isRoot = Deno.uid() === 0;
  return {
    launcher,
    ...(launcherPath === undefined ? {} : { launcherPath }),
    runUid: runUid ?? (isRoot ? RUN_UID_FIRST : null),
  };
}

export interface Sandboxes {
  /**
   * The deployment's sandbox, ready to run; held until `release`.
   * @throws KhachapuriError from fetching and unpacking, `sandbox_unavailable`, or `overloaded`
   * when too many programs are being fetched
   */
  acquire(deployment: Deployment): Promise<Lease>;
  /** Whether the deployment's sandbox need not be made first. */
  isOpen(cid: string): boolean;
  /** Ends a stopped deployment's sandbox and all runs in it. */
  end(cid: string): Promise<void>;
  /** Sandboxes open now. */
  open(): number;
  close(): Promise<void>;
}

export interface Lease {
  readonly sandbox: Sandbox;
  release(): void;
}

export interface SandboxesOptions {
  host: SandboxHost;
  programs: Programs;
  /** The provider's own limits: a spec can ask for less, never for more. */
  timeoutMs: number;
  memoryMb: number;
  /** A sandbox without a run for this long goes. */
  idleMs: number;
  /** Sandboxes that may be open; beyond it the longest idle goes first. */
  openMax: number;
}

/** Programs being fetched and unpacked at a time. */
const STARTS_MAX = 32;
/** Of those, one owner's: a program that nobody has takes a minute to fail, and costs nothing. */
const OWNER_STARTS_MAX = 4;

interface Opened {
  sandbox: Sandbox;
  folder: ProgramFolder;
}

interface Held {
  sandbox: Promise<Opened>;
  isOpen: boolean;
  users: number;
  /** When the last user left, on the clock of `performance.now()`. */
  idleSince: number;
  /** Looks whether it is idle for long; left to fire, as setting one for each call costs more. */
  look: ReturnType<typeof setTimeout> | null;
}

export function createSandboxes(options: SandboxesOptions): Sandboxes {
  const held = new Map<string, Held>();
  /** Owners of what is being started. */
  const starting: Address[] = [];

  function admitStart({ spec: { owner } }: Deployment): () => void {
    const own = starting.filter((other) => other === owner).length;
    if (starting.length >= STARTS_MAX || own >= OWNER_STARTS_MAX) {
      throw new KhachapuriError("overloaded", "too many programs are being fetched", {
        retryAfterSeconds: 2,
      });
    }
    starting.push(owner);
    return () => void starting.splice(starting.indexOf(owner), 1);
  }

  async function start({ spec }: Deployment): Promise<Opened> {
    const folder = await options.programs.acquire(spec);
    const { timeoutMs, memoryMb } = spec.limits;
    const sandbox = await openSandbox(options.host, {
      programDir: folder.path,
      limits: {
        timeoutMs: Math.min(timeoutMs, options.timeoutMs),
        memoryMb: Math.min(memoryMb, options.memoryMb),
        stdoutBytes: RESPONSE_BYTES_MAX + RESPONSE_HEAD_BYTES_MAX,
        stderrBytes: STDERR_BYTES_MAX,
      },
    }).catch((error) => {
      folder.release();
      throw error;
    });
    return { sandbox, folder };
  }

  async function end(cid: string): Promise<void> {
    const entry = held.get(cid);
    if (!entry) return;
    held.delete(cid);
    if (entry.look) clearTimeout(entry.look);
    const opened = await entry.sandbox.catch(() => null);
    await opened?.sandbox.close();
    opened?.folder.release();
  }

  /** Ends a sandbox once it has been idle for long, unless it is used again before. */
  function endWhenIdle(cid: string, entry: Held): void {
    if (entry.look || entry.users > 0 || held.get(cid) !== entry) return;
    const left = entry.idleSince + options.idleMs - performance.now();
    if (left <= 0) return void end(cid);
    entry.look = setTimeout(() => {
      entry.look = null;
      endWhenIdle(cid, entry);
    }, left);
  }

  /** Closes what has been idle for longest until one more may be open, or none is idle. */
  function makeRoom(): void {
    const idle = [...held].filter(([, { users }]) => users === 0);
    idle.sort(([, one], [, other]) => one.idleSince - other.idleSince);
    const over = Math.max(0, held.size + 1 - options.openMax);
    for (const [cid] of idle.slice(0, over)) end(cid);
  }

  function hold(deployment: Deployment): Held {
    const { cid } = deployment;
    const known = held.get(cid);
    if (known) return known;
    const started = admitStart(deployment);
    makeRoom();
    const sandbox = start(deployment).finally(started);
    const entry: Held = { sandbox, isOpen: false, users: 0, idleSince: 0, look: null };
    held.set(cid, entry);
    sandbox.then(() => entry.isOpen = true, () => {
      if (held.get(cid) === entry) held.delete(cid);
    });
    return entry;
  }

  return {
    end,
    open: () => held.size,
    isOpen: (cid) => held.get(cid)?.isOpen ?? false,
    async acquire(deployment) {
      const entry = hold(deployment);
      entry.users += 1;
      let leased = true;
      function release(): void {
        if (!leased) return;
        leased = false;
        entry.users -= 1;
        entry.idleSince = performance.now();
        if (entry.users === 0) endWhenIdle(deployment.cid, entry);
      }
      try {
        return { sandbox: (await entry.sandbox).sandbox, release };
      } catch (error) {
        release();
        throw error;
      }
    },
    async close() {
      await Promise.all([...held.keys()].map(end));
    },
  };
}
