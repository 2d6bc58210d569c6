/**
 * A payer without ETH on its way out: its signed message (`Escrow.revokeFor` and alike) is sent at
 * our gas, for a fee out of its free balance that goes to the provider's, and covers the gas. Who
 * has locked everything here can pay none, and gives its notice for nothing, so that nobody is
 * locked in.
 */
import { type Address, type Hex, isAddressEqual } from "viem";
import type { Chain } from "../../chain/client.ts";
import { type Allowance, readNonce } from "../../chain/escrow.ts";
import { escrowCall } from "../../chain/escrow_call.ts";
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
import { RELAY_LIFETIME_SECONDS_MAX } from "../../limits.ts";
import type { Log } from "../../log.ts";
import type { Seller } from "../money/seller.ts";
import type { LastRelays } from "./last_relays.ts";
import { MINING_SECONDS, type Relays } from "./relays.ts";

export interface MessageRelayOptions {
  chain: Chain;
  seller: Seller;
  policy: ProviderConfig["relay"];
  /** From a payer's notice to its effect. */
  thawingSeconds: number;
  relays: Pick<Relays, "costOf" | "admitFrom" | "admitLook" | "admitTry" | "send">;
  /** When a notice was last sent for nothing, by payer and type of message. */
  last: Pick<LastRelays, "at" | "note" | "takeBack">;
  log: Log;
  now: () => number;
}

const ETHEREUM_CHAIN_ID = 1;
/** Gas of a message, a fifth more than the dearest takes (contracts/snapshots/Escrow.json). */
const MESSAGE_GAS = 100_000n;
/** A fee is so many times what the gas costs now: it may cost more when it is mined. */
const FEE_PER_COST = 2n;
/** The most that the gas of a notice for nothing may cost, USDC base units: 0.05 USDC. */
const GIFT_COST = 50_000n;

/** What is asked for a message now, USDC base units. */
interface Fees {
  /** As it is told. */
  asked: bigint;
  /** Enough of who was told less a while ago: it covers the gas. */
  least: bigint;
  cost: bigint;
}

/** What a payer has in the escrow, USDC base units. */
interface Means {
  /** Its free balance. */
  free: bigint;
  /** What it has locked for the provider that the message names, or for us. */
  locked: bigint;
}

export class MessageRelay {
  readonly #options: MessageRelayOptions;
  readonly #underWay = new Map<Address, { signature: Hex; work: Promise<Relayed> }>();

  constructor(options: MessageRelayOptions) {
    this.#options = options;
  }

  /** @throws KhachapuriError `not_found` where nothing is relayed; `chain_unavailable` */
  async offer(): Promise<RelayOffer> {
    const { policy, seller } = this.#options;
    assertOffered(policy, seller);
    const { asked: fee } = await this.#feesNow();
    const { chainId, escrow, provider } = seller;
    return { chainId, escrow, relayer: provider, fee, relays: MESSAGE_NAMES };
  }

  /**
   * Has a payer's message mined. Asked for the same one meanwhile, it gives that one's result.
   * @param from the address of whoever sent it, where it is known
   * @throws KhachapuriError `not_found` where nothing is relayed; `invalid_input`,
   *   `invalid_signature` for a message that is none for here and now; `payment_required` for a fee
   *   that is too low; `idempotency_conflict` when the escrow took it, or another of its number,
   *   from somebody else; `chain_refused` with the escrow's reason; `rate_limited`, `overloaded`,
   *   `chain_unavailable`
   */
  async relay(signed: SignedMessage, from?: string): Promise<Relayed> {
    const { payer, signature } = signed;
    this.#options.relays.admitFrom(from);
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
    const { relays, last, log, thawingSeconds, seller: { provider } } = this.#options;
    const { type, payer } = signed;
    relays.admitLook(payer);
    const [fees, means] = await Promise.all([this.#feesNow(), this.#meansOf(signed)]);
    if (means.free + means.locked === 0n) throw nothingThere(payer);
    const isGift = await this.#isGift(signed, fees, means);
    const fee = isGift ? 0n : smaller(fees.asked, signed.feeMax);
    if (!isGift && fee < fees.least) throw tooLow(fees.asked, signed.feeMax);
    relays.admitTry(payer);
    const call = messageCall(signed, fee, provider);
    const worth = isGift ? GIFT_COST : fee;
    const gift = {
      // Given when it is sent: one that reverts, or comes late, has cost us the gas as well.
      onSend: async () => {
        if (!await last.note(payer, type, thawingSeconds * 1_000)) throw oneByOne();
      },
      onUnsent: () => last.takeBack(payer, type),
    };
    try {
      const receipt = await relays.send({ payer, call, worth, ...(isGift ? gift : {}) });
      const { status, transactionHash: transaction } = receipt;
      if (status !== "success") throw reverted();
      log.info("message relayed", { type, payer, fee, transaction });
      return { transaction, fee };
    } catch (error) {
      throw await this.#isTaken(signed, error) ? taken(signed) : error;
    }
  }

  async #feesNow(): Promise<Fees> {
    const { relays, policy: { fee } } = this.#options;
    const cost = await relays.costOf(MESSAGE_GAS);
    return { asked: larger(fee, FEE_PER_COST * cost), least: larger(fee, cost), cost };
  }

  /** By one question to the chain. */
  async #meansOf(signed: SignedMessage): Promise<Means> {
    const { chain, seller: { escrow, provider } } = this.#options;
    const at = "provider" in signed ? signed.provider : provider;
    const [free, { credits, pricePerCredit }] = await chain.readMany<unknown>([
      escrowCall(escrow, "balanceOf", [signed.payer]),
      escrowCall(escrow, "allowance", [signed.payer, at]),
    ]) as [bigint, Allowance];
    return { free, locked: credits * pricePerCredit };
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
  async #isGift(
    signed: SignedMessage,
    { asked, cost }: Fees,
    { free, locked }: Means,
  ): Promise<boolean> {
    const { last, thawingSeconds, now, seller: { provider } } = this.#options;
    const { type, payer } = signed;
    if (asked === 0n || cost > GIFT_COST) return false;
    if (type !== "Revoke" && type !== "BumpEpoch") return false;
    if (!isAddressEqual(signed.provider, provider)) return false;
    const before = await last.at(payer, type);
    if (before !== undefined && now() - before < thawingSeconds * 1_000) return false;
    // Less than the fee would never get out this way, and is nothing to send for.
    return free < asked && locked >= asked;
  }
}

const larger = (a: bigint, b: bigint) => a > b ? a : b;
const smaller = (a: bigint, b: bigint) => a < b ? a : b;

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

function nothingThere(payer: Address): KhachapuriError {
  return new KhachapuriError("payment_required", `${payer} has nothing in the escrow`, {
    hints: ["there is nothing to take back or to pay the fee with"],
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
