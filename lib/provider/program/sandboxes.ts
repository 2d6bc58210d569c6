/** One sandbox or server for each deployment in use: opened at its first call, closed when idle. */
import type { Address } from "viem";
import type { Spares } from "../../../sandbox/spares.ts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { PROGRAM_REFUSALS_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { Askers, type Departing, type FairTurns } from "../deployment/fair_turns.ts";
import type { ProgramFolder, Programs } from "../deployment/programs.ts";
import type { SandboxUsage } from "../metrics/sandbox_usage.ts";
import type { SeatWait, ServerEvent, ServerView } from "../server/life.ts";
import { openDeployed, type WorkplaceGround } from "./deployed_workplace.ts";
import { Eviction } from "./eviction.ts";
import { HeldPlace } from "./held_place.ts";
import type { ProgramPlace } from "./interface/interface.ts";
import { programStarts, sandboxSetups } from "./program_starts.ts";
import type { Workplace } from "./workplace.ts";

/** A deployment's sandbox or server, which stays open for one call. */
export interface Lease {
  /** To be called once; a server may have to start an instance for it. */
  take(): ProgramPlace | SeatWait;
  /** When its program was there to be opened, on the clock of `performance.now()`. */
  readonly fetchedAt: number;
  /** Whether the sandbox was ended as its deployment is served no more. */
  isExpelled(): boolean;
  release(): void;
}

/** Is told what the servers of deployments do. */
export type NoteServer = (deployment: Deployment, event: ServerEvent) => void;

export interface SandboxesOptions extends WorkplaceGround {
  programs: Pick<Programs, "acquire">;
  noteServer: NoteServer;
  usage?: Pick<SandboxUsage, "timed" | "noteEvicted">;
  /** When the first call to a deployment was paid for, Unix ms; null: none was yet. */
  firstPaid(cid: CidText): number | null;
  /** A sandbox without a run for this long goes. */
  idleMs: number;
  /** @throws KhachapuriError where none is to be opened for the moment, e.g. for want of memory */
  assertRoom?(): void;
  /** Sandboxes that may be open; beyond it one goes that is not in use (eviction.ts). */
  openMax: number;
  /** Of this machine, beside those that are open; none where it has none. */
  spares?: Pick<Spares, "take" | "close" | "count">;
}

interface Opened {
  workplace: Workplace;
  folder: ProgramFolder;
  fetchedAt: number;
}

