/**
 * Sandboxes that are started before anybody needs them, each for one deployment that does: all that
 * takes long is done, and no program is in them. What is shown as the program's folder is the one
 * that all of them lie in, until the program's own is laid over it (init/confine.c) by an init that
 * has its rights as in every sandbox before its first run. Limits, filter, way out and cgroup come
 * with the deployment, as they do to a sandbox that is started for it.
 */
import { basename, dirname, normalize } from "node:path";
import { SPARE_DELAY_MS, SPARE_DISTRUST_MS } from "../lib/limits_of_sandboxes.ts";
import { pause } from "../lib/pause.ts";
import { memoryBytesOf, policyBytesOf, spareArguments } from "./launch.ts";
import { helperPath, prepareHost, spawnHelper } from "./native.ts";
import type { SandboxHost, SandboxPolicy } from "./policy.ts";
import { encodeOrder } from "./protocol.ts";
import { assertUnprivileged, type RunUid, takeRunUid } from "./uid.ts";

/** A spare on its way to a deployment. */
export interface TakenSpare {
  readonly child: Deno.ChildProcess;
  readonly uid: RunUid;
  /** The name of the program's folder. */
  readonly program: string;
  /** What it is to be told first. */
  readonly order: Uint8Array;
  /** To be told whether it took its program: after one that did not none is trusted for a while. */
  tell(isGood: boolean): void;
  /** Ends it, as it is told nothing after all, and gives its uid back. */
  end(): Promise<void>;
}

interface Spare {
  readonly child: Deno.ChildProcess;
  readonly uid: RunUid;
  readonly callsOut: boolean;
}

export interface SparesOptions {
  readonly host: SandboxHost;
  /** Absolute path of the folder that all programs lie in. */
  readonly programs: string;
  /** How many stand ready at a time; 0: none. */
  readonly most: number;
  /** Whether the machine has room for one now. */
  mayStart(): boolean;
  now?: () => number;
}

export class Spares {
  readonly #options: SparesOptions;
  readonly #now: () => number;
  /** Longest there first. */
  readonly #ready: Spare[] = [];
  readonly #ending = new Set<Promise<void>>();
  #starting: Promise<void> | null = null;
  /** How many were asked for so far, */
  #wanted = 0;
  /** and whether they call out, of those for which none was started since. */
  readonly #kinds = new Set<boolean>();
  #distrustedUntil = -Infinity;
  #isClosed = false;

  constructor(options: SparesOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Those that stand ready, or will in a moment. */
  count(): number {
    return this.#ready.length;
  }

  /**
   * One for a deployment; null where none stands ready that is of its kind. Another of its kind is
   * started for the next one.
   */
  take(policy: SandboxPolicy): TakenSpare | null {
    if (dirname(policy.programDir) !== normalize(this.#options.programs)) return null;
    const callsOut = (policy.egress ?? null) !== null;
    const order = encodeOrder(memoryBytesOf(policy), policyBytesOf(policy));
    const at = this.#ready.findIndex((spare) => spare.callsOut === callsOut);
    const [spare] = at < 0 ? [] : this.#ready.splice(at, 1);
    this.#startLater(callsOut);
    if (!spare) return null;
    return {
      child: spare.child,
      uid: spare.uid,
      program: basename(policy.programDir),
      order,
      tell: (isGood) => {
        if (!isGood) this.#distrust();
      },
      end: () => this.#discard(spare),
    };
  }

  /** Resolves when the start is over that is under way or soon to come, if any is. */
  async started(): Promise<void> {
    await this.#starting;
  }

  /** Ends all that stand ready, and starts no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const spare of [...this.#ready]) this.#end(spare);
    await this.#starting;
    await Promise.all(this.#ending);
  }

  /** Where this way does not work, sandboxes are started as if there were none. */
  #distrust(): void {
    this.#distrustedUntil = this.#now() + SPARE_DISTRUST_MS;
    for (const spare of [...this.#ready]) this.#end(spare);
  }

  #startLater(callsOut: boolean): void {
    this.#wanted += 1;
    this.#kinds.add(callsOut);
    if (this.#starting !== null || this.#isClosed || this.#options.most === 0) return;
    this.#starting = this.#untilCalm()
      .then(() => this.#startWanted())
      .catch(() => {}) // A call that has to start its own is told why.
      .finally(() => this.#starting = null);
  }

  /**
   * Until nobody has wanted one for a while: a start keeps the event loop for some ms, and where
   * many programs are started at once it would be one more for each of them.
   */
  async #untilCalm(): Promise<void> {
    for (let seen = -1; seen !== this.#wanted;) {
      seen = this.#wanted;
      await pause(SPARE_DELAY_MS);
    }
  }

  async #startWanted(): Promise<void> {
    const kinds = [...this.#kinds];
    this.#kinds.clear();
    for (const callsOut of kinds) await this.#start(callsOut);
  }

  async #start(callsOut: boolean): Promise<void> {
    const { host, programs, mayStart } = this.#options;
    if (this.#now() < this.#distrustedUntil || !mayStart()) return;
    assertUnprivileged(host, Deno.uid());
    const helper = await helperPath(host);
    await prepareHost(host);
    if (this.#isClosed || !this.#makeRoom(callsOut)) return;
    const uid = takeRunUid(host.runUid);
    try {
      const args = spareArguments(host, { programs, callsOut }, uid.number);
      const spare = { child: spawnHelper(helper, args), uid, callsOut };
      this.#ready.push(spare);
      void spare.child.status.then(() => this.#forget(spare));
    } catch (error) {
      uid.giveBack();
      throw error;
    }
  }

  /** One of each kind that is asked for; false: there is one of this kind. */
  #makeRoom(callsOut: boolean): boolean {
    if (this.#ready.some((spare) => spare.callsOut === callsOut)) return false;
    while (this.#ready.length >= this.#options.most) this.#end(this.#ready[0]!);
    return true;
  }

  /** One that ended by itself is of no use, and says why when one is started for a call. */
  #forget(spare: Spare): void {
    const at = this.#ready.indexOf(spare);
    if (at >= 0) this.#end(spare);
  }

  /** One that stands ready. */
  #end(spare: Spare): void {
    this.#ready.splice(this.#ready.indexOf(spare), 1);
    void this.#discard(spare);
  }

  /** Its supervisor ends it when its stdin does. */
  #discard({ child, uid }: Spare): Promise<void> {
    const ended = Promise.all([
      child.stdin.close().catch(() => {}),
      child.stdout.cancel().catch(() => {}),
      child.stderr.cancel().catch(() => {}),
      child.status,
    ]).then(() => {
      uid.giveBack();
      this.#ending.delete(ended);
    });
    this.#ending.add(ended);
    return ended;
  }
}
