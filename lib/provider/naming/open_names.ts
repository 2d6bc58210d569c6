/** Opens a provider's names on their books, and on whom they are asked from. */
import { join } from "node:path";
import type { CidText } from "../../cid.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { openStateDatabase } from "../../state_database.ts";
import { Coverage, type CoverageOptions } from "./coverage.ts";
import type { DnsClient } from "./dns_client.ts";
import { dnslinkName, linkedCid } from "./dnslink.ts";
import { NameLookupRates } from "./lookup_rates.ts";
import { Names } from "./names.ts";
import { NameRegister } from "./register.ts";
import { Registrar, type RegistrarOptions } from "./registrar.ts";
import { ResolutionStore } from "./resolution_store.ts";
import { type Found, Resolutions } from "./resolutions.ts";

export interface OpenNamesOptions extends Omit<RegistrarOptions, "register" | "coverage"> {
  /** Nobody else's folder. */
  dir: string;
  /** Where it is open already, as a fleet's `writer` has it. */
  register?: NameRegister;
  dns: Pick<DnsClient, "txt">;
  /**
   * What an ENS name's contenthash says; null: it has none.
   * @throws KhachapuriError when that is not known, or of no use
   */
  contenthash(name: string): Promise<CidText | null>;
  allowedTo: CoverageOptions["allowedTo"];
  /** Is told of a deployment that its owner's name left, and that no name leads to any more. */
  onLeft(cid: CidText): void;
}

/** Of the register, among the books. */
export const NAMES_FILE = "names.db";

/** To be closed with `stack`. */
export function openNames(options: OpenNamesOptions, stack: AsyncDisposableStack): Names {
  const { dir, dns, contenthash, onLeft, now } = options;
  const open = (file: string) => {
    const database = openStateDatabase(join(dir, file));
    stack.defer(() => database.close());
    return database;
  };
  const register = options.register ?? new NameRegister(open(NAMES_FILE), now);
  const seen = open("resolutions.db");
  // What is lost of it with the machine's power is looked up again.
  seen.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  const resolutions = new Resolutions({
    lookUp: {
      dnslink: (name) => domainsOf(dns, contenthash, name),
      ens: (name) => contentOf(contenthash, name),
    },
    rates: new NameLookupRates(now),
    store: new ResolutionStore(seen),
    now,
  });
  stack.defer(() => resolutions.settled());
  const coverage = new Coverage({ ...options, register });
  const registrar = new Registrar({ ...options, register, coverage });
  return new Names({ register, coverage, registrar, resolutions, onLeft, now });
}

/**
 * What a domain's own record says; where there is none, what the registry of names does, which may
 * have names of any ending.
 */
async function domainsOf(
  dns: Pick<DnsClient, "txt">,
  contenthash: OpenNamesOptions["contenthash"],
  name: string,
): Promise<Found> {
  const linked = await linkOf(dns, name).catch(asKhachapuriError);
  const isAway = linked instanceof KhachapuriError;
  if (!isAway && (linked.cid !== null || linked.why !== null)) return linked;
  const registered = await contentOf(contenthash, name);
  if (registered.cid !== null) return registered;
  if (isAway) throw linked;
  return linked;
}

async function linkOf(dns: Pick<DnsClient, "txt">, domain: string): Promise<Found> {
  const { texts, ttl } = await dns.txt(dnslinkName(domain));
  const cid = linkedCid(texts);
  const isOfNoUse = cid === null && texts.some((text) => text.startsWith("dnslink="));
  return { cid, ttl, why: isOfNoUse ? "its DNSLink is no /ipfs/{cid}" : null };
}

/** Records that nobody can use, and chains without names. */
const SAY_NOTHING: ReadonlySet<string> = new Set([
  "invalid_input",
  "invalid_cid",
  "invalid_name",
  "invalid_config",
]);

/** ENS's records say nothing of how long they may be believed. */
async function contentOf(
  contenthash: OpenNamesOptions["contenthash"],
  name: string,
): Promise<Found> {
  try {
    return { cid: await contenthash(name), ttl: null };
  } catch (error) {
    if (!(error instanceof KhachapuriError) || !SAY_NOTHING.has(error.code)) throw error;
    return { cid: null, ttl: null, why: error.shortMessage };
  }
}
