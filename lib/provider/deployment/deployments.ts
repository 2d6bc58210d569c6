/** From a deployment cid to a verified spec that is meant for this provider. */
import type { CID } from "multiformats/cid";
import type { Hex } from "viem";
import { formatCid } from "../../cid.ts";
import { KhachapuriError, unfit } from "../../errors.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import { SPEC_BYTES_MAX } from "../../limits.ts";
import { openSpec } from "../../spec/envelope.ts";
import { type ProviderEntry, type Spec, specEntryFor } from "../../spec/schema.ts";
import { verifySpec } from "../../spec/signature.ts";
import type { BillTerms } from "../money/bill.ts";
import type { Registrations } from "./registrations.ts";
import { createRecent } from "../../lru.ts";

export interface Deployment {
  /** Canonical text of the deployment cid. */
  readonly cid: string;
  readonly spec: Spec;
  /** What the spec says about this provider. */
  readonly entry: ProviderEntry;
}

export interface Deployments {
  /**
   * The deployment behind `cid`; decrypted specs are kept in memory only.
   * @throws KhachapuriError `not_found`, `ipfs_unavailable`, `misdirected` (not for us),
   * `invalid_spec`, `invalid_signature`, `terms_refused`, `stopped`, `overloaded`
   */
  get(cid: CID): Promise<Deployment>;
}

export interface DeploymentsOptions {
  fetcher: Fetcher;
  identities: readonly string[];
  /** Hashes of the terms that this provider stands by. */
  terms: ReadonlySet<Hex>;
  us: BillTerms;
  registrations: Pick<Registrations, "isKnown" | "isStopped">;
  now?: () => number;
}

interface Lookup {
  found: Promise<Deployment>;
  at: number;
  /** A deployment that was paid for is no stranger's whim: it always has room. */
  isKnown: boolean;
  controller: AbortController;
}

/** Specs kept decrypted: 64 KiB each at most. */
const SPECS_MAX = 2_000;
/** Refusals kept: content never changes under its cid, so most are for ever. */
const REFUSALS_MAX = 20_000;
/** Strangers can name any cid; this many lookups at a time reach the gateways. */
const LOOKUPS_MAX = 32;
/** What nobody has takes a minute to fail: after this long, ms, it makes room for another. */
const LOOKUP_PATIENCE_MS = 5_000;

/** Refusals that follow from the content alone. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  "misdirected",
  "invalid_spec",
  "invalid_signature",
  "terms_refused",
]);

export function createDeployments(options: DeploymentsOptions): Deployments {
  const known = createRecent<Deployment>(SPECS_MAX);
  const refused = createRecent<KhachapuriError>(REFUSALS_MAX);
  const now = options.now ?? Date.now;
  /** Oldest first. */
  const looking = new Map<string, Lookup>();

  async function look(cid: CID, text: string, signal: AbortSignal): Promise<Deployment> {
    try {
      const deployment = await load(options, cid, text, signal);
      known.set(text, deployment);
      return deployment;
    } catch (error) {
      if (error instanceof KhachapuriError && FINAL_CODES.has(error.code)) {
        refused.set(text, error);
      }
      throw error;
    }
  }

  function makeRoom(): void {
    const strangers = [...looking].filter(([, { isKnown }]) => !isKnown);
    if (strangers.length < LOOKUPS_MAX) return;
    const [text, { at, controller }] = strangers[0]!;
    if (now() - at < LOOKUP_PATIENCE_MS) throw tooManyLookups();
    looking.delete(text);
    controller.abort(tooManyLookups());
  }

  async function find(cid: CID, text: string): Promise<Deployment> {
    const found = known.get(text);
    if (found) return found;
    const refusal = refused.get(text);
    if (refusal) throw refusal;
    const under = looking.get(text);
    if (under) return await under.found;
    const isKnown = options.registrations.isKnown(text);
    if (!isKnown) makeRoom();
    const controller = new AbortController();
    const lookup = look(cid, text, controller.signal).finally(() => {
      if (looking.get(text)?.controller === controller) looking.delete(text);
    });
    looking.set(text, { found: lookup, at: now(), isKnown, controller });
    return await lookup;
  }

  return {
    async get(cid) {
      const deployment = await find(cid, formatCid(cid));
      if (options.registrations.isStopped(deployment.spec)) throw stopped();
      return deployment;
    },
  };
}

async function load(
  { fetcher, identities, terms, us }: DeploymentsOptions,
  cid: CID,
  text: string,
  signal: AbortSignal,
): Promise<Deployment> {
  const sealed = await fetcher.readFile(cid, { maxBytes: SPEC_BYTES_MAX, signal }).catch(
    (error) => {
      throw unfit(error, "invalid_spec", "what this cid holds is no deployment");
    },
  );
  const spec = await openSpec(sealed, identities);
  if (!spec) throw misdirected("this deployment is encrypted to another provider");
  await verifySpec(spec);
  const entry = specEntryFor(spec, { ...us, address: us.provider });
  if (!entry) throw misdirected("this deployment names another provider, chain or escrow");
  if (!terms.has(entry.terms)) {
    throw new KhachapuriError("terms_refused", "the owner signed terms no longer offered here", {
      hints: [`signed: ${entry.terms}`, "owner: read /terms and deploy again"],
    });
  }
  if (spec.egress.length > 0) {
    throw new KhachapuriError("invalid_spec", "programs have no network at this provider", {
      hints: ["owner: deploy again without egress"],
    });
  }
  return { cid: text, spec, entry };
}

function tooManyLookups(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many deployments are being looked up", {
    retryAfterSeconds: 1,
  });
}

function misdirected(message: string): KhachapuriError {
  return new KhachapuriError("misdirected", message, {
    hints: ["ask the provider that the owner deployed to"],
  });
}

function stopped(): KhachapuriError {
  return new KhachapuriError("stopped", "the owner has stopped this deployment");
}
