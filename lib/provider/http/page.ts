/** What a provider offers, as its front page says it to a program. */
import type { Address, Hex } from "viem";
import { formatUsdc } from "../../chain/usdc.ts";
import type { OldPrice, ProviderConfig } from "../../config.ts";
import type { IpfsConfig } from "../../config_ipfs.ts";
import { PUSH_CAR_BYTES_MAX } from "../../limits_of_content.ts";
import type { Accept, CreditsOffer } from "../../payment_header.ts";
import type { Runtimes } from "../../runtime.ts";
import { timeText } from "../../time_text.ts";

export interface Offering {
  name: string;
  address: Address;
  webDomain: string;
  recipients: readonly string[];
  /** Of each terms text, newest first. */
  termsHashes: readonly Hex[];
  /** What one call costs, for people. */
  offer: CreditsOffer;
  /** What it cost before, and until when permits for that are served. */
  oldPrice?: OldPrice | undefined;
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
  const { name, address, webDomain, recipients, termsHashes, oldPrice } = offering;
  const { timeoutMs, memoryMb, credits, requestBytes, responseBytes, egress } = offering;
  const { instances, instanceIdleSeconds: idleSeconds, ipfs } = offering;
  return {
    name,
    address,
    webDomain,
    recipients,
    terms: termsHashes,
    accepts,
    ...(oldPrice
      ? { oldPrice: { amount: String(oldPrice.price), until: timeText(oldPrice.until) } }
      : {}),
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

/** Behind the price: until when permits for the earlier one are served; else nothing. */
export function oldPriceText({ oldPrice }: Pick<Offering, "oldPrice">): string {
  if (!oldPrice) return "";
  const until = timeText(oldPrice.until);
  return `; permits signed for ${
    formatUsdc(oldPrice.price)
  } USDC are served at that until ${until}`;
}
