/**
 * How what a payer takes back leaves its hands: sent by itself, for ETH; signed and relayed by a
 * provider, for a fee in USDC; or signed only, for anybody to send.
 */
import type { Hex } from "viem";
import { blockNumber, blockTime, type Chain } from "../chain/client.ts";
import { bumpEpoch, readNonce, reclaim, revoke, withdraw } from "../chain/escrow.ts";
import { type MessageFate, readMessageFate } from "../chain/message_fate.ts";
import {
  type MessageMatter,
  messageToJson,
  type SignedMessage,
  signMessage,
} from "../chain/payer_message.ts";
import type { Relayed, RelayOffer } from "../chain/relay_offer.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import { askRelayOffer, askToRelay } from "../client/relay.ts";
import { KhachapuriError } from "../errors.ts";
import { writeNewFile } from "../files.ts";
import { RELAY_FEE_MAX } from "../limits.ts";
import { isConfidential } from "../web_url.ts";
import { timeText } from "../time_text.ts";
import type { CommandContext, OptionTable } from "./command.ts";
import { withFundingHints } from "./funding.ts";
import { jsonText } from "./output.ts";
import { deadlineOf, providerParty } from "./parties.ts";

/** How long a message may be sent, seconds. */
const LIFETIME_SECONDS = 600n;

export const WAY_OUT_OPTIONS = {
  relay: {
    type: "string",
    value: "NAME|URL",
    description: "a provider that sends it, for a fee in USDC: you need no ETH",
  },
  "fee-max": {
    type: "string",
    value: "USDC",
    description: "the most that whoever sends it may take (default: what --relay asks)",
  },
  deadline: {
    type: "string",
    value: "TIME",
    description: "until when it may be sent (default: ten minutes from now)",
  },
  print: { type: "boolean", description: "print it signed, for anybody to send, and send nothing" },
  out: { type: "string", value: "FILE", description: "write it signed to FILE, and send nothing" },
} as const satisfies OptionTable;

/** The usage text of these flags. */
export const WAY_OUT_USAGE = "[--relay NAME|URL | --print | --out FILE]";

export interface WayOutFlags {
  readonly relay: string | undefined;
  readonly "fee-max": string | undefined;
  readonly deadline: string | undefined;
  readonly print: boolean;
  readonly out: string | undefined;
}

export interface WayOut {
  /** What may go off the free balance for it, USDC base units. */
  readonly fee: bigint;
  /** Has it sent; null when it was only signed, and is printed or written by now. */
  leave(matter: MessageMatter): Promise<Sent | null>;
}

export interface Sent {
  readonly transaction: Hex;
  /** What a relayer took; absent without one. */
  readonly fee?: bigint;
}

/**
 * The way that the flags choose.
 * @throws KhachapuriError `usage`; with --relay what the relayer answers, and `payment_required`
 *   when it asks more than anybody agreed to
 */
export async function wayOut(context: CommandContext, flags: WayOutFlags): Promise<WayOut> {
  const { relay, print, out } = flags;
  const chosen = [relay !== undefined, print, out !== undefined].filter(Boolean).length;
  if (chosen > 1) throw new KhachapuriError("usage", "give one of --relay, --print and --out");
  if (relay !== undefined) return await relayedWay(context, relay, flags);
  if (chosen === 1) return signedWay(context, flags);
  if (flags["fee-max"] === undefined && flags.deadline === undefined) return ownWay(context);
  throw new KhachapuriError("usage", "--fee-max and --deadline are for a message", {
    hints: ["give --relay NAME|URL, --print or --out FILE"],
  });
}

const WITHOUT_GAS: readonly string[] = [
  "or the same with --relay NAME: a provider sends it for a fee in USDC",
  "or with --out FILE: anybody who has ETH sends it",
];

function ownWay(context: CommandContext): WayOut {
  return {
    fee: 0n,
    async leave(matter) {
      const { transactionHash } = await withFundingHints(
        sendOwn(context, matter),
        (reason) => Promise.resolve(reason === "InsufficientFunds" ? WITHOUT_GAS : []),
      );
      return { transaction: transactionHash };
    },
  };
}

async function sendOwn(context: CommandContext, matter: MessageMatter) {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const account = await context.account();
  switch (matter.type) {
    case "Revoke":
      return await revoke(chain, account, escrow, matter.provider, matter.credits);
    case "BumpEpoch":
      return await bumpEpoch(chain, account, escrow, matter.provider);
    case "Reclaim":
      return await reclaim(chain, account, escrow, matter.provider);
    case "Withdraw":
      return await withdraw(chain, account, escrow, matter.amount, matter.to);
  }
}

async function relayedWay(
  context: CommandContext,
  relayer: string,
  flags: WayOutFlags,
): Promise<WayOut> {
  const deadline = messageDeadline(context, flags);
  const given = flags["fee-max"] === undefined ? null : parseUsdc(flags["fee-max"]);
  const webDomain = await relayerUrl(context, relayer);
  context.out.progress(`asking ${webDomain} what it takes`);
  const offer = await askRelayOffer(webDomain);
  await assertOurs(context, webDomain, offer);
  const feeMax = given === null ? agreeableFee(webDomain, offer) : smaller(given, offer.fee);
  return {
    fee: offer.fee,
    async leave(matter) {
      if (!offer.relays.includes(matter.type)) {
        throw new KhachapuriError("not_found", `${webDomain} does not send ${matter.type}`);
      }
      const since = await blockNumber(await context.chain());
      const signed = await sign(context, matter, feeMax, await deadline());
      context.out.progress(`asking ${webDomain} to send it for ${formatUsdc(offer.fee)} USDC`);
      const said = await askToRelay(webDomain, signed).catch(takenAlready);
      return await sentOf(context, webDomain, { signed, since, said });
    },
  };
}

