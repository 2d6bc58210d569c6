/**
 * Those that may have a file, asked one after the other and some of them at once: the provider's
 * other nodes for what they have, then the file's home, which asks gateways, then gateways.
 */
import type { CID } from "../cid.ts";
import type { Clock } from "../clock.ts";
import { KhachapuriError } from "../errors.ts";
import {
  GATEWAY_HEDGE_MS,
  HOME_HEDGE_MS,
  IPFS_DEADLINE_MS,
  PEER_HEDGE_MS,
  PEER_SILENT_MS,
} from "../limits.ts";
import { allFailed, nobodyToAsk, notKept, tooLate } from "./fetch_failures.ts";
import type { Network } from "./http.ts";
import { Operator } from "./operator.ts";
import type { Peer, PeerOrder, Peers } from "./peers.ts";
import { race, type Racer } from "./race.ts";
import type { Gateway, Retrieval } from "./retrieve.ts";

/** How one gateway, or peer, is asked. */
export type Ask<T> = (gateway: Gateway, retrieval: Retrieval) => Promise<T>;

/** What was had, and from whom. */
export interface Found<T> {
  readonly value: T;
  readonly source: "peers" | "gateways";
}

export interface Wanted {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** On behalf of a peer, which has asked the others. */
  readonly isForPeer?: boolean;
}

export interface SourcesOptions {
  /** Base URLs in the order in which they are asked. */
  gateways: readonly string[];
  peers: Peers | null;
  /** Whether something is kept here, which can do without gateways. */
  isKeeping: boolean;
  network: Network;
  clock: Clock;
  /** Told how gateways answered. */
  asked?: ((gateway: string, outcome: "answered" | "failed" | "dropped") => void) | undefined;
}

/** A gateway and how its operator behaved; gateways of one operator share that. */
interface Candidate {
  gateway: Gateway;
  operator: Operator;
}

/** Hosts of one operator: what one of them lacks, or lies about, the others do, too. */
const PROTOCOL_LABS = ["ipfs.io", "dweb.link", "trustless-gateway.link", "w3s.link"];

/** What peers came to. */
interface AtPeers<T> {
  readonly found: Found<T> | null;
  /** Where it has not got it and answers, so that it can be asked to fetch it; else null. */
  readonly home: Peer | null;
}

export class Sources {
  readonly #gateways: readonly Candidate[];

  constructor(private readonly options: SourcesOptions) {
    this.#gateways = listCandidates(options.gateways, options.network.now);
  }

  /**
   * The first that somebody delivers, within the overall deadline.
   * @throws KhachapuriError as `Fetcher.readFile`, what `ask` throws of ours, the signal's reason
   */
  async find<T>(cid: CID, wanted: Wanted, ask: Ask<T>): Promise<Found<T>> {
    const { clock, peers } = this.options;
    const deadline = new AbortController();
    const cancel = clock.after(IPFS_DEADLINE_MS, () => deadline.abort(tooLate(cid)));
    const signal = AbortSignal.any([wanted.signal, deadline.signal]);
    try {
      const order = wanted.isForPeer ? null : peers?.orderFor(cid);
      const { found, home } = await this.#atPeers(order ?? NOBODY, ask, signal);
      return found ?? await this.#atGateways(cid, { ...wanted, signal }, home, ask);
    } finally {
      cancel();
    }
  }

