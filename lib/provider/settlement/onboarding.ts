/**
 * A payer with USDC and no ETH: its signed deposit and allowance (`Escrow.depositAndAllow`,
 * EIP-3009) is relayed at our gas. So it must be worth the gas, signed, and good in a simulation
 * before anything is sent, and strangers can make us send so many a minute and no more.
 */
import { type Address, type Hex, isAddressEqual } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import { depositAndAllowArguments, depositAndAllowNonce } from "../../chain/escrow.ts";
import { ESCROW_MESSAGES } from "../../chain/escrow_call.ts";
import {
  formatUsdc,
  recoverReceiveAuthorization,
  type UsdcDomain,
  usdcDomain,
} from "../../chain/usdc.ts";
import type { ProviderConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { DepositAuthorization } from "../../payment_header.ts";
import type { Seller } from "../money/seller.ts";
import { MINING_SECONDS, type Relays } from "./relays.ts";

export interface OnboardingOptions {
  chain: Chain;
  seller: Seller;
  usdc: Address;
  policy: ProviderConfig["onboarding"];
  relays: Pick<Relays, "admitTry" | "send">;
  log: Log;
  now: () => number;
}

export class Onboarding {
  readonly #options: OnboardingOptions;
  readonly #underWay = new Map<Address, Promise<Hex>>();
  #usdcDomain: UsdcDomain | null = null;

  constructor(options: OnboardingOptions) {
    this.#options = options;
  }

  /**
   * Has a payer's deposit mined. A payer with one under way gets that one's result.
   * @returns its transaction; views of the payer are read anew from then on
   * @throws KhachapuriError `payment_required` with the reason, `rate_limited`, `overloaded`,
   *   `chain_unavailable`
   */
  async relay(payer: Address, deposit: DepositAuthorization): Promise<Hex> {
    // First of all: nobody's junk stands in for what the payer itself has signed.
    assertWorthwhile(this.#options, deposit);
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
    const { relays, log, seller: { escrow, provider } } = this.#options;
    relays.admitTry(payer);
    const receipt = await relays.send(payer, {
      address: escrow,
      abi: escrowAbi,
      functionName: "depositAndAllow",
      args: depositAndAllowArguments(payer, provider, deposit),
      messages: ESCROW_MESSAGES,
    }).catch((error) => {
      if (error.code !== "chain_refused") throw error;
      throw refused(`the deposit was refused: ${error.shortMessage}`, error);
    });
    if (receipt.status !== "success") throw refused("the deposit was mined but reverted");
    const transaction = receipt.transactionHash;
    log.info("deposit relayed", { payer, amount: deposit.amount, transaction });
    return transaction;
  }
}

/** What it locks for us is what we send it for: the rest the payer can take away again. */
function assertWorthwhile(
  { seller, policy, now }: OnboardingOptions,
  deposit: DepositAuthorization,
) {
  if (!policy.enabled) throw refused("this provider relays no deposits");
  const { pricePerCredit, credits, validAfter, validBefore } = deposit;
  if (pricePerCredit < seller.price) {
    const asked = `a credit costs ${formatUsdc(seller.price)}`;
    throw refused(`the deposit allows ${formatUsdc(pricePerCredit)} USDC a credit, ${asked}`);
  }
  if (pricePerCredit * credits < policy.minimum) {
    const least = `at least ${formatUsdc(policy.minimum)} USDC`;
    throw refused(`a deposit that is relayed here allows ${least} to this provider`);
  }
  const seconds = BigInt(Math.floor(now() / 1000));
  if (validAfter >= seconds || validBefore <= seconds + MINING_SECONDS) {
    throw refused("the deposit is not valid yet, or not for long enough to be mined");
  }
}

function refused(message: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("payment_required", message, {
    cause,
    hints: ["sign another deposit, or deposit and allow by yourself"],
  });
}
