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
  PAYMENT_SIGNATURE_HEADER,
} from "../payment_header.ts";
import type { UnsignedPermit } from "../permit.ts";
import { isConfidential } from "../web_url.ts";
import { type DepositWish, type PaidCall, payAndSend } from "./paid_call.ts";
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

/** A request; its URL follows from the target. */
export interface CallRequest {
  method: string;
  headers: readonly (readonly [string, string])[];
  body: Uint8Array<ArrayBuffer> | null;
}

export interface CallOptions {
  target: CallTarget;
  request: CallRequest;
  /** Pay with a permit: at once, when the provider asks for it, or not at all. */
  pay: "always" | "when asked" | "never";
  /** Called only when something is signed, as it may ask for a key. */
  account: () => Promise<LocalAccount>;
  /** Clients that share an account take a lane each. */
  laneLabel?: string;
  /** What is known of this account's lanes, and signed for them. */
  book: PermitBook;
  /** Signed and sent along when no credits are left; implies `pay: "always"`. */
  deposit?: DepositWish;
  /** How long to wait for a provider that does not see a fresh allowance yet, ms. */
  waitMs?: number;
  onWait?: (what: string) => void;
  sleep?: (ms: number) => Promise<void>;
  signal?: AbortSignal;
  fetch?: typeof fetch;
  now?: () => number;
}

export interface CallAnswer {
  url: URL;
  response: Response;
  /** The permit that went along; null when the owner paid, or nobody. */
  paid: UnsignedPermit | null;
  /** Whether a signed deposit went along. */
  hasDeposited: boolean;
}

/**
 * `{webDomain}/{cid}[/path][?query]`.
 * @throws KhachapuriError `usage` for a path that leads out of the deployment, by `..` or the like
 */
export function callUrl(webDomain: string, target: CallTarget): URL {
  const base = `${webDomain}/${target.cid}`;
  const url = new URL(base + target.path);
  const prefix = new URL(base).href;
  const isBelow = url.href === prefix || /^[/?]/.test(url.href.slice(prefix.length));
  if (url.href.startsWith(prefix) && isBelow) return url;
  throw new KhachapuriError("usage", `the path leads out of the deployment: ${target.path}`);
}

/**
 * Makes the call.
 * @throws KhachapuriError from resolving the name; `usage` rather than sending a permit where
 *   others can read it; `misdirected`; `untrusted_escrow`; `payment_required` when more is asked
 *   than the name says
 */
export async function callDeployment(
  chain: Chain,
  contracts: Contracts,
  options: CallOptions,
): Promise<CallAnswer> {
  const record = await resolveProvider(chain, options.target.name, contracts);
  assertServedThere(record, options);
  const url = callUrl(record.webDomain, options.target);
  const send = (headers: CallRequest["headers"]) => sendRequest(url, headers, options);
  const { headers } = options.request;
  if (options.pay !== "always" && !options.deposit) {
    const response = await send(headers);
    const offers = options.pay === "never" ? [] : offersOf(response);
    if (offers.length === 0) return { url, response, paid: null, hasDeposited: false };
    assertAsAnnounced(record, offers);
    await response.body?.cancel();
  }
  const pay = (header: string) => send([...headers, [PAYMENT_SIGNATURE_HEADER, header]]);
  return { url, ...await paidCall(chain, contracts, record, url, options, pay) };
}

/**
 * A name that came from the server itself: the record has to confirm where it serves. A deposit
 * goes to nobody whom only a server named.
 * @throws KhachapuriError `misdirected`, `usage`
 */
function assertServedThere(
  { name, webDomain }: ProviderRecord,
  { target, deposit }: Pick<CallOptions, "target" | "deposit">,
): void {
  if (target.webDomain === undefined) return;
  if (deposit) {
    throw new KhachapuriError("usage", "--deposit needs the provider's name, not a URL", {
      hints: [`if you mean ${name}: ${name}/${target.cid}`],
    });
  }
  if (target.webDomain === webDomain) return;
  throw new KhachapuriError("misdirected", `${name} serves at ${webDomain}, not there`, {
    hints: [`khachapuri call ${name}/${target.cid}`],
  });
}

async function sendRequest(
  url: URL,
  headers: CallRequest["headers"],
  options: CallOptions,
): Promise<Response> {
  const { request, signal } = options;
  const sent = new Headers(headers.map(([name, value]): [string, string] => [name, value]));
  // Without the header fetch asks for compression, which curl does not.
  if (!sent.has("accept-encoding")) sent.set("accept-encoding", "identity");
  try {
    return await (options.fetch ?? fetch)(url, {
      method: request.method,
      headers: sent,
      body: request.body,
      // A redirect must not carry a permit, or a caller's data, to somebody else.
      redirect: "manual",
      ...(signal ? { signal } : {}),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new KhachapuriError("provider_unavailable", `${url.origin} can't be reached`, {
      cause,
      hints: ["try again, or ask the provider"],
    });
  }
}

/** The provider's offers in a 402; none for other answers. Programs can't print the header. */
function offersOf(response: Response): CreditsOffer[] {
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

async function paidCall(
  chain: Chain,
  contracts: Contracts,
  record: ProviderRecord,
  url: URL,
  options: CallOptions,
  send: (header: string) => Promise<Response>,
): Promise<PaidCall> {
  if (!isConfidential(url)) {
    throw new KhachapuriError("usage", `no permit over plain http to ${url.host}`, {
      hints: ["whoever reads it on the way can spend it; the provider needs an https URL"],
    });
  }
  const { chainId } = chain;
  const escrow = trustedEscrow(record, { chainId, escrow: contracts.escrow });
  const account = await options.account();
  const { address: payer } = account;
  const lane = clientLane(payer, options.laneLabel);
  const { book, onWait, waitMs = 0, now = Date.now, sleep = pause } = options;
  return await payAndSend(chain, {
    account,
    book,
    send,
    waitMs,
    now,
    sleep,
    ...(onWait ? { onWait } : {}),
    key: { chainId, escrow, payer, provider: record.address, lane },
    usdc: contracts.usdc,
    price: record.price,
    deposit: options.deposit ?? null,
  });
}
