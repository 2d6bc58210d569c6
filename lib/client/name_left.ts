/** Waiting until a provider's callers come to old deployments by a name no more. */
import { type ErrorCode, KhachapuriError } from "../errors.ts";
import { askName } from "./registered_name.ts";

export interface NameLeftWorld {
  /** Ms, of any clock that goes on evenly. */
  now(): number;
  wait(ms: number): Promise<void>;
}

/**
 * So long at most: ENS, and the record that `name set` prints for DNS, are believed for a minute;
 * the rest is for whoever sets that record by hand.
 */
const WAIT_MS = 3 * 60_000;
const POLL_MS = 1_000;

/** Refusals that say nothing of the name. */
const NOT_NOW: ReadonlySet<ErrorCode> = new Set([
  "rate_limited",
  "overloaded",
  "name_unavailable",
  "chain_unavailable",
]);

/**
 * Asks a provider what a moved name leads to until that is none of `cids`: it believes for a while
 * what it has looked up before.
 * @returns whether it came to that in time
 * @throws KhachapuriError `provider_unavailable`
 */
export async function nameLeaves(
  webDomain: string,
  name: string,
  cids: ReadonlySet<string>,
  { now, wait }: NameLeftWorld,
): Promise<boolean> {
  const end = now() + WAIT_MS;
  while (await mayLead(webDomain, name, cids)) {
    if (now() >= end) return false;
    await wait(POLL_MS);
  }
  return true;
}

async function mayLead(
  webDomain: string,
  name: string,
  cids: ReadonlySet<string>,
): Promise<boolean> {
  try {
    const { cid } = await askName(webDomain, name);
    return cid !== null && cids.has(cid);
  } catch (error) {
    if (!(error instanceof KhachapuriError)) throw error;
    // It leads nowhere there, or that provider has no names.
    if (error.code === "not_found") return false;
    if (NOT_NOW.has(error.code)) return true;
    throw error;
  }
}
