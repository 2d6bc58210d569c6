/** Headers that pay: a permit for credits, or one transfer of USDC (x402 `exact`). */
import { assertSigner, readSettled, readTokenDomain } from "./funds.ts";
import { type Accept, ask, type LaneAnswer, PAYMENT_SIGNATURE, toHeader } from "./provider.ts";
import { LIFETIME_SECONDS, type Say, type Session } from "./session.ts";
import { Trouble } from "./trouble.ts";
import { clientLane, escrowDomain, texts, typedData } from "./typed_data.ts";
import { type Hex, randomWord } from "./words.ts";

/** Lanes of this page: calls that it makes, and headers that it hands out. */
export const CALL_LANE = "browser";
export const HEADER_LANE = "curl";
/** Lanes by what uses them; "default" is the command line's. */
export const LANE_LABELS: Readonly<Record<string, string>> = {
  [CALL_LANE]: "calls from this page",
  [HEADER_LANE]: "headers made here",
  default: "the command line",
};

/** Of a permit that pays for a call now, seconds: it has to outlive its settlement. */
const CALL_LIFE_SECONDS = 86_400n;

export interface SignedPermit {
  readonly header: string;
  readonly lane: Hex;
  /** Cumulative. */
  readonly credits: bigint;
}

/**
 * Signs a permit for so many credits beyond what is charged on a lane, as far as that is known.
 * @param deadline Unix seconds
 */
export async function signPermit(
  session: Session,
  label: string,
  beyond: bigint,
  deadline = session.funds.now + CALL_LIFE_SECONDS,
): Promise<SignedPermit> {
  const { wallet, terms, offer, funds: { allowance }, charged } = session;
  const { chainId, escrow, provider } = terms;
  assertSigner(allowance, wallet.address);
  const lane = clientLane(wallet.address, label);
  const settled = await readSettled(wallet, terms, lane);
  const heard = charged.get(lane) ?? 0n;
  const credits = (heard > settled ? heard : settled) + beyond;
  const permit = {
    payer: wallet.address,
    provider,
    lane,
    price: offer.price,
    credits,
    deadline,
    // The one that has no end yet.
    epoch: allowance.epochEnd === 0n ? allowance.epoch : allowance.epoch + 1n,
  };
  const data = typedData(escrowDomain(chainId, escrow), "Permit", permit);
  const signature = await wallet.signTypedData(data);
  const payload = { type: "permit", permit: { ...texts(permit), signature } };
  const header = toHeader({ x402Version: 2, accepted: offer.credits, payload });
  return { header, lane, credits };
}

/** What the provider says to who shows a permit. */
export async function askLane(session: Session, signed: SignedPermit): Promise<LaneAnswer> {
  const headers = { [PAYMENT_SIGNATURE]: signed.header };
  const answer = await ask<LaneAnswer>("/lane", { headers });
  session.charged.set(signed.lane, BigInt(answer.cumulative));
  return answer;
}

/** A header that is worth so many credits whatever was charged before, for another client. */
export async function makeHeader(
  session: Session,
  credits: bigint,
  lifeSeconds: bigint,
  say: Say,
): Promise<string> {
  const deadline = session.funds.now + lifeSeconds;
  say("Sign the permit in your wallet.");
  const signed = await signPermit(session, HEADER_LANE, credits, deadline);
  const { cumulative } = await askLane(session, signed);
  if (BigInt(cumulative) + credits <= signed.credits) return signed.header;
  say("Some of these credits are used: sign again, from there on.");
  return (await signPermit(session, HEADER_LANE, credits, deadline)).header;
}

/** A transfer of USDC that pays for one call (EIP-3009). @param url what is called */
export async function signTransfer(session: Session, exact: Accept, url: string): Promise<string> {
  const { wallet, terms, funds } = session;
  const value = BigInt(exact.amount);
  if (funds.wallet < value) throw new Trouble("Your wallet holds less USDC than this call costs.");
  const domain = await readTokenDomain(wallet, terms);
  const { name, version } = exact.extra;
  const isTokens = exact.asset.toLowerCase() === terms.asset.toLowerCase() &&
    name === domain.name && version === domain.version;
  if (!isTokens) throw new Trouble("The provider names USDC wrongly.", "Nothing was signed.");
  const seconds = BigInt(exact.maxTimeoutSeconds);
  const authorization = {
    from: wallet.address,
    to: exact.payTo,
    value,
    validAfter: 0n,
    validBefore: funds.now + (seconds > LIFETIME_SECONDS ? seconds : LIFETIME_SECONDS),
    nonce: randomWord(),
  };
  const data = typedData(domain, "TransferWithAuthorization", authorization);
  const signature = await wallet.signTypedData(data);
  const payload = { signature, authorization: texts(authorization) };
  return toHeader({ x402Version: 2, resource: { url }, accepted: exact, payload });
}
