/**
 * Calling a deployment by its provider's name, the way curl calls a URL, and paying for it with a
 * permit of one's own when that is wanted. A permit is signed for the address that the name
 * resolved to and for an escrow that the client knew before. A server's 402 can make us pay, but
 * not change whom: a server that was taken over can't have its callers pay somebody else.
 */
import type { LocalAccount } from "viem";
import type { Chain } from "../chain/client.ts";
import { trustedEscrow } from "../chain/deployments.ts";
import { type ProviderRecord, resolveProvider } from "../chain/ens.ts";
import { clientLane } from "../chain/lane.ts";
import { formatUsdc } from "../chain/usdc.ts";
import type { Contracts } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { pause } from "../pause.ts";
import {
  type CreditsOffer,
  decodePaymentRequired,
  PAYMENT_REQUIRED_HEADER,
} from "../payment_header.ts";
import type { UnsignedPermit } from "../permit.ts";
import { isConfidential, isThisMachine } from "../web_url.ts";
import { type CurlUrl, formatCurlUrl, originOf, parseCurlUrl } from "./curl_url.ts";
import { type Answered, type DepositWish, type PaidCall, payAndSend } from "./paid_call.ts";
import type { PermitBook } from "./permit_book.ts";

/** A deployment, the provider that is asked for it, and what is asked of it. */
export interface CallTarget {
  name: string;
  /** Canonical. */
  cid: string;
  /** Path and query within the deployment; "" or with a leading slash. */
  path: string;
  /** The URL that was written where the server gave the name: the record must say the same. */
  webDomain?: string;
}

/** Where a deployment is called, and who is paid for it. */
export interface CallPlace {
  record: ProviderRecord;
  /** Of the whole call, with the target's path and query as they were written. */
  url: CurlUrl;
}

export interface CallOptions<A extends Answered> {
  /** Makes the request, with this value of PAYMENT-SIGNATURE or without one. */
  send(payment: string | null): Promise<A>;
  /** Pay with a permit: at once, when the provider asks for it, or not at all. */
  pay: "always" | "when asked" | "never";
  /** Called only when something is signed, as it may ask for a key. */
  account: () => Promise<LocalAccount>;
  /** Clients that share an account take a lane each. */
  laneLabel?: string;
  /** How many credits the run may take; 1 unless given. */
  credits?: bigint;
  /** What is known of this account's lanes, and signed for them. */
  book: PermitBook;
  /** Signed and sent along when no credits are left; implies `pay: "always"`. */
  deposit?: DepositWish;
  /** How long to wait for a provider that does not see a fresh allowance yet, ms. */
  waitMs?: number;
  onWait?: (what: string) => void;
  sleep?: (ms: number) => Promise<void>;
  now?: () => number;
  /** -k: nobody knows who answers. */
  isUnverified?: boolean;
}

export interface CallAnswer<A extends Answered> {
  response: A;
  /** The permit that went along; null when the owner paid, or nobody. */
  paid: UnsignedPermit | null;
  /** Whether a signed deposit went along. */
  hasDeposited: boolean;
}

/**
 * Looks up where a target is called: `{webDomain}/{cid}[/path][?query]`.
 * @throws KhachapuriError from resolving the name; `usage` for a path that leads out of the
 *   deployment; `misdirected`
 */
export async function placeOf(
  chain: Chain,
  contracts: Contracts,
  target: CallTarget,
  isPathAsIs: boolean,
): Promise<CallPlace> {
  const record = await resolveProvider(chain, target.name, contracts);
  assertServedThere(record, target);
  return { record, url: callUrl(record.webDomain, target, isPathAsIs) };
}

/**
 * A name that came from the server itself: its record has to confirm where it serves.
 * @throws KhachapuriError `misdirected`
 */
function assertServedThere({ name, webDomain }: ProviderRecord, target: CallTarget): void {
  if (target.webDomain === undefined || target.webDomain === webDomain) return;
  throw new KhachapuriError("misdirected", `${name} serves at ${webDomain}, not there`, {
    hints: [`khachapuri call ${name}/${target.cid}`],
  });
}

/** @throws KhachapuriError `usage` for a path that leads out of the deployment, as `..` does */
export function callUrl(webDomain: string, target: CallTarget, isPathAsIs = false): CurlUrl {
  const base = `${webDomain}/${target.cid}`;
  const url = parseCurlUrl(base + target.path, isPathAsIs);
  if (isBelow(url, parseCurlUrl(base))) return url;
  throw new KhachapuriError("usage", `the path leads out of the deployment: ${target.path}`);
}

