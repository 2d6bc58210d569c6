/**
 * Deployments that are being looked up. Strangers can name any cid, so theirs are limited: by what
 * may be asked for at all (`LookupLimits`), and by how many are under way. A burst that is worth
 * its while is not refused for that, it waits a moment: each lookup that comes to a paid call makes
 * room for the next.
 */
import type { CidText } from "../../cid.ts";
import type { Clock } from "../../clock.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  LOOKUP_PATIENCE_MS,
  LOOKUP_WAIT_MS,
  LOOKUPS_MAX,
  LOOKUPS_WAITING_MAX,
  NETWORK_LOOKUPS_WAITING_MAX,
} from "../../limits.ts";
import type { Deployment } from "./deployment.ts";
import { Askers, type EndTurn, FairTurns } from "./fair_turns.ts";
import { LookupLimits } from "./lookup_limits.ts";
import { type Asker, Unproven } from "./unproven.ts";

export interface LookupsOptions {
  /** Fetches and opens it. */
  load(cid: CidText, signal: AbortSignal): Promise<Deployment>;
  /** What is known of it, or remembered against it. */
  recall(cid: CidText): Deployment | KhachapuriError | null;
  /** Whether somebody has paid for a call to it. */
  isPaid(cid: CidText): boolean;
  /** Whether it is kept on this machine, so that no gateway is asked. */
  isHere(cid: CidText): boolean;
  now(): number;
  clock: Clock;
}

interface Lookup {
  found: Promise<Deployment>;
  askers: Askers;
  /** Whose it is: the caller's network; null for a deployment that was paid for, as any may. */
  network: string | null;
  controller: AbortController;
  /** Once its turn has come: since when it is under way, ms. */
  turn: { at: number; end: EndTurn } | null;
}

export class Lookups {
  /** Under way or waiting for their turn, oldest first. */
  readonly #lookups = new Map<CidText, Lookup>();
  readonly #turns: FairTurns<string>;
  readonly #unproven: Unproven;

  constructor(private readonly options: LookupsOptions) {
    const { clock } = options;
    const now = () => options.now();
    this.#unproven = new Unproven(new LookupLimits(now), now, clock);
    this.#turns = new FairTurns({
      hasRoom: (_network, _own, all) => all < LOOKUPS_MAX,
      waitMs: LOOKUP_WAIT_MS,
      waitingMax: LOOKUPS_WAITING_MAX,
      groupWaitingMax: NETWORK_LOOKUPS_WAITING_MAX,
      refusal: tooManyLookups,
      clock,
    });
  }

  /**
   * Finds it, with whoever asks for the same.
   * @throws KhachapuriError `rate_limited`, `overloaded`, and as `load`
   */
  async find(cid: CidText, asker: Asker): Promise<Deployment> {
    const atOnce = this.#freely(cid, asker);
    if (atOnce) return await atOnce;
    const proof = await this.#unproven.admit(asker, this.options.isHere(cid));
    // Another may have found it, or begun to, while this one waited or its payer was looked at.
    const meanwhile = this.#freely(cid, asker);
    if (meanwhile) {
      this.#unproven.giveBack(proof);
      return await meanwhile;
    }
    this.#unproven.begun(cid, proof);
    return await this.#begin(cid, proof.network, asker);
  }

  /** Finds what takes nothing of the limits; null for any other. */
  #freely(cid: CidText, asker: Asker): Promise<Deployment> | null {
    const lookup = this.#lookups.get(cid);
    if (lookup) return lookup.askers.with(asker.caller, lookup.found);
    const recalled = this.options.recall(cid);
    if (recalled instanceof KhachapuriError) return Promise.reject(recalled);
    if (recalled) return Promise.resolve(recalled);
    // A deployment that was paid for is no stranger's whim: it always has room.
    return this.options.isPaid(cid) ? this.#begin(cid, null, asker) : null;
  }

  /** A lookup that came to a paid call was no stranger's whim after all. */
  notePaid(cid: CidText): void {
    this.#unproven.proved(cid);
  }

  async #begin(
    cid: CidText,
    network: string | null,
    { caller }: Asker,
  ): Promise<Deployment> {
    const askers = new Askers();
    const controller = new AbortController();
    const lookup: Lookup = { found: NEVER, askers, network, controller, turn: null };
    lookup.found = this.#run(cid, lookup).finally(() => {
      if (this.#lookups.get(cid) === lookup) this.#lookups.delete(cid);
    });
    this.#lookups.set(cid, lookup);
    return await askers.with(caller, lookup.found);
  }

  async #run(cid: CidText, lookup: Lookup): Promise<Deployment> {
    const { network, askers, controller: { signal } } = lookup;
    try {
      if (network !== null) {
        lookup.turn = { end: await this.#turn(network, askers.signal), at: this.options.now() };
      }
      const deployment = await this.options.load(cid, signal);
      this.#unproven.found(cid);
      return deployment;
    } catch (error) {
      this.#unproven.failed(cid);
      throw error;
    } finally {
      lookup.turn?.end();
    }
  }

  async #turn(network: string, signal: AbortSignal): Promise<EndTurn> {
    this.#makeRoom();
    try {
      return await this.#turns.take(network, signal);
    } catch (error) {
      // Whatever was under way as the wait began has taken its time by now.
      if (signal.aborted || this.#turns.waiting() > 0 || !this.#makeRoom()) throw error;
      return await this.#turns.take(network, signal);
    }
  }

  /**
   * What nobody has takes a minute to fail: of the network that has the most under way the longest
   * makes room, once it took its time.
   * @returns whether there is room
   */
  #makeRoom(): boolean {
    const strangers = [...this.#lookups]
      .filter(([, { network, turn }]) => network !== null && turn !== null);
    if (strangers.length < LOOKUPS_MAX) return true;
    const groups = Map.groupBy(strangers, ([, { network }]) => network);
    const [most] = [...groups.values()].sort((one, other) => other.length - one.length);
    const [cid, { turn, controller }] = most![0]!;
    if (this.options.now() - turn!.at < LOOKUP_PATIENCE_MS) return false;
    this.#lookups.delete(cid);
    controller.abort(tooManyLookups());
    turn!.end();
    return true;
  }
}

const NEVER = new Promise<never>(() => {});

function tooManyLookups(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many deployments are being looked up", {
    retryAfterSeconds: 1,
  });
}
