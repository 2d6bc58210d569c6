/** From a deployment cid to a verified spec that is meant for this provider. */
import type { Address, Hex } from "viem";
import { type CidText, parseCid } from "../../cid.ts";
import { KhachapuriError, unfit } from "../../errors.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import {
  LOOKUP_PATIENCE_MS,
  LOOKUPS_MAX,
  SPEC_BYTES_MAX,
  SPEC_REFUSALS_MAX,
  SPECS_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { EscrowDomain } from "../../permit.ts";
import { openSpec } from "../../spec/envelope.ts";
import { specEntryFor } from "../../spec/schema.ts";
import { verifySpec } from "../../spec/signature.ts";
import type { Deployment } from "./deployment.ts";
import type { Registrations } from "./registrations.ts";
import type { Stops } from "./stops.ts";

export interface DeploymentsOptions {
  fetcher: Fetcher;
  identities: readonly string[];
  /** Hashes of the terms that this provider stands by. */
  termsHashes: ReadonlySet<Hex>;
  /** Whom a spec must name. */
  seller: EscrowDomain & { provider: Address };
  registrations: Pick<Registrations, "isKnown">;
  stops: Pick<Stops, "has">;
  now?: () => number;
}

interface Lookup {
  found: Promise<Deployment>;
  at: number;
  /** A deployment that was paid for is no stranger's whim: it always has room. */
  isKnown: boolean;
  controller: AbortController;
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
  readonly #now: () => number;
  /** Decrypted specs are kept in memory only. */
  readonly #known = new Lru<CidText, Deployment>(SPECS_MAX);
  readonly #refused = new Lru<CidText, KhachapuriError>(SPEC_REFUSALS_MAX);
  /** Lookups under way, oldest first. */
  readonly #lookups = new Map<CidText, Lookup>();

  constructor(options: DeploymentsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * The deployment behind `cid`.
   * @throws KhachapuriError `not_found`, `ipfs_unavailable`, `misdirected` (not for us),
   * `invalid_spec`, `invalid_signature`, `terms_refused`, `stopped`, `overloaded`
   */
  async get(cid: CidText): Promise<Deployment> {
    const deployment = await this.#find(cid);
    if (this.#options.stops.has(deployment.spec)) throw stopped();
    return deployment;
  }

  async #find(cid: CidText): Promise<Deployment> {
    const known = this.#known.get(cid);
    if (known) return known;
    const refusal = this.#refused.get(cid);
    if (refusal) throw refusal;
    const underWay = this.#lookups.get(cid);
    if (underWay) return await underWay.found;
    const isKnown = this.#options.registrations.isKnown(cid);
    if (!isKnown) this.#makeRoom();
    const controller = new AbortController();
    const found = this.#lookUp(cid, controller.signal).finally(() => {
      if (this.#lookups.get(cid)?.controller === controller) this.#lookups.delete(cid);
    });
    this.#lookups.set(cid, { found, at: this.#now(), isKnown, controller });
    return await found;
  }

  async #lookUp(cid: CidText, signal: AbortSignal): Promise<Deployment> {
    try {
      const deployment = await load(this.#options, cid, signal);
      this.#known.set(cid, deployment);
      return deployment;
    } catch (error) {
      if (error instanceof KhachapuriError && FINAL_CODES.has(error.code)) {
        this.#refused.set(cid, error);
      }
      throw error;
    }
  }

  /** Strangers can name any cid: the longest lookup of theirs makes room, once it took its time. */
  #makeRoom(): void {
    const strangers = [...this.#lookups].filter(([, { isKnown }]) => !isKnown);
    if (strangers.length < LOOKUPS_MAX) return;
    const [cid, { at, controller }] = strangers[0]!;
    if (this.#now() - at < LOOKUP_PATIENCE_MS) throw tooManyLookups();
    this.#lookups.delete(cid);
    controller.abort(tooManyLookups());
  }
}

async function load(
  { fetcher, identities, termsHashes, seller }: DeploymentsOptions,
  cid: CidText,
  signal: AbortSignal,
): Promise<Deployment> {
  const sealed = await fetcher.readFile(parseCid(cid), { maxBytes: SPEC_BYTES_MAX, signal }).catch(
    (error) => {
      throw unfit(error, "invalid_spec", "what this cid holds is no deployment");
    },
  );
  const spec = await openSpec(sealed, identities);
  if (!spec) throw misdirected("this deployment is encrypted to another provider's key");
  await verifySpec(spec);
  const entry = specEntryFor(spec, { ...seller, address: seller.provider });
  if (!entry) throw misdirected("this deployment names another provider, chain or escrow");
  if (!termsHashes.has(entry.terms)) {
    throw new KhachapuriError("terms_refused", "the owner signed terms no longer offered here", {
      hints: [`signed: ${entry.terms}`, "owner: read /terms and deploy again"],
    });
  }
  if (spec.egress.length > 0) {
    throw new KhachapuriError("invalid_spec", "programs have no network at this provider", {
      hints: ["owner: deploy again without egress"],
    });
  }
  return { cid, spec, entry };
}

function tooManyLookups(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many deployments are being looked up", {
    retryAfterSeconds: 1,
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

function stopped(): KhachapuriError {
  return new KhachapuriError("stopped", "the owner has stopped this deployment");
}
