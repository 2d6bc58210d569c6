/**
 * A payer with USDC and no ETH: its signed deposit and allowance (`Escrow.depositAndAllow`,
 * EIP-3009) is relayed at our gas. So it must bring us more than the gas costs, out of money that
 * the payer has, once a day, and be good in a simulation before anything is sent.
 */
import { type Address, type Hex, isAddressEqual } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import {
  type Allowance,
  depositAndAllowArguments,
  depositAndAllowNonce,
} from "../../chain/escrow.ts";
import { ESCROW_MESSAGES, escrowCall } from "../../chain/escrow_call.ts";
import {
  authorizationStateCall,
  formatUsdc,
  recoverReceiveAuthorization,
  usdcBalanceCall,
  type UsdcDomain,
  usdcDomain,
} from "../../chain/usdc.ts";
import type { ProviderConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { PAYER_DEPOSIT_MS } from "../../limits.ts";
import type { Log } from "../../log.ts";
import type { DepositAuthorization } from "../../deposit_authorization.ts";
import type { Seller } from "../money/seller.ts";
import type { LastRelays } from "./last_relays.ts";
import { MINING_SECONDS, type Relays } from "./relays.ts";

export interface OnboardingOptions {
  chain: Chain;
  seller: Seller;
  usdc: Address;
  policy: ProviderConfig["onboarding"];
  relays: Pick<Relays, "costOf" | "admitFrom" | "admitLook" | "admitTry" | "send">;
  /** When each payer had its last deposit relayed. */
  last: Pick<LastRelays, "at" | "note" | "takeBack">;
  log: Log;
  now: () => number;
}

/** Gas of a `depositAndAllow`, a fifth more than it takes (contracts/snapshots/Escrow.json). */
const DEPOSIT_GAS = 140_000n;
/**
 * What a deposit locks is so many times what its relay costs: of what is locked a part only is
 * earned, and a rollup's data fee comes on top of the gas.
 */
const LOCKED_PER_COST = 10n;
/** The terms told to strangers follow the price of gas this often, ms. */
const TERMS_AGE_MS = 15_000;

const KIND = "deposit";

export class Onboarding {
  readonly #options: OnboardingOptions;
  readonly #underWay = new Map<Address, Promise<Hex>>();
  #usdcDomain: UsdcDomain | null = null;
  /** What a relay cost when it was last asked, USDC base units. */
  #cost: { amount: bigint; at: number } | null = null;

  constructor(options: OnboardingOptions) {
    this.#options = options;
  }

  /**
   * The least that a deposit must newly lock, for offers, as of the gas price of some seconds ago.
   * @returns null while none is relayed
   */
  minimum(): bigint | null {
    const { policy, now } = this.#options;
    if (!policy.enabled) return null;
    const known = this.#cost;
    // In the background: an offer waits for nobody.
    if (!known || now() - known.at >= TERMS_AGE_MS) this.#costNow().catch(() => {});
    return known && leastLocked(policy, known.amount);
  }

  /** Finds out what a relay costs, so that the first offer knows it. */
  async prepare(): Promise<void> {
    if (this.#options.policy.enabled) await this.#costNow().catch(() => {});
  }

  /**
   * Has a payer's deposit mined. A payer with one under way gets that one's result.
   * @param from the address of whoever sent it, where it is known
   * @returns its transaction; views of the payer are read anew from then on
   * @throws KhachapuriError `payment_required` with the reason, `rate_limited`, `overloaded`,
   *   `chain_unavailable`
   */
  async relay(payer: Address, deposit: DepositAuthorization, from?: string): Promise<Hex> {
    // First of all: nobody's junk stands in for what the payer itself has signed.
    assertWorthwhile(this.#options, deposit);
    this.#options.relays.admitFrom(from);
    await this.#assertSigned(payer, deposit);
    const known = this.#underWay.get(payer);
    if (known) return await known;
    const work = this.#send(payer, deposit).finally(() => this.#underWay.delete(payer));
    this.#underWay.set(payer, work);
    return await work;
  }

  /** Checked here and not only by simulation, so that junk costs the endpoint no simulation. */
  async #assertSigned(payer: Address, deposit: DepositAuthorization): Promise<void> {
    const { chain, usdc, seller: { escrow, provider } } = this.#options;
    const domain = this.#usdcDomain ??= await usdcDomain(chain, usdc);
    const { amount: value, validAfter, validBefore, signature } = deposit;
    const nonce = depositAndAllowNonce(payer, provider, deposit);
    const authorization = { from: payer, to: escrow, value, validAfter, validBefore, nonce };
    const signer = await recoverReceiveAuthorization(domain, authorization, signature);
    if (signer !== null && isAddressEqual(signer, payer)) return;
    throw refused("the deposit is not signed by the payer");
  }

  async #send(payer: Address, deposit: DepositAuthorization): Promise<Hex> {
    const { relays, last, log, seller: { escrow, provider } } = this.#options;
    await this.#assertNotToday(payer);
    relays.admitLook(payer);
    const worth = await this.#assertFunded(payer, deposit);
    relays.admitTry(payer);
    const call = {
      address: escrow,
      abi: escrowAbi,
      functionName: "depositAndAllow",
      args: depositAndAllowArguments(payer, provider, deposit),
      messages: ESCROW_MESSAGES,
    };
    const receipt = await relays.send({
      payer,
      call,
      worth,
      // When it is sent: one that reverts, or comes late, has cost us the gas as well.
      onSend: async () => {
        if (!await last.note(payer, KIND, PAYER_DEPOSIT_MS)) throw onceADay(PAYER_DEPOSIT_MS);
      },
      onUnsent: () => last.takeBack(payer, KIND),
    }).catch((error) => {
      if (error.code !== "chain_refused") throw error;
      throw refused(`the deposit was refused: ${error.shortMessage}`, error);
    });
    if (receipt.status !== "success") throw refused("the deposit was mined but reverted");
    const transaction = receipt.transactionHash;
    log.info("deposit relayed", { payer, amount: deposit.amount, transaction });
    return transaction;
  }

  async #assertNotToday(payer: Address): Promise<void> {
    const { last, now } = this.#options;
    const at = await last.at(payer, KIND);
    const leftMs = at === undefined ? 0 : at + PAYER_DEPOSIT_MS - now();
    if (leftMs > 0) throw onceADay(leftMs);
  }

  /**
   * That the payer has the money, and that enough of it is new to us, by one question to the chain.
   * @returns the most that the gas of its relay may cost
   */
  async #assertFunded(payer: Address, deposit: DepositAuthorization): Promise<bigint> {
    const { chain, usdc, policy, seller: { escrow, provider } } = this.#options;
    const nonce = depositAndAllowNonce(payer, provider, deposit);
    const [cost, [wallet, isUsed, held]] = await Promise.all([
      this.#costNow(),
      chain.readMany<unknown>([
        usdcBalanceCall(usdc, payer),
        authorizationStateCall(usdc, payer, nonce),
        escrowCall(escrow, "allowance", [payer, provider]),
      ]) as Promise<[bigint, boolean, Allowance]>,
    ]);
    const least = leastLocked(policy, cost);
    if (least === null) throw tooDear(cost, policy.costMax);
    if (isUsed) throw refused("the deposit was mined before, or is cancelled");
    if (wallet < deposit.amount) {
      const needs = `the deposit takes ${formatUsdc(deposit.amount)}`;
      throw refused(`the payer holds ${formatUsdc(wallet)} USDC, ${needs}`);
    }
    const locked = newlyLocked(deposit, held);
    if (locked < least) throw tooLittle(locked, least);
    const worth = locked / LOCKED_PER_COST;
    return worth < policy.costMax ? worth : policy.costMax;
  }

  async #costNow(): Promise<bigint> {
    const { relays, now } = this.#options;
    const amount = await relays.costOf(DEPOSIT_GAS);
    this.#cost = { amount, at: now() };
    return amount;
  }
}