/**
 * Whether a URL is of a deployment, for us and for whoever on the way resolves `..`, `%2e` and
 * backslashes in it.
 */
export function isBelow(url: CurlUrl, deployment: CurlUrl): boolean {
  const prefix = new URL(formatCurlUrl(deployment)).href;
  return [formatCurlUrl(url), new URL(formatCurlUrl(url)).href].every((text) =>
    text.startsWith(prefix) && /^(?:[/?]|$)/.test(text.slice(prefix.length))
  );
}

/**
 * Makes one call, and pays for it as far as that is wanted.
 * @throws KhachapuriError `usage` rather than sending a permit where others can read it;
 *   `untrusted_escrow`; `payment_required` when more is asked than the name
 *   says; what `send` throws
 */
export async function callDeployment<A extends Answered>(
  chain: Chain,
  contracts: Contracts,
  { record, url }: CallPlace,
  options: CallOptions<A>,
): Promise<CallAnswer<A>> {
  if (options.pay !== "always" && !options.deposit) {
    const response = await options.send(null);
    const offers = options.pay === "never" ? [] : offersOf(response);
    if (offers.length === 0) return { response, paid: null, hasDeposited: false };
    assertAsAnnounced(record, offers);
    await response.body?.cancel();
  }
  return await paidCall(chain, contracts, record, url, options);
}

/** The provider's offers in a 402; none for other answers. Programs can't print the header. */
function offersOf(response: Answered): CreditsOffer[] {
  const header = response.headers.get(PAYMENT_REQUIRED_HEADER);
  if (response.status !== 402 || header === null) return [];
  return decodePaymentRequired(header).offers;
}

/**
 * @throws KhachapuriError `payment_required` when a server asks for more than its provider's name
 *   announces, or for somebody else to be paid
 */
function assertAsAnnounced(record: ProviderRecord, offers: readonly CreditsOffer[]): void {
  const offer = offers.find(({ payTo }) => payTo === record.address);
  if (!offer) {
    const { payTo } = offers[0]!;
    const message = `${record.webDomain} wants ${payTo} paid, but ${record.name} is ` +
      record.address;
    throw new KhachapuriError("payment_required", message);
  }
  if (offer.pricePerCredit <= record.price) return;
  const asked = `${formatUsdc(offer.pricePerCredit)} USDC a credit`;
  const message = `${record.webDomain} asks ${asked}, ${record.name} says ` +
    formatUsdc(record.price);
  throw new KhachapuriError("payment_required", message);
}

/** @throws KhachapuriError `usage`: whoever reads a permit on the way can spend it */
function assertConfidential(url: URL, isUnverified: boolean): void {
  if (!isConfidential(url)) {
    throw new KhachapuriError("usage", `no permit over plain http to ${url.host}`, {
      hints: ["whoever reads it on the way can spend it; the provider needs an https URL"],
    });
  }
  if (!isUnverified || isThisMachine(url)) return;
  throw new KhachapuriError("usage", `no permit with -k to ${url.host}`, {
    hints: ["anybody on the way could take it; --cacert FILE names whom to trust"],
  });
}

async function paidCall<A extends Answered>(
  chain: Chain,
  contracts: Contracts,
  record: ProviderRecord,
  url: CurlUrl,
  options: CallOptions<A>,
): Promise<PaidCall<A>> {
  assertConfidential(new URL(originOf(url)), options.isUnverified ?? false);
  const { chainId } = chain;
  const escrow = trustedEscrow(record, { chainId, escrow: contracts.escrow });
  const account = await options.account();
  const { address: payer } = account;
  const lane = clientLane(payer, options.laneLabel);
  const { book, onWait, waitMs = 0, now = Date.now, sleep = pause } = options;
  return await payAndSend(chain, {
    account,
    book,
    send: options.send,
    waitMs,
    now,
    sleep,
    ...(onWait ? { onWait } : {}),
    key: { chainId, escrow, payer, provider: record.address, lane },
    usdc: contracts.usdc,
    price: record.price,
    credits: options.credits ?? 1n,
    deposit: options.deposit ?? null,
  });
}