const smaller = (one: bigint, other: bigint) => one < other ? one : other;

/** Somebody else was faster, with this message or with another of its number: the chain knows. */
function takenAlready(error: unknown): null {
  if (error instanceof KhachapuriError && error.code === "idempotency_conflict") return null;
  throw error;
}

/** @throws KhachapuriError `usage` for a URL that others can read along, or as `providerParty` */
async function relayerUrl(context: CommandContext, text: string): Promise<string> {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) {
    const { record } = await providerParty(context, text);
    if (record) return record.webDomain;
    throw new KhachapuriError("usage", "--relay is a provider's name, or a URL");
  }
  if (isConfidential(url)) return text.replace(/\/+$/, "");
  throw new KhachapuriError("usage", `--relay must be https, or on this machine: ${text}`);
}

async function assertOurs(
  context: CommandContext,
  webDomain: string,
  offer: RelayOffer,
): Promise<void> {
  const [{ chainId }, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  if (offer.chainId === chainId && offer.escrow === escrow) return;
  const theirs = `escrow ${offer.escrow} on chain ${offer.chainId}`;
  throw new KhachapuriError("untrusted_escrow", `${webDomain} sends to ${theirs}`, {
    hints: [`yours is ${escrow} on chain ${chainId}`],
  });
}

function agreeableFee(webDomain: string, { fee }: RelayOffer): bigint {
  if (fee <= RELAY_FEE_MAX) return fee;
  const asks = `${webDomain} asks ${formatUsdc(fee)} USDC to send a message`;
  throw new KhachapuriError("payment_required", asks, {
    hints: [`more than ${formatUsdc(RELAY_FEE_MAX)} is taken with --fee-max ${formatUsdc(fee)}`],
  });
}

/** A message that a relayer was asked to send. */
interface Handed {
  readonly signed: SignedMessage;
  /** The block before it was signed. */
  readonly since: bigint;
  /** The relayer's word; null where it says that somebody else has sent it. */
  readonly said: Relayed | null;
}

/**
 * What the chain shows of a message: the relayer could name any transaction, and send an earlier
 * message of the same number in its place.
 * @throws KhachapuriError `chain_unavailable` when it shows nothing, `chain_refused` when the
 *   escrow took another message
 */
async function sentOf(context: CommandContext, webDomain: string, handed: Handed): Promise<Sent> {
  const { signed, since, said } = handed;
  const fate = await readMessageFate(await context.chain(), signed, since);
  if (!fate) throw notShown(webDomain, signed, said);
  if (!fate.isDone) throw replaced(signed, fate);
  return { transaction: fate.transaction, fee: fate.fee };
}

function notShown(
  webDomain: string,
  { deadline }: SignedMessage,
  said: Relayed | null,
): KhachapuriError {
  const message = `${webDomain} says that it was sent, and the chain does not show it yet`;
  return new KhachapuriError("chain_unavailable", message, {
    hints: [
      ...(said ? [`transaction ${said.transaction}`] : []),
      `it can be mined until ${timeText(deadline)}`,
    ],
  });
}

function replaced(
  { nonce }: SignedMessage,
  { transaction, fee, effects }: MessageFate,
): KhachapuriError {
  const message = `the escrow took another message of yours of the same number, ${nonce}: ` +
    `${effects.join("; ") || "without effect"}, for ${formatUsdc(fee)} USDC`;
  return new KhachapuriError("chain_refused", message, {
    hints: [`transaction ${transaction}`, "this one is void: sign it again, for another relayer"],
    data: { reason: "InvalidAccountNonce", transaction, fee: String(fee) },
  });
}

function signedWay(context: CommandContext, flags: WayOutFlags): WayOut {
  const deadline = messageDeadline(context, flags);
  const feeMax = flags["fee-max"] === undefined ? 0n : parseUsdc(flags["fee-max"]);
  return {
    fee: feeMax,
    async leave(matter) {
      const signed = await sign(context, matter, feeMax, await deadline());
      await show(context, signed, flags.out);
      return null;
    },
  };
}

async function show(
  { out }: CommandContext,
  signed: SignedMessage,
  file: string | undefined,
): Promise<void> {
  const message = messageToJson(signed);
  if (file === undefined) out.result(message, [jsonText(message).trimEnd()]);
  else {
    await writeNewFile(file, jsonText(message));
    out.result({ file, message }, [`anybody may send it: khachapuri relay ${file}`]);
  }
  out.note(`it is your message ${signed.nonce}: one that is taken before it makes it void`);
}

async function sign(
  context: CommandContext,
  matter: MessageMatter,
  feeMax: bigint,
  deadline: bigint,
): Promise<SignedMessage> {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const account = await context.account();
  const { address: payer } = account;
  const nonce = await readNonce(chain, escrow, payer);
  const domain = { chainId: chain.chainId, escrow };
  return await signMessage(account, domain, { ...matter, payer, feeMax, nonce, deadline });
}

/** Unix seconds. */
function messageDeadline(context: CommandContext, flags: WayOutFlags): () => Promise<bigint> {
  const given = flags.deadline === undefined ? null : deadlineOf(flags.deadline, "--deadline");
  return async () => given ?? await presentSeconds(await context.chain()) + LIFETIME_SECONDS;
}

/** By the clock that is ahead: ours, or the chain's, which judges a deadline. */
async function presentSeconds(chain: Chain): Promise<bigint> {
  const [ours, theirs] = [BigInt(Math.floor(Date.now() / 1000)), await blockTime(chain)];
  return ours > theirs ? ours : theirs;
}