type Policy = ProviderConfig["onboarding"];

/** The least that a deposit must newly lock; null while its relay costs too much. */
function leastLocked({ minimum, costMax }: Policy, cost: bigint): bigint | null {
  if (cost > costMax) return null;
  const least = LOCKED_PER_COST * cost;
  return least > minimum ? least : minimum;
}

/**
 * What a deposit locks for us that was not locked, out of its own amount: what comes out of the
 * payer's free balance may have been locked here before, and can be again.
 */
function newlyLocked({ amount, pricePerCredit, credits }: DepositAuthorization, held: Allowance) {
  const locked = pricePerCredit * credits - held.pricePerCredit * held.credits;
  return locked < amount ? locked : amount;
}

/** What can be told without asking anybody. */
function assertWorthwhile(
  { seller, policy, now }: OnboardingOptions,
  deposit: DepositAuthorization,
) {
  if (!policy.enabled) throw refused("this provider relays no deposits");
  const { amount, pricePerCredit, credits, validAfter, validBefore } = deposit;
  if (pricePerCredit < seller.price) {
    const asked = `a credit costs ${formatUsdc(seller.price)}`;
    throw refused(`the deposit allows ${formatUsdc(pricePerCredit)} USDC a credit, ${asked}`);
  }
  const most = pricePerCredit * credits < amount ? pricePerCredit * credits : amount;
  if (most < policy.minimum) throw tooLittle(most, policy.minimum);
  const seconds = BigInt(Math.floor(now() / 1000));
  if (validAfter >= seconds || validBefore <= seconds + MINING_SECONDS) {
    throw refused("the deposit is not valid yet, or not for long enough to be mined");
  }
}

function onceADay(leftMs: number): KhachapuriError {
  return new KhachapuriError("rate_limited", "one deposit of a payer is relayed here a day", {
    retryAfterSeconds: Math.ceil(leftMs / 1_000),
    hints: ["deposit and allow by yourself, at your own gas"],
  });
}

function tooLittle(locked: bigint, least: bigint): KhachapuriError {
  const asked = `a deposit that is relayed here locks at least ${formatUsdc(least)} USDC`;
  const brings = `this one ${formatUsdc(locked < 0n ? 0n : locked)}`;
  return refused(`${asked} more than before for this provider, ${brings}`);
}

function tooDear(cost: bigint, costMax: bigint): KhachapuriError {
  const now = `relaying a deposit costs ${formatUsdc(cost)} USDC of gas now`;
  return refused(`${now}, this provider pays up to ${formatUsdc(costMax)}`);
}

function refused(message: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("payment_required", message, {
    cause,
    hints: ["sign another deposit, or deposit and allow by yourself"],
  });
}
