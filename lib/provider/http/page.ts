/** What a provider offers, as its front page says it to a program. */
import type { Address, Hex } from "viem";
import type { ProviderConfig } from "../../config.ts";
import type { IpfsConfig } from "../../config_ipfs.ts";
import { type Keep, keepsNothing, keepText, keepTimeToJson } from "../../keep.ts";
import { PUSH_CAR_BYTES_MAX } from "../../limits_of_content.ts";
import type { Accept, CreditsOffer } from "../../payment_header.ts";
import type { Runtimes } from "../../runtime.ts";

export interface Offering {
  name: string;
  address: Address;
  webDomain: string;
  recipients: readonly string[];
  /** Of each terms text, newest first. */
  termsHashes: readonly Hex[];
  /** What one call costs, for people. */
  offer: CreditsOffer;
  /** How long deployments that were there before a change keep what it ended. */
  keep: Keep;
  timeoutMs: number;
  memoryMb: number;
  /** Credits that one run may take, each for `timeoutMs`. */
  credits: number;
  /** Of a request's body, and of an answer's. */
  requestBytes: number;
  responseBytes: number;
  egress: ProviderConfig["egress"];
  /** Of all programs that are servers, at a time; 0: none are taken. */
  instances: number;
  /** How long one stays that has no request. */
  instanceIdleSeconds: number;
  /** Names of the register for each USDC that an owner has allowed; null: there are no names. */
  names: { readonly perUsdc: number } | null;
  ipfs: IpfsConfig;
}

/** What is offered now, where price, terms and what is kept may change while it is told. */
export function offeringNow(
  prepared: Offering,
  now: { readonly price: bigint; readonly keep: Keep; readonly terms: ReadonlyMap<Hex, unknown> },
): Offering {
  return {
    ...prepared,
    get termsHashes() {
      return [...now.terms.keys()];
    },
    get keep() {
      return now.keep;
    },
    get offer() {
      return { ...prepared.offer, pricePerCredit: now.price };
    },
  };
}

/**
 * The front page as JSON.
 * @param accepts the entries of x402's `accepts`
 * @param runtimes what programs find here; null: that is not known
 */
export function offeringJson(
  offering: Offering,
  accepts: readonly Accept[],
  runtimes: Runtimes | null,
) {
  const { name, address, webDomain, recipients, termsHashes, keep } = offering;
  const { timeoutMs, memoryMb, credits, requestBytes, responseBytes, egress } = offering;
  const { instances, instanceIdleSeconds: idleSeconds, ipfs } = offering;
  return {
    name,
    address,
    webDomain,
    recipients,
    terms: termsHashes,
    accepts,
    keep: { price: keepTimeToJson(keep.price), terms: keepTimeToJson(keep.terms) },
    /** The processor that programs run on. */
    machine: Deno.build.arch,
    limits: {
      timeoutMs,
      memoryMb,
      credits,
      requestBytes,
      responseBytes,
    },
    egress: {
      hosts: egress.hosts,
      connections: egress.connections,
      connectionsPerSecond: egress.connectionsPerSecond,
      bytesPerSecond: egress.bytesPerSecond,
    },
    servers: { instances, idleSeconds },
    names: offering.names,
    ipfs: { push: pushJson(ipfs), gateway: ipfs.public },
    ...(runtimes ? { runtimes: runtimes.found, runtimesLacking: runtimes.lacking } : {}),
  };
}

/** What owners may have kept here; null: nothing. */
function pushJson({ push, bytesPerUsdc, keepSeconds }: IpfsConfig) {
  return push ? { bytesPerUsdc, carBytesMax: PUSH_CAR_BYTES_MAX, keepSeconds } : null;
}

/** Behind the price: how long deployments keep theirs; nothing where a change counts at once. */
export function keepPriceText({ keep: { price } }: Pick<Offering, "keep">): string {
  if (keepsNothing(price)) return "";
  return `; when it changes, deployments that were paid for before keep theirs ${keepText(price)}`;
}
