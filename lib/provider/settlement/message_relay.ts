/**
 * A payer without ETH on its way out: its signed message (`Escrow.revokeFor` and alike) is sent at
 * our gas, for a fee out of its free balance that goes to the provider's. Who has locked everything
 * here can pay none, and gives its notice for nothing, so that nobody is locked in.
 */
import { type Address, type Hex, isAddressEqual } from "viem";
import type { Chain } from "../../chain/client.ts";
import { readAllowance, readBalance, readNonce } from "../../chain/escrow.ts";
import {
  assertForEscrow,
  isSignedByPayer,
  MESSAGE_NAMES,
  messageCall,
  type SignedMessage,
} from "../../chain/payer_message.ts";
import type { Relayed, RelayOffer } from "../../chain/relay_offer.ts";
import { formatUsdc } from "../../chain/usdc.ts";
import type { ProviderConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { RELAY_LIFETIME_SECONDS_MAX, RELAYED_PAYERS_REMEMBERED_MAX } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { Lru } from "../../lru.ts";
import type { Seller } from "../money/seller.ts";
import { MINING_SECONDS, type Relays } from "./relays.ts";

export interface MessageRelayOptions {
  chain: Chain;
  seller: Seller;
  policy: ProviderConfig["relay"];
  /** From a payer's notice to its effect. */
  thawingSeconds: number;
  relays: Pick<Relays, "admitTry" | "send">;
  log: Log;
  now: () => number;
}

const ETHEREUM_CHAIN_ID = 1;

export class MessageRelay {
  readonly #options: MessageRelayOptions;
  readonly #underWay = new Map<Address, { signature: Hex; work: Promise<Relayed> }>();
  /** When a notice was last sent for nothing, Unix ms, by payer and type of message. */
  readonly #gifts = new Lru<string, number>(RELAYED_PAYERS_REMEMBERED_MAX);

  constructor(options: MessageRelayOptions) {
    this.#options = options;
  }

  /** @throws KhachapuriError `not_found` where nothing is relayed */
  offer(): RelayOffer {
    const { policy, seller } = this.#options;
    assertOffered(policy, seller);
    const { fee } = policy;
    const { chainId, escrow, provider } = seller;
    return { chainId, escrow, relayer: provider, fee, relays: MESSAGE_NAMES };
  }

  /**
   * Has a payer's message mined. Asked for the same one meanwhile, it gives that one's result.
   * @throws KhachapuriError `not_found` where nothing is relayed; `invalid_input`,
   *   `invalid_signature` for a message that is none for here and now; `payment_required` for a fee
   *   that is too low; `idempotency_conflict` when the escrow took it, or another of its number,
   *   from somebody else; `chain_refused` with the escrow's reason; `rate_limited`, `overloaded`,
   *   `chain_unavailable`
   */
  async relay(signed: SignedMessage): Promise<Relayed> {
    const { payer, signature } = signed;
    await assertGenuine(this.#options, signed);
    const known = this.#underWay.get(payer);
    if (known?.signature === signature) return await known.work;
    // Both would be tried against the same nonce, and one of them would revert at our gas.
    if (known) throw oneByOne();
    const work = this.#send(signed).finally(() => this.#underWay.delete(payer));
    this.#underWay.set(payer, { signature, work });
    return await work;
  }

  async #send(signed: SignedMessage): Promise<Relayed> {
    const { relays, policy, log, now, seller: { provider } } = this.#options;
    const { type, payer } = signed;
    relays.admitTry(payer);
    const isGift = await this.#isGift(signed);
    const fee = isGift ? 0n : policy.fee;
    if (signed.feeMax < fee) throw tooLow(fee, signed.feeMax);
    const gift = giftOf(signed);
    // Given when it is sent: one that reverts, or comes late, has cost us the gas as well.
    if (isGift) this.#gifts.set(gift, now());
    const takeBack = () => isGift && this.#gifts.delete(gift);
    const call = messageCall(signed, fee, provider);
    try {
      const { status, transactionHash: transaction } = await relays.send(payer, call, takeBack);
      if (status !== "success") throw reverted();
      log.info("message relayed", { type, payer, fee, transaction });
      return { transaction, fee };
    } catch (error) {
      throw await this.#isTaken(signed, error) ? taken(signed) : error;
    }
  }

  /**
   * Whether it was refused as its number is used: on a chain with a public mempool anybody may copy
   * the message out of our transaction and be first, for the fee.
   */
  async #isTaken({ payer, nonce }: SignedMessage, error: unknown): Promise<boolean> {
    if (!(error instanceof KhachapuriError) || error.code !== "chain_refused") return false;
    const { chain, seller: { escrow } } = this.#options;
    return await readNonce(chain, escrow, payer) > nonce;
  }

  /** Whether it is a notice to us of a payer that could not pay for it, and the first for long. */
  async #isGift(signed: SignedMessage): Promise<boolean> {
    const { chain, policy, thawingSeconds, now, seller: { escrow, provider } } = this.#options;
    const { type, payer } = signed;
    if (policy.fee === 0n || type !== "Revoke" && type !== "BumpEpoch") return false;
    if (!isAddressEqual(signed.provider, provider)) return false;
    const last = this.#gifts.peek(giftOf(signed));
    if (last !== undefined && now() - last < thawingSeconds * 1_000) return false;
    const [balance, allowance] = await Promise.all([
      readBalance(chain, escrow, payer),
      readAllowance(chain, escrow, payer, provider),
    ]);
    // Less than the fee would never get out this way, and is nothing to send for.
    return balance < policy.fee && allowance.credits * allowance.pricePerCredit >= policy.fee;
  }
}