interface Held {
  readonly deployment: Deployment;
  readonly opened: Promise<Opened>;
  /** Who waits until it is open. */
  readonly askers: Askers;
  /** Once it is open. */
  workplace: Workplace | null;
  users: number;
  /** When the last user left, on the clock of `performance.now()`. */
  idleSince: number;
  /**
   * Ends it when it has been idle for long. One that is set is left to fire, as setting it anew for
   * each call would cost more (`deno task bench sandbox`, row "khachapuri, whole request").
   */
  idleTimer: ReturnType<typeof setTimeout> | null;
  /** A name that led to it leads elsewhere: it is not kept for more calls once it has none. */
  isRetired: boolean;
  /** Its deployment is served no more. */
  isExpelled: boolean;
}

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #held = new Map<CidText, Held>();
  /** What takes no more calls, until nothing of it is left. */
  readonly #leaving = new Set<Held>();
  readonly #starts: FairTurns<Address>;
  readonly #setups = sandboxSetups();
  /** Why deployments cannot run, as their last callers were told. */
  readonly #refusals = new Lru<CidText, KhachapuriError>(PROGRAM_REFUSALS_MAX);
  /** Which of what is held makes room for another. */
  readonly #eviction: Eviction<CidText>;
  #isRetiring = false;
  #isClosed = false;

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#starts = programStarts(options.isPaying);
    this.#eviction = new Eviction(options.openMax);
  }

  /**
   * The deployment's sandbox or server for one call, until `release`; no instance is started yet.
   * @param caller who gives up what has to wait, when it goes
   * @throws KhachapuriError from fetching and unpacking, `sandbox_unavailable`, `overloaded` when
   * too many programs are being fetched, or why a server is not started for a while
   */
  async acquire(deployment: Deployment, caller: Departing | null = null): Promise<Lease> {
    const entry = this.#hold(deployment);
    entry.users += 1;
    this.#eviction.use(deployment.cid);
    let held: HeldPlace | null = null;
    let isLeased = true;
    const release = () => {
      if (!isLeased) return;
      isLeased = false;
      held?.leave();
      entry.users -= 1;
      if (this.#isHeld(entry)) this.#eviction.rest(deployment.cid);
      entry.idleSince = performance.now();
      if (entry.users === 0) this.#endWhenIdle(entry);
    };
    try {
      const waiting = entry.workplace === null ? caller : null;
      const { workplace, fetchedAt } = await entry.askers.with(waiting, entry.opened);
      const refusal = workplace.refusal();
      if (refusal) throw refusal;
      const place = held = new HeldPlace(workplace);
      const isExpelled = () => entry.isExpelled;
      return { take: () => place.take(), fetchedAt, isExpelled, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Whether the deployment's sandbox need not be made first. */
  isOpen(cid: CidText): boolean {
    return (this.#held.get(cid)?.workplace ?? null) !== null;
  }

  /** Why the deployment's last caller got no run, if that was the program's fault. */
  refusal(cid: CidText): KhachapuriError | null {
    return this.#refusals.get(cid) ?? null;
  }

  /** Sandboxes open now. */
  open(): number {
    return this.#held.size;
  }

  figures(): { open: number; most: number; spare: number } {
    const { openMax: most, spares } = this.#options;
    return { open: this.open(), most, spare: spares?.count() ?? 0 };
  }

  /** Whether the provider is shutting down, the only one who ends a run that is nobody's fault. */
  isClosed(): boolean {
    return this.#isClosed;
  }

  /** Of each server in use, and of those that are leaving. */
  servers(): { deployment: Deployment; view: ServerView }[] {
    return [...this.#held.values(), ...this.#leaving].flatMap(({ deployment, workplace }) => {
      const view = workplace?.view() ?? null;
      return view === null ? [] : [{ deployment, view }];
    });
  }

  /** A deployment was stopped: its server takes no more calls, and ends with those that it has. */
  stop({ owner, id }: Pick<Deployment["spec"], "owner" | "id">): void {
    for (const entry of [...this.#held.values()]) {
      const { spec } = entry.deployment;
      if (spec.owner === owner && spec.id === id && spec.interface === "http") this.#drain(entry);
    }
  }

  /** No name leads to the deployment any more: it ends with the last of the calls that it has. */
  retire(cid: CidText): void {
    const entry = this.#held.get(cid);
    if (!entry) return;
    entry.isRetired = true;
    this.#endWhenIdle(entry);
  }

  /** Another process takes new calls: each deployment ends with the last of those that it has. */
  retireAll(): void {
    this.#isRetiring = true;
    void this.#options.spares?.close();
    for (const cid of [...this.#held.keys()]) this.retire(cid);
  }

  /** Ends the sandboxes of deployments that are served no more, with the runs in them. */
  async expel(isMeant: (deployment: Deployment) => boolean): Promise<void> {
    const meant = [...this.#held.values(), ...this.#leaving]
      .filter(({ deployment }) => isMeant(deployment));
    for (const entry of meant) entry.isExpelled = true;
    await Promise.all(meant.map((entry) => this.#end(entry, (workplace) => workplace.close())));
  }

  /** The provider shuts down: servers that nobody needs any more end meanwhile. */
  drain(): void {
    for (const { workplace } of this.#held.values()) {
      void workplace?.drain();
    }
  }

  /** Ends all sandboxes with the runs in them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#starts.close();
    this.#setups.close();
    const all = [...this.#held.values(), ...this.#leaving];
    const ends = all.map((entry) => this.#end(entry, (workplace) => workplace.close()));
    await Promise.all([this.#options.spares?.close(), ...ends]);
  }

  /** Ends a deployment's sandbox once what goes on in it is over. */
  #drain(entry: Held): void {
    void this.#end(entry, async (workplace) => {
      await workplace.drain();
      await workplace.close();
    });
  }

  async #end(entry: Held, how: (workplace: Workplace) => Promise<void>): Promise<void> {
    this.#letGo(entry);
    this.#leaving.add(entry);
    if (entry.idleTimer) clearTimeout(entry.idleTimer);
    const opened = await entry.opened.catch(() => null);
    if (opened) await how(opened.workplace);
    // Whoever closes it while it drains is the second to come here.
    if (this.#leaving.delete(entry)) opened?.folder.release();
  }

  #isHeld(entry: Held): boolean {
    return this.#held.get(entry.deployment.cid) === entry;
  }

  #letGo(entry: Held): void {
    if (!this.#isHeld(entry)) return;
    this.#held.delete(entry.deployment.cid);
    this.#eviction.leave(entry.deployment.cid);
  }

  #hold(deployment: Deployment): Held {
    const { cid } = deployment;
    const known = this.#held.get(cid);
    if (known) return known;
    this.#options.assertRoom?.();
    const askers = new Askers();
    const opened = this.#start(deployment, askers);
    const entry: Held = {
      deployment,
      opened,
      askers,
      workplace: null,
      users: 0,
      idleSince: 0,
      idleTimer: null,
      isRetired: this.#isRetiring,
      isExpelled: false,
    };
    this.#held.set(cid, entry);
    opened.then(({ workplace }) => {
      entry.workplace = workplace;
      // Of a server it is not known yet whether it starts.
      if (workplace.view() === null) this.#refusals.delete(cid);
    }, (error) => {
      this.#letGo(entry);
      if (isProgramsFault(error)) this.#refusals.set(cid, error);
    });
    return entry;
  }

  async #start(deployment: Deployment, { signal }: Askers): Promise<Opened> {
    const end = await this.#starts.take(deployment.spec.owner, signal);
    this.#makeRoom();
    return await this.#fetchAndOpen(deployment, signal).finally(end);
  }

  async #fetchAndOpen(deployment: Deployment, signal: AbortSignal): Promise<Opened> {
    const { programs, usage } = this.#options;
    const folder = await programs.acquire(deployment.spec);
    const fetchedAt = performance.now();
    const open = () => this.#open(deployment, folder.path, signal);
    const workplace = await (usage?.timed(open) ?? open()).catch((error) => {
      folder.release();
      throw error;
    });
    return { workplace, folder, fetchedAt };
  }

  #open(deployment: Deployment, programDir: string, signal: AbortSignal): Promise<Workplace> {
    return openDeployed(this.#options, deployment, programDir, {
      onEvent: (event) => this.#noteServer(deployment, event),
      onIdle: (workplace) => {
        const entry = this.#held.get(deployment.cid);
        if (entry?.workplace === workplace && entry.users === 0) this.#drain(entry);
      },
    }, () => this.#setups.take(deployment.spec.owner, signal));
  }

  #noteServer(deployment: Deployment, event: ServerEvent): void {
    const { cid } = deployment;
    if (event.kind === "failed") this.#refusals.set(cid, event.toOwner);
    if (event.kind === "started") {
      this.#refusals.delete(cid);
      this.#replaceOlder(deployment);
    }
    this.#options.noteServer(deployment, event);
  }

  /** An owner that deploys anew under the same id wants the new program in place of the old one. */
  #replaceOlder({ cid, spec: { owner, id } }: Deployment): void {
    const paid = this.#options.firstPaid(cid) ?? Infinity;
    for (const entry of [...this.#held.values()]) {
      const { deployment: { cid: other, spec } } = entry;
      if (other === cid || spec.owner !== owner || spec.id !== id) continue;
      // Whoever calls the old one again may: it starts anew, and ends nothing.
      const isOlder = (this.#options.firstPaid(other) ?? Infinity) < paid;
      if (isOlder && spec.interface === "http") this.#drain(entry);
    }
  }

  /** Ends a sandbox once it has been idle for long, unless it is used again before. */
  #endWhenIdle(entry: Held): void {
    if (entry.users > 0 || !this.#isHeld(entry)) return;
    if (entry.isRetired) return this.#drain(entry);
    if (entry.idleTimer) return;
    const left = entry.idleSince + this.#options.idleMs - performance.now();
    if (left <= 0) {
      // A server tells itself when the last of its instances has gone.
      if (entry.workplace?.isQuiet() ?? true) this.#drain(entry);
      return;
    }
    entry.idleTimer = setTimeout(() => {
      entry.idleTimer = null;
      this.#endWhenIdle(entry);
    }, left);
  }

  /**
   * Closes what is not in use until no more is open than may be, or all that is open is in use.
   * What only waits for its turn closes nothing: an owner's many starts would cost others theirs.
   */
  #makeRoom(): void {
    while (this.#held.size - this.#starts.waiting() > this.#options.openMax) {
      const victim = this.#eviction.victim();
      if (victim === null) return;
      this.#options.usage?.noteEvicted();
      this.#drain(this.#held.get(victim)!);
    }
  }
}

/** What its owner can mend: its program cannot be started, or nobody has it. */
function isProgramsFault(error: unknown): error is KhachapuriError {
  const codes = ["invalid_program", "not_found"];
  return error instanceof KhachapuriError && codes.includes(error.code);
}
