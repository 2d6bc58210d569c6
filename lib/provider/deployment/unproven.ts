/**
 * Strangers' lookups that no call was paid for yet, by what they took of the limits. Who finds
 * nothing left waits as long as some of it may come back, which it does with a paid call: so what
 * is limited is what comes to nothing, however many come at once.
 */
import type { CidText } from "../../cid.ts";
import type { Clock } from "../../clock.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  LOOKUP_PROVING_MS,
  LOOKUP_WAIT_MS,
  LOOKUPS_UNPAID_MAX,
  LOOKUPS_WAITING_MAX,
  NETWORK_LOOKUPS_WAITING_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { addressPrefix } from "../http/address_prefix.ts";
import { hungUp } from "../http/request_body.ts";
import type { Departing } from "./fair_turns.ts";
import type { GiveBack, LookupLimits, ProvenPayer } from "./lookup_limits.ts";

/** Who asks for a deployment. */
export interface Asker {
  /** The caller's address. */
  from: string;
  /** Lets a payer that had calls here use a share of its own. */
  payer: ProvenPayer;
  /** Null where nobody can tell when it goes. */
  caller: Departing | null;
}

/** What a lookup took of the limits. */
export interface Proof {
  network: string;
  giveBack: GiveBack;
}

interface Outstanding extends Proof {
  /** When it was found, ms; null: it is looked up. */
  foundAt: number | null;
}

interface Waiting {
  network: string;
  /** Takes what came back, or is refused where nothing will; else it waits on. */
  retry(): void;
}

export class Unproven {
  readonly #outstanding = new Lru<CidText, Outstanding>(LOOKUPS_UNPAID_MAX);
  /** Oldest first. */
  readonly #waiting = new Set<Waiting>();

  constructor(
    private readonly limits: LookupLimits,
    private readonly now: () => number,
    private readonly clock: Clock,
  ) {}

  /**
   * Admits one lookup, at once or after a moment.
   * @param isHere whether it is kept on this machine, so that no gateway is asked
   * @throws KhachapuriError `rate_limited`, `overloaded`
   */
  async admit({ from, payer, caller }: Asker, isHere: boolean): Promise<Proof> {
    const network = addressPrefix(from) ?? from;
    try {
      return { network, giveBack: await this.limits.admit(from, payer, isHere) };
    } catch (refusal) {
      if (!this.#mayHope(network, refusal) || this.#isFull(network)) throw refusal;
      const take = () => this.limits.take(from, isHere);
      return { network, giveBack: await this.#wait(take, network, caller) };
    }
  }

  /** It is looked up now. */
  begun(cid: CidText, { network, giveBack }: Proof): void {
    this.#outstanding.set(cid, { network, giveBack, foundAt: null });
  }

  /** It is a deployment of ours: its call may be paid for. */
  found(cid: CidText): void {
    const outstanding = this.#outstanding.peek(cid);
    if (outstanding) outstanding.foundAt = this.now();
  }

  /** It came to nothing, and what it took is gone. */
  failed(cid: CidText): void {
    if (!this.#outstanding.peek(cid)) return;
    this.#outstanding.delete(cid);
    this.#serve();
  }

  /** A call to it was paid for. */
  proved(cid: CidText): void {
    const outstanding = this.#outstanding.peek(cid);
    if (!outstanding) return;
    this.#outstanding.delete(cid);
    this.giveBack(outstanding);
  }

  /** What was admitted turned out to need nothing. */
  giveBack({ giveBack }: Proof): void {
    giveBack();
    this.#serve();
  }

  /** Whether what a refusal misses may come back soon: of the network's own, or of all. */
  #mayHope(network: string, refusal: unknown): boolean {
    const since = this.now() - LOOKUP_PROVING_MS;
    const isOwn = refusal instanceof KhachapuriError && refusal.code === "rate_limited";
    return this.#outstanding.keys().some((cid) => {
      const one = this.#outstanding.peek(cid)!;
      return (one.network === network || !isOwn) && (one.foundAt ?? Infinity) > since;
    });
  }

  /** Whether no more may wait, at all or of the network. */
  #isFull(network: string): boolean {
    const ofNetwork = [...this.#waiting].filter((one) => one.network === network).length;
    return this.#waiting.size >= LOOKUPS_WAITING_MAX || ofNetwork >= NETWORK_LOOKUPS_WAITING_MAX;
  }

  #wait(
    take: () => GiveBack | KhachapuriError,
    network: string,
    caller: Departing | null,
  ): Promise<GiveBack> {
    const { promise, resolve, reject } = Promise.withResolvers<GiveBack>();
    const leave = () => {
      cancel();
      caller?.whenGone(null);
      this.#waiting.delete(waiting);
    };
    const retry = (isLast: boolean) => {
      const taken = take();
      const isRefused = taken instanceof KhachapuriError;
      if (isRefused && !isLast && this.#mayHope(network, taken)) return;
      leave();
      if (isRefused) reject(taken);
      else resolve(taken);
    };
    const waiting: Waiting = { network, retry: () => retry(false) };
    const cancel = this.clock.after(LOOKUP_WAIT_MS, () => retry(true));
    this.#waiting.add(waiting);
    caller?.whenGone(() => {
      leave();
      reject(hungUp());
    });
    return promise;
  }

  #serve(): void {
    for (const { retry } of [...this.#waiting]) retry();
  }
}