const giftOf = ({ payer, type }: SignedMessage) => `${payer}:${type}`;

/** For this escrow, in time, and signed: checked before anything is asked of the chain. */
async function assertGenuine(
  { policy, seller, now }: MessageRelayOptions,
  signed: SignedMessage,
): Promise<void> {
  assertOffered(policy, seller);
  assertForEscrow(signed, seller);
  const seconds = BigInt(Math.floor(now() / 1000));
  if (signed.deadline < seconds + MINING_SECONDS) {
    throw badDeadline("has ended, or ends before it can be mined");
  }
  if (signed.deadline > seconds + RELAY_LIFETIME_SECONDS_MAX) {
    throw badDeadline(`ends more than ${RELAY_LIFETIME_SECONDS_MAX} seconds from now`);
  }
  if (await isSignedByPayer(signed)) return;
  throw new KhachapuriError("invalid_signature", "the message is not signed by its payer");
}

function badDeadline(why: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `the message's deadline ${why}`, {
    hints: ["sign another"],
  });
}

/**
 * On Ethereum a message takes dollars of gas, and anybody could have us spend them for a fee of
 * cents: there nothing is relayed unless the provider says so.
 * @throws KhachapuriError `not_found`
 */
function assertOffered({ enabled }: ProviderConfig["relay"], { chainId }: Seller): void {
  if (enabled ?? chainId !== ETHEREUM_CHAIN_ID) return;
  const why = enabled === undefined ? ": on Ethereum one costs more gas than its fee is worth" : "";
  throw new KhachapuriError("not_found", `this provider relays no messages${why}`, {
    hints: ["another provider may, or anybody: khachapuri relay FILE"],
  });
}

function tooLow(fee: bigint, feeMax: bigint): KhachapuriError {
  const message = `a message is relayed for ${formatUsdc(fee)} USDC, ` +
    `this one allows ${formatUsdc(feeMax)}`;
  return new KhachapuriError("payment_required", message, {
    hints: [`sign another with feeMax ${fee} (${formatUsdc(fee)} USDC) or more`],
    data: { fee: String(fee) },
  });
}

function oneByOne(): KhachapuriError {
  return new KhachapuriError("rate_limited", "another message of this payer is under way", {
    retryAfterSeconds: 2,
  });
}

function reverted(): KhachapuriError {
  return new KhachapuriError("chain_refused", "the message was mined but reverted", {
    hints: ["look before signing another"],
  });
}

function taken({ payer, nonce }: SignedMessage): KhachapuriError {
  const message = `the escrow has taken message ${nonce} of ${payer} already`;
  return new KhachapuriError("idempotency_conflict", message, {
    hints: ["this one, or another of its number: the escrow's Relayed event says which"],
    data: { nonce: String(nonce) },
  });
}
