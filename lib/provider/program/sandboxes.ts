/** One sandbox for each deployment in use: opened at its first call, closed when idle. */
import type { Address } from "viem";
import type { Sandbox, SandboxHost } from "../../../sandbox/sandbox.ts";
import { prepareHost } from "../../../sandbox/native.ts";
import { openSandbox } from "../../../sandbox/sandbox.ts";
import type { CidText } from "../../cid.ts";
import type { ProviderConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  OWNER_PROGRAM_STARTS_MAX,
  PROGRAM_REFUSALS_MAX,
  PROGRAM_STARTS_MAX,
  STRANGER_PROGRAM_STARTS_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { ProgramFolder, Programs } from "../deployment/programs.ts";
import type { ServerView } from "../server/life.ts";
import type { NoteEgress } from "./egress_notes.ts";
import { egressPolicy } from "./egress_policy.ts";
import { type RunAllowance, runCreditsMax, runLimits } from "./run_limits.ts";
import type { NoteServer } from "./server_notes.ts";

/** First uid of programs unless the configuration says another: a range without accounts. */
const RUN_UID_FIRST = 1_800_000_000;

/**
 * How this machine starts sandboxes, by the configuration and by what we may do: programs get uids
 * of their own wherever they can have them.
 * @throws KhachapuriError `sandbox_unavailable` when the native helper cannot be started
 */
export async function sandboxHost(config: ProviderConfig["sandbox"]): Promise<SandboxHost> {
  const { launcher, launcherPath, runUid = null } = config;
  const path = launcherPath === undefined ? {} : { launcherPath };
  const host: SandboxHost = { launcher, ...path, runUid };
  if (runUid !== null) return host;
  const { choosesUid } = await prepareHost(host);
  return choosesUid || Deno.uid() === 0 ? { ...host, runUid: RUN_UID_FIRST } : host;
}

export interface Lease {
  readonly sandbox: Sandbox;
  /** When its program was there to be opened, on the clock of `performance.now()`. */
  readonly fetchedAt: number;
  release(): void;
}

export interface SandboxesOptions {
  host: SandboxHost;
  programs: Pick<Programs, "acquire">;
  /** Whether an owner has a deployment here that was paid for. */
  isPaying(owner: Address): boolean;
  /** The provider's own: a spec can ask for less, never for more. */
  limits: Required<RunAllowance>;
  /** Of what a deployment's programs may call. */
  egress: ProviderConfig["egress"];
  noteEgress: NoteEgress;
  noteServer?: NoteServer;
  /** A sandbox without a run for this long goes. */
  idleMs: number;
  /** Sandboxes that may be open; beyond it the longest idle goes first. */
  openMax: number;
}

interface Opened {
  sandbox: Sandbox;
  folder: ProgramFolder;
  fetchedAt: number;
}

interface Held {
  sandbox: Promise<Opened>;
  isOpen: boolean;
  users: number;
  /** When the last user left, on the clock of `performance.now()`. */
  idleSince: number;
  /**
   * Ends it when it has been idle for long. One that is set is left to fire, as setting it anew for
   * each call would cost more (`deno task bench sandbox`, row "khachapuri, whole request").
   */
  idleTimer: ReturnType<typeof setTimeout> | null;
}

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #held = new Map<CidText, Held>();
  /** Owners of what is being started. */
  readonly #starting: Address[] = [];
  /** Why deployments cannot run, as their last callers were told. */
  readonly #refusals = new Lru<CidText, KhachapuriError>(PROGRAM_REFUSALS_MAX);
  #isClosed = false;

  constructor(options: SandboxesOptions) {
    this.#options = options;
  }

  /**
   * The deployment's sandbox, ready to run; held until `release`.
   * @throws KhachapuriError from fetching and unpacking, `sandbox_unavailable`, or `overloaded`
   * when too many programs are being fetched
   */
  async acquire(deployment: Deployment): Promise<Lease> {
    const entry = this.#hold(deployment);
    entry.users += 1;
    let isLeased = true;
    const release = () => {
      if (!isLeased) return;
      isLeased = false;
      entry.users -= 1;
      entry.idleSince = performance.now();
      if (entry.users === 0) this.#endWhenIdle(deployment.cid, entry);
    };
    try {
      const { sandbox, fetchedAt } = await entry.sandbox;
      return { sandbox, fetchedAt, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Whether the deployment's sandbox need not be made first. */
  isOpen(cid: CidText): boolean {
    return this.#held.get(cid)?.isOpen ?? false;
  }

  /** Why the deployment's last caller got no run, if that was the program's fault. */
  refusal(cid: CidText): KhachapuriError | null {
    return this.isOpen(cid) ? null : this.#refusals.get(cid) ?? null;
  }

  /** Sandboxes open now. */
  open(): number {
    return this.#held.size;
  }

  /** Of each server in use, and of those that are leaving. */
  servers(): { deployment: Deployment; view: ServerView }[] {
    return [];
  }

  /** Whether the provider is shutting down, the only one who ends a run that is nobody's fault. */
  isClosed(): boolean {
    return this.#isClosed;
  }

  /** Ends all sandboxes with the runs in them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#held.keys()].map((cid) => this.#end(cid)));
  }

  /** Ends a deployment's sandbox and all runs in it. */
  async #end(cid: CidText): Promise<void> {
    const entry = this.#held.get(cid);
    if (!entry) return;
    this.#held.delete(cid);
    if (entry.idleTimer) clearTimeout(entry.idleTimer);
    const opened = await entry.sandbox.catch(() => null);
    await opened?.sandbox.close();
    opened?.folder.release();
  }

  #hold(deployment: Deployment): Held {
    const { cid } = deployment;
    const known = this.#held.get(cid);
    if (known) return known;
    const started = this.#admitStart(deployment);
    this.#makeRoom();
    const sandbox = this.#start(deployment).finally(started);
    const entry: Held = { sandbox, isOpen: false, users: 0, idleSince: 0, idleTimer: null };
    this.#held.set(cid, entry);
    sandbox.then(() => entry.isOpen = true, (error) => {
      if (this.#held.get(cid) === entry) this.#held.delete(cid);
      if (isProgramsFault(error)) this.#refusals.set(cid, error);
    });
    return entry;
  }

  /** A program that nobody has takes a minute to fail, and costs nothing. */
  #admitStart({ spec: { owner } }: Deployment): () => void {
    const starting = this.#starting;
    const own = starting.filter((other) => other === owner).length;
    // Keys cost nothing: those of strangers together leave room for who has paid here.
    const isPaying = this.#options.isPaying(owner);
    const room = isPaying ? PROGRAM_STARTS_MAX : STRANGER_PROGRAM_STARTS_MAX;
    if (starting.length >= room || own >= OWNER_PROGRAM_STARTS_MAX) {
      throw new KhachapuriError("overloaded", "too many programs are being fetched", {
        retryAfterSeconds: 2,
      });
    }
    starting.push(owner);
    return () => void starting.splice(starting.indexOf(owner), 1);
  }

  async #start(deployment: Deployment): Promise<Opened> {
    const { programs, host, limits, egress, noteEgress } = this.#options;
    const { spec } = deployment;
    const folder = await programs.acquire(spec);
    const fetchedAt = performance.now();
    const sandbox = await openSandbox(host, {
      programDir: folder.path,
      limits: runLimits({
        timeoutMs: Math.min(spec.limits.timeoutMs, limits.timeoutMs),
        memoryMb: Math.min(spec.limits.memoryMb, limits.memoryMb),
        credits: runCreditsMax(spec, limits.credits),
        responseBytes: limits.responseBytes,
      }),
      egress: egressPolicy(spec.egress, egress),
    }, (event) => noteEgress(deployment, event)).catch((error) => {
      folder.release();
      throw error;
    });
    return { sandbox, folder, fetchedAt };
  }

  /** Ends a sandbox once it has been idle for long, unless it is used again before. */
  #endWhenIdle(cid: CidText, entry: Held): void {
    if (entry.idleTimer || entry.users > 0 || this.#held.get(cid) !== entry) return;
    const left = entry.idleSince + this.#options.idleMs - performance.now();
    if (left <= 0) return void this.#end(cid);
    entry.idleTimer = setTimeout(() => {
      entry.idleTimer = null;
      this.#endWhenIdle(cid, entry);
    }, left);
  }

  /** Closes what has been idle for longest until one more may be open, or none is idle. */
  #makeRoom(): void {
    const idle = [...this.#held].filter(([, { users }]) => users === 0);
    idle.sort(([, one], [, other]) => one.idleSince - other.idleSince);
    const over = Math.max(0, this.#held.size + 1 - this.#options.openMax);
    for (const [cid] of idle.slice(0, over)) this.#end(cid);
  }
}

/** What its owner can mend: its program cannot be started, or nobody has it. */
function isProgramsFault(error: unknown): error is KhachapuriError {
  const codes = ["invalid_program", "not_found"];
  return error instanceof KhachapuriError && codes.includes(error.code);
}
