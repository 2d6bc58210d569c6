/**
 * A payer with USDC and no ETH: its signed deposit and allowance (`Escrow.depositAndAllow`,
 * EIP-3009) is relayed at our gas. So it must be worth the gas, signed, and good in a simulation
 * before anything is sent, and strangers can make us send so many a minute and no more.
 */
import { type Address, type Hex, isAddressEqual } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import {
  depositAndAllowArguments,
  depositAndAllowNonce,
  ESCROW_MESSAGES,
} from "../../chain/escrow.ts";
import {
  formatUsdc,
  recoverReceiveAuthorization,
  type UsdcDomain,
  usdcDomain,
} from "../../chain/usdc.ts";
import type { ProviderConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { DEPOSIT_TIMEOUT_MS } from "../../limits.ts";
import type { Log } from "../../log.ts";
import type { DepositAuthorization } from "../../payment_header.ts";
import type { BillTerms } from "../money/bill.ts";
import type { Operator } from "./operator.ts";
import type { Payers } from "../money/payers.ts";
import { withinTime } from "./settle_each.ts";

export interface Onboarding {
  /**
   * Has a payer's deposit mined. A payer with one under way gets that one's result.
   * @returns its transaction; views of the payer are read anew from then on
   * @throws KhachapuriError `payment_required` with the reason, `rate_limited`, `chain_unavailable`
   */
  relay(payer: Address, deposit: DepositAuthorization): Promise<Hex>;
}

export interface OnboardingOptions {
  chain: Chain;
  us: BillTerms;
  usdc: Address;
  policy: ProviderConfig["onboarding"];
  operator: Pick<Operator, "send">;
  payers: Pick<Payers, "forget">;
  log: Log;
  now: () => number;
}

/** Between "this deposit is good" and the block that takes it, seconds. */
const MINING_SECONDS = 30n;

export function createOnboarding(options: OnboardingOptions): Onboarding {
  const { chain, us, usdc, policy, now } = options;
  const underWay = new Map<Address, Promise<Hex>>();
  const spend = rateLimit(policy.perMinute, now);
  let domain: UsdcDomain | null = null;

  /** Checked here and not only by simulation, so that junk costs the endpoint no simulation. */
  async function assertSigned(payer: Address, deposit: DepositAuthorization): Promise<void> {
    domain ??= await usdcDomain(chain, usdc);
    const { amount: value, validAfter, validBefore, signature } = deposit;
    const nonce = await depositAndAllowNonce(chain, us.escrow, payer, us.provider, deposit);
    const authorization = { from: payer, to: us.escrow, value, validAfter, validBefore, nonce };
    const signer = await recoverReceiveAuthorization(domain, authorization, signature);
    if (signer !== null && isAddressEqual(signer, payer)) return;
    throw refused("the deposit is not signed by the payer");
  }

  async function send(payer: Address, deposit: DepositAuthorization): Promise<Hex> {
    const undo = spend();
    const sent = options.operator.send({
      address: us.escrow,
      abi: escrowAbi,
      functionName: "depositAndAllow",
      args: depositAndAllowArguments(payer, us.provider, deposit),
      messages: ESCROW_MESSAGES,
    }).catch((error) => {
      // Refused by the simulation: nothing was sent, so the next in line may.
      undo();
      if (error.code !== "chain_refused") throw error;
      throw refused(`the deposit was refused: ${error.shortMessage}`, error);
    });
    const receipt = await withinTime(sent, DEPOSIT_TIMEOUT_MS, late);
    // Also when it reverted: somebody else may have sent it before us.
    options.payers.forget(payer);
    if (receipt.status !== "success") throw refused("the deposit was mined but reverted");
    const transaction = receipt.transactionHash;
    options.log.info("deposit relayed", { payer, amount: deposit.amount, transaction });
    return transaction;
  }

  return {
    async relay(payer, deposit) {
      // First of all: nobody's junk stands in for what the payer itself has signed.
      assertWorthwhile(options, deposit);
      await assertSigned(payer, deposit);
      const known = underWay.get(payer);
      if (known) return await known;
      const work = send(payer, deposit).finally(() => underWay.delete(payer));
      underWay.set(payer, work);
      return await work;
    },
  };
}

/** What it locks for us is what we send it for: the rest the payer can take away again. */
function assertWorthwhile({ us, policy, now }: OnboardingOptions, deposit: DepositAuthorization) {
  if (!policy.enabled) throw refused("this provider relays no deposits");
  const { pricePerCredit, credits, validAfter, validBefore } = deposit;
  if (pricePerCredit < us.price) {
    const asked = `a credit costs ${formatUsdc(us.price)}`;
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

/** @returns takes one token; what it returns gives it back */
function rateLimit(perMinute: number, now: () => number): () => () => void {
  let tokens = perMinute;
  let at = now();
  return () => {
    tokens = Math.min(perMinute, tokens + (now() - at) * perMinute / 60_000);
    at = now();
    if (tokens < 1) {
      throw new KhachapuriError("rate_limited", `${perMinute} deposits a minute are relayed here`, {
        retryAfterSeconds: Math.ceil((1 - tokens) * 60 / perMinute),
        hints: ["or deposit and allow yourself"],
      });
    }
    tokens -= 1;
    return () => {
      tokens += 1;
    };
  };
}

function refused(message: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("payment_required", message, {
    cause,
    hints: ["sign another deposit, or deposit and allow by yourself"],
  });
}

function late(): KhachapuriError {
  return new KhachapuriError("chain_unavailable", "the deposit was not mined in time", {
    retryAfterSeconds: 10,
    hints: ["it may still be mined: look at your allowance before signing another"],
  });
}