  async #atPeers<T>(
    { peers, home }: PeerOrder,
    ask: Ask<T>,
    signal: AbortSignal,
  ): Promise<AtPeers<T>> {
    let lacksIt = false;
    const racers = peers.map((peer): Racer<T> => {
      const run = this.#racer({ gateway: peer.forWhatIsThere, operator: peer.operator }, ask);
      return (signal, progress) =>
        run(signal, progress).catch((error) => {
          if (peer === home) lacksIt = isAbsence(error);
          throw error;
        });
    });
    const result = await race(racers, {
      clock: this.options.clock,
      signal,
      isFinal,
      hedgeMs: () => PEER_HEDGE_MS,
      silentMs: PEER_SILENT_MS,
    });
    const found = result.won ? { value: result.value, source: "peers" as const } : null;
    return { found, home: lacksIt ? home : null };
  }

  async #atGateways<T>(
    cid: CID,
    { maxBytes, signal }: Wanted,
    home: Peer | null,
    ask: Ask<T>,
  ): Promise<Found<T>> {
    const gateways = this.#gateways.filter(mayBeAsked)
      .map((one) => from("gateways", this.#racer(one, ask, this.options.asked)));
    let nowhere: KhachapuriError | null = null;
    let atHomeFailed: unknown = null;
    const atHome = (home: Peer): Racer<Found<T>> => {
      const { operator } = home;
      const run = from("peers", this.#racer({ gateway: home.toFetch(maxBytes), operator }, ask));
      return (signal, progress) =>
        run(signal, progress).catch((error) => {
          // What the home did not get from any gateway nobody else needs to ask for.
          throw atHomeFailed = isAbsence(error) ? nowhere = allFailed(cid, [error]) : error;
        });
    };
    const result = await race(home ? [atHome(home), ...gateways] : gateways, {
      clock: this.options.clock,
      signal,
      isFinal: (error) => isFinal(error) || error === nowhere,
      hedgeMs: (index) => home && index === 0 ? HOME_HEDGE_MS : GATEWAY_HEDGE_MS,
    });
    if (result.won) return result.value;
    // A home that could not say anything says nothing of the content.
    const errors = result.errors.filter((error) => error !== atHomeFailed);
    if (gateways.length > 0) throw allFailed(cid, errors);
    if (this.options.isKeeping && this.#gateways.length === 0) throw notKept(cid);
    throw nobodyToAsk(this.#gateways.map(({ operator }) => operator));
  }

  #racer<T>(
    { gateway, operator }: Candidate,
    ask: Ask<T>,
    asked?: SourcesOptions["asked"],
  ): Racer<T> {
    const { network } = this.options;
    return async (signal, progress) => {
      const asking = operator.ask();
      const end = (outcome: "answered" | "dropped") => {
        asking[outcome]();
        asked?.(gateway.base.host, outcome);
      };
      try {
        const got = await ask(gateway, { network, signal, progress });
        end("answered");
        return got;
      } catch (error) {
        if (signal.aborted || isOurs(error)) end("dropped");
        else if (isAnswer(error)) end("answered");
        else {
          asking.failed(error);
          asked?.(gateway.base.host, "failed");
        }
        throw error;
      }
    };
  }
}

const NOBODY: PeerOrder = { peers: [], home: null };

function mayBeAsked({ operator }: { operator: Operator }): boolean {
  return operator.mayBeAsked();
}

function from<T>(source: Found<T>["source"], racer: Racer<T>): Racer<Found<T>> {
  return async (signal, progress) => ({ value: await racer(signal, progress), source });
}

function listCandidates(gateways: readonly string[], now: () => number): Candidate[] {
  const operators = new Map<string, Operator>();
  return gateways.map((gateway) => {
    const base = new URL(gateway.endsWith("/") ? gateway : `${gateway}/`);
    const known = PROTOCOL_LABS.some((name) =>
      base.host === name || base.host.endsWith(`.${name}`)
    );
    const name = known ? "protocol labs" : base.origin;
    const operator = operators.get(name) ?? new Operator(now);
    operators.set(name, operator);
    return { gateway: { base, withoutCar: false }, operator };
  });
}

/** What holds whoever is asked. */
function isFinal(error: unknown): boolean {
  return isOurs(error) || (error as KhachapuriError).code === "invalid_input";
}

/** A disk that is full, say: no gateway's failure, and no other gateway helps. */
function isOurs(error: unknown): boolean {
  return !(error instanceof KhachapuriError);
}

/** What a gateway that works can say of content. */
function isAnswer(error: unknown): boolean {
  return isAbsence(error) || error instanceof KhachapuriError && error.code === "invalid_input";
}

function isAbsence(error: unknown): boolean {
  return error instanceof KhachapuriError && error.code === "not_found";
}
