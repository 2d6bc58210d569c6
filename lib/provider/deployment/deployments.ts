/** From a deployment cid to a verified spec that is meant for this provider. */
import type { Address, Hex } from "viem";
import { type CidText, parseCid } from "../../cid.ts";
import { type Clock, systemClock } from "../../clock.ts";
import { isAllowed } from "../../egress.ts";
import { KhachapuriError, unfit } from "../../errors.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import { SPEC_BYTES_MAX, SPEC_REFUSALS_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { EscrowDomain } from "../../permit.ts";
import { openSealedSpec } from "../../spec/envelope.ts";
import { creditsMax } from "../../spec/credits.ts";
import { recipientOf, shortRecipient } from "../../spec/keys.ts";
import { OneATurn } from "../../slices.ts";
import { type Spec, specEntryFor } from "../../spec/schema.ts";
import { verifySpec } from "../../spec/signature.ts";
import { Absences } from "./absences.ts";
import { EVERYBODY, type Welcome } from "../denial/welcome.ts";
import type { Deployment } from "./deployment.ts";
import type { Departing } from "./fair_turns.ts";
import type { ProvenPayer } from "./lookup_limits.ts";
import { Lookups } from "./lookups.ts";
import type { Registrations } from "./registrations.ts";
import { SpecShelf } from "./spec_shelf.ts";
import { stopped, type Stops } from "./stops.ts";

export interface DeploymentsOptions {
  fetcher: Fetcher;
  identities: readonly string[];
  /** Whether this provider stands by the terms that a deployment signed, now. */
  takesTerms: (cid: CidText, terms: Hex) => boolean;
  /** Patterns of what programs may call. */
  egressHosts: readonly string[];
  /** Whether each credit is mined before its run, which therefore takes no other. */
  minesEach: boolean;
  /** Whether programs may be servers here. */
  takesServers: boolean;
  /** Whom a spec must name. */
  seller: EscrowDomain & { provider: Address };
  registrations: Pick<Registrations, "isKnown">;
  /** Whether a cid is kept on this machine, so that no gateway is asked for it. */
  isHere?: (cid: CidText) => boolean;
  stops: Pick<Stops, "has">;
  /** Whom the operator serves; everybody unless it is given. */
  welcome?: Pick<Welcome, "assertDeployment" | "assertOwner">;
  /** A spec was opened, and is good. */
  onOpened?(deployment: Deployment): void;
  now?: () => number;
  /** What waits, waits by it. */
  clock?: Clock;
}

/** Refusals that follow from the content alone, which never changes under its cid. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  "misdirected",
  "invalid_spec",
  "invalid_signature",
  "terms_refused",
]);

export class Deployments {
  readonly #options: DeploymentsOptions;
  readonly #known = new SpecShelf();
  #refused = new Lru<CidText, KhachapuriError>(SPEC_REFUSALS_MAX);
  readonly #absences: Absences;
  readonly #lookups: Lookups;
  /** Of our keys, as they have opened a spec. */
  readonly #names = new Map<string, Promise<string>>();

  constructor(options: DeploymentsOptions) {
    this.#options = options;
    const { now = Date.now, clock = systemClock, registrations, isHere = () => false } = options;
    this.#absences = new Absences(now);
    this.#lookups = new Lookups({
      load: (cid, signal) => this.#load(cid, signal),
      recall: (cid) => this.#recall(cid),
      isPaid: (cid) => registrations.isKnown(cid),
      isHere,
      now,
      clock,
    });
  }

  /**
   * The deployment behind `cid`, where it may be called.
   * @param from the caller's address, by which lookups of what nobody paid for are limited
   * @param payer lets a payer that had calls here use a share of its own
   * @param caller who gives up what has to wait, when it goes
   * @throws KhachapuriError `denied`, and as `look`
   */
  async get(
    cid: CidText,
    from: string,
    payer: ProvenPayer = nobody,
    caller: Departing | null = null,
  ): Promise<Deployment> {
    const { welcome = EVERYBODY } = this.#options;
    // Before anything is fetched for it.
    welcome.assertDeployment(cid);
    const deployment = await this.look(cid, from, payer, caller);
    welcome.assertOwner(deployment.spec.owner);
    return deployment;
  }

  /**
   * The same whether or not the operator serves it: what an owner may end, it may end denied.
   * @throws KhachapuriError `not_found`, `ipfs_unavailable`, `misdirected` (not for us),
   * `invalid_spec`, `invalid_signature`, `terms_refused`, `stopped`, `rate_limited`, `overloaded`
   */
  async look(
    cid: CidText,
    from: string,
    payer: ProvenPayer = nobody,
    caller: Departing | null = null,
  ): Promise<Deployment> {
    const deployment = await this.find(cid, from, payer, caller);
    if (this.#options.stops.has(deployment.spec)) throw stopped();
    return deployment;
  }

  /** The same, be it stopped or not. @throws KhachapuriError as `look`, but for `stopped` */
  async find(
    cid: CidText,
    from: string,
    payer: ProvenPayer = nobody,
    caller: Departing | null = null,
  ): Promise<Deployment> {
    const deployment = this.#known.get(cid) ??
      await this.#lookups.find(cid, { from, payer, caller });
    const { stops, takesTerms } = this.#options;
    // Of what has ended nobody asks for the terms.
    if (stops.has(deployment.spec)) return deployment;
    if (!takesTerms(cid, deployment.entry.terms)) throw this.#outlived(deployment);
    return deployment;
  }

  /** Terms that were kept for a deployment end while its spec is known. */
  #outlived({ cid, entry }: Deployment): KhachapuriError {
    const refusal = termsRefused(entry.terms);
    this.#refused.set(cid, refusal);
    return refusal;
  }

  /** A deployment that is open here; null for any other, which nothing is fetched for. */
  known(cid: CidText): Deployment | null {
    return this.#known.get(cid);
  }

  /** Why the deployment's last caller got no run, if that was its spec's fault. */
  refusal(cid: CidText): KhachapuriError | null {
    return this.#refused.get(cid) ?? null;
  }

  /** A call to it was paid for: its lookup was no stranger's whim. */
  notePaid(cid: CidText): void {
    this.#lookups.notePaid(cid);
  }

  /** Other terms are listed now: what was refused for its own may be taken. */
  forgetRefusals(): void {
    this.#refused = new Lru(SPEC_REFUSALS_MAX);
  }

  /** What could not be had is here now. */
  forgetAbsence(cid: CidText): void {
    this.#absences.forget(cid);
  }

  /** What is known of it, or remembered against it. */
  #recall(cid: CidText): Deployment | KhachapuriError | null {
    return this.#known.get(cid) ?? this.#refused.get(cid) ?? this.#absences.recall(cid) ?? null;
  }

  async #load(cid: CidText, signal: AbortSignal): Promise<Deployment> {
    try {
      const { identity, ...found } = await load(this.#options, cid, signal);
      const deployment = { ...found, recipient: await this.#nameOf(identity) };
      this.#known.put(deployment);
      this.#options.onOpened?.(deployment);
      await this.#options.fetcher.judge(parseCid(cid), true);
      return deployment;
    } catch (error) {
      if (error instanceof KhachapuriError) await this.#note(cid, error);
      throw error;
    }
  }

  /** Of one of our keys: a post-quantum one takes milliseconds to tell. */
  #nameOf(identity: string): Promise<string> {
    const name = this.#names.get(identity) ?? recipientOf(identity).then(shortRecipient);
    this.#names.set(identity, name);
    return name;
  }

  async #note(cid: CidText, error: KhachapuriError): Promise<void> {
    this.#absences.note(cid, error);
    if (FINAL_CODES.has(error.code)) {
      this.#refused.set(cid, error);
      await this.#options.fetcher.judge(parseCid(cid), false);
    }
  }
}

