/** The desk at which deposits are relayed, with an operator that does as the test says. */
import type { Address, Hex, LocalAccount, TransactionReceipt } from "viem";
import type { ContractCall } from "../../lib/chain/client.ts";
import { type DepositOptions, signDeposit } from "../../lib/chain/onboarding.ts";
import type { DepositAuthorization } from "../../lib/deposit_authorization.ts";
import { Onboarding, type OnboardingOptions } from "../../lib/provider/settlement/onboarding.ts";
import type { Sending } from "../../lib/provider/settlement/operator.ts";
import { Relays, type RelaysOptions } from "../../lib/provider/settlement/relays.ts";
import { hearLog } from "../heard_log.ts";
import { anvilAccount } from "./anvil.ts";
import { allowanceOf, answeringChain } from "./escrow_answers.ts";

export const PROVIDER = anvilAccount(1).address;
export const [ANNA, BERT] = [anvilAccount(4), anvilAccount(5)];
export const [CARL, DORA] = [anvilAccount(6), anvilAccount(7)];
export const ESCROW: Address = `0x${"ee".repeat(20)}`;
const USDC: Address = `0x${"cc".repeat(20)}`;
export const PRICE = 1_000n;
export const GWEI = 10n ** 9n;
export const TX: Hex = `0x${"7a".repeat(32)}`;
/** Unix seconds. */
export const NOW = 1_700_000_000n;
export const MINED = { status: "success", transactionHash: TX } as const;

/** Who signs needs nothing but USDC's domain. */
const chain = answeringChain({ settled: 0n, allowance: allowanceOf(0n) });

export interface DeskOptions extends Partial<OnboardingOptions["policy"]> {
  /** Of the coin that gas is paid in, USDC base units. */
  coinPrice?: bigint;
}

/** What a test sets, and what it finds. */
function newDesk() {
  return {
    /** Unix ms. */
    now: Number(NOW) * 1_000,
    /** What the chain says of every payer; the balance is what it has in its wallet. */
    answers: { settled: 0n, allowance: allowanceOf(0n), balance: 500_000n, isMined: false },
    /** What a unit of gas costs, wei. */
    gasPrice: GWEI / 100n,
    /** What the chain says to a deposit before it is sent. */
    simulate: (): Promise<void> => Promise.resolve(),
    /** What becomes of a deposit that is sent. */
    mine: (): Promise<Partial<TransactionReceipt>> => Promise.resolve(MINED),
    /** How often the chain was asked for a payer's means, for the price of gas, and to simulate. */
    asked: { means: 0, prices: 0, tries: 0 },
    sent: [] as ContractCall[],
    sendings: [] as Sending[],
    forgotten: [] as (Address | undefined)[],
  };
}

/** The desk of a provider that relays two deposits a minute, from 0.1 USDC on. */
export function openDesk({ coinPrice = 0n, ...policy }: DeskOptions = {}) {
  const { log, lines } = hearLog();
  const desk = newDesk();
  const now = () => desk.now;
  const answering = answeringChain(desk.answers);
  const { readMany } = answering;
  answering.readMany = (calls) => {
    desk.asked.means += 1;
    return readMany(calls);
  };
  const options: OnboardingOptions = {
    chain: answering,
    seller: { chainId: chain.chainId, escrow: ESCROW, provider: PROVIDER, price: PRICE },
    usdc: USDC,
    policy: { enabled: true, minimum: 100_000n, costMax: 50_000n, perMinute: 2, ...policy },
    relays: new Relays({
      what: "deposit",
      perMinute: policy.perMinute ?? 2,
      coinPrice,
      operator: operatorOf(desk),
      ledger: { knows: () => false },
      payers: { forget: (payer) => void desk.forgotten.push(payer) },
      now,
    }),
    last: rememberRelays(now),
    log,
    now,
  };
  let onboarding = new Onboarding(options);
  return Object.assign(desk, {
    lines,
    relay: (account: { address: Address }, deposit: DepositAuthorization, network?: string) =>
      onboarding.relay(account.address, deposit, network),
    minimum: () => onboarding.minimum(),
    prepare: () => onboarding.prepare(),
    restart: () => void (onboarding = new Onboarding(options)),
    /** Resolves once so many are sent; bounded by the test runner. */
    async untilSent(count: number): Promise<void> {
      while (desk.sent.length < count) await turn();
    },
  });
}

function operatorOf(desk: ReturnType<typeof newDesk>): RelaysOptions["operator"] {
  return {
    simulate() {
      desk.asked.tries += 1;
      return desk.simulate();
    },
    async send(call, sending) {
      desk.sent.push(call as ContractCall);
      desk.sendings.push(sending);
      return await desk.mine() as TransactionReceipt;
    },
    gasPrice() {
      desk.asked.prices += 1;
      return Promise.resolve(desk.gasPrice);
    },
  };
}

/** What was last relayed, remembered beyond whoever asks. */
export function rememberRelays(now: () => number): OnboardingOptions["last"] {
  const times = new Map<string, number>();
  return {
    at: (payer, kind) => Promise.resolve(times.get(payer + kind)),
    note: (payer, kind) => Promise.resolve(times.set(payer + kind, now()) !== null),
    takeBack: (payer, kind) => void times.delete(payer + kind),
  };
}

/** A deposit that is just good enough: its 100 credits are worth the minimum. */
export function depositOf(
  account: LocalAccount = ANNA,
  changes: Partial<DepositOptions> = {},
): Promise<DepositAuthorization> {
  return signDeposit(chain, account, {
    escrow: ESCROW,
    usdc: USDC,
    provider: PROVIDER,
    amount: 500_000n,
    pricePerCredit: PRICE,
    credits: 100n,
    lifetimeSeconds: 600n,
    now: () => Number(NOW) * 1_000,
    ...changes,
  });
}

/** What is ready to happen has happened. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The refusal of a deposit. */
export const required = (message: RegExp) => ({ code: "payment_required", message });