function nobody(): Promise<null> {
  return Promise.resolve(null);
}

/** Keys are agreed and signatures checked in so many milliseconds, for one deployment in a turn. */
const openings = new OneATurn();

async function load(
  options: DeploymentsOptions,
  cid: CidText,
  signal: AbortSignal,
): Promise<Omit<Deployment, "recipient"> & { identity: string }> {
  const { fetcher, identities, seller } = options;
  const sealed = await fetcher.readFile(parseCid(cid), { maxBytes: SPEC_BYTES_MAX, signal }).catch(
    (error) => {
      throw unfit(error, "invalid_spec", "what this cid holds is no deployment");
    },
  );
  const opened = await openings.do(() => openSealedSpec(sealed, identities));
  if (!opened) throw misdirected("this deployment is encrypted to another provider's key");
  const { spec, identity } = opened;
  // What costs little first: signatures are a millisecond each.
  const entry = specEntryFor(spec, { ...seller, address: seller.provider });
  if (!entry) throw misdirected("this deployment names another provider, chain or escrow");
  if (!options.takesTerms(cid, entry.terms)) throw termsRefused(entry.terms);
  assertOffered(spec, options);
  await openings.do(() => verifySpec(spec));
  return { cid, spec, entry, identity };
}

function termsRefused(signed: Hex): KhachapuriError {
  return new KhachapuriError("terms_refused", "the owner signed terms no longer offered here", {
    hints: [`signed: ${signed}`, "owner: read /terms and deploy again"],
  });
}

/** @throws KhachapuriError `invalid_spec` that names what is asked for and not to be had here */
function assertOffered(
  spec: Spec,
  { egressHosts, minesEach, takesServers }: DeploymentsOptions,
): void {
  const refused = spec.egress.filter((host) => !isAllowed(host, egressHosts));
  if (refused.length > 0) throw notReachable(refused, egressHosts);
  if (minesEach && creditsMax(spec) > 1) throw minedEach(creditsMax(spec));
  if (spec.interface === "http" && !takesServers) throw noServers();
}

function noServers(): KhachapuriError {
  const message = 'interface is "http", and programs here are no servers';
  return new KhachapuriError("invalid_spec", message, {
    hints: [
      "owner: deploy to a provider whose front page offers instances of servers",
      "provider: sandbox.instances in config.json above 0 lets programs be servers",
    ],
  });
}

function notReachable(hosts: readonly string[], allowed: readonly string[]): KhachapuriError {
  const message = `programs here may not call ${hosts.join(", ")}`;
  const offered = allowed.length === 0 ? "they have no network" : `allowed: ${allowed.join(", ")}`;
  return new KhachapuriError("invalid_spec", message, {
    hints: [offered, "owner: deploy again with --egress as far as it is allowed"],
  });
}

function minedEach(credits: number): KhachapuriError {
  const message = `limits.credits is ${credits}, and here a run takes one: each is mined before it`;
  return new KhachapuriError("invalid_spec", message, {
    hints: [
      "owner: deploy again without --credits, or at a provider that settles in batches",
      'provider: settlement.mode "batch" in config.json lets runs take further credits',
    ],
  });
}

function misdirected(message: string): KhachapuriError {
  return new KhachapuriError("misdirected", message, {
    hints: [
      "ask the provider that the owner deployed to",
      "owner: if it is this one, its key has changed: deploy again",
    ],
  });
}
