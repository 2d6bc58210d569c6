/**
 * What a provider stands on on chain: the contracts, what its operator may settle, who gets its
 * earnings. An endpoint is 50 to 100 ms away and whoever starts a provider waits: so all is asked
 * at once that does not follow from another answer, in three rounds.
 */
import type { Address, LocalAccount } from "viem";
import { type Chain, connect } from "../../chain/client.ts";
import { readContracts } from "../../chain/contracts.ts";
import {
  type Collector,
  isOperator,
  NEVER,
  readCollector,
  readOperatorLimits,
} from "../../chain/escrow_provider.ts";
import { operatorLimitsText } from "../../chain/operator_text.ts";
import { asChainError } from "../../chain/refusal.ts";
import { type UsdcDomain, usdcDomain } from "../../chain/usdc.ts";
import type { Config, ContractOverrides, Contracts, ProviderConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { accountOf, type KeyFile } from "../../spec/keys.ts";
import { timeText } from "../../time_text.ts";
import type { LimitsAsOf } from "../settlement/operator_watch.ts";
import type { Findings } from "./findings.ts";
import { timeToSettle } from "./settling_time.ts";

export interface Connected {
  chain: Chain;
  contracts: Contracts;
  /** Of the escrow's token. */
  domain: UsdcDomain;
}

/** The operator, and what the chain says of it. */
export interface OperatorSeen {
  account: LocalAccount;
  /** null where it is the provider itself, which has none. */
  limits: LimitsAsOf | null;
  /** Of the escrow, seconds. */
  thawingSeconds: bigint;
}

/** What was looked at and is good; null for what is bad, or could not be looked at. */
export interface SeenOnChain {
  connected: Connected | null;
  operator: OperatorSeen | null;
  /** Who gets the earnings. */
  collector: Collector | null;
}

export interface ChainLook {
  config: Config;
  keysPath: string;
  /** Contracts named by flags, before those of the configuration. */
  named?: ContractOverrides;
  now?: () => number;
}

/** Gas of some hundred settlements; below it the operator should be topped up soon. */
const OPERATOR_GAS_LOW = 20_000_000n;

/** An operator whose time ends within so many seconds is to be renewed. */
const EXPIRY_SOON_SECONDS = 14n * 86_400n;

/** What is known after two rounds. */
interface Reached {
  chain: Chain;
  contracts: Contracts;
  operator: Promise<Early>;
}

/** The operator, before its right is known. */
interface Early {
  account: LocalAccount;
  /** What it may settle is told as of this block. */
  block: { number: bigint; timestamp: bigint };
  balance: bigint;
  gasPrice: bigint;
}

/** @param keys null where they are bad: nobody knows then who the operator is */
export async function lookAtChain(
  { config, keysPath, named, now = Date.now }: ChainLook,
  keys: KeyFile | null,
  findings: Findings,
): Promise<SeenOnChain> {
  const { provider } = config;
  const account = later(() => provider && keys ? accountOf(keys, keysPath) : null);
  const reached = later(() => reach(config, named, account));
  const domain = later(async () => {
    const { chain, contracts } = await reached;
    return await usdcDomain(chain, contracts.usdc);
  });
  const operator = later(async () => checkOperator(await reached, provider!, now));
  const collector = later(async () => checkCollector(await reached, provider!));
  const found = await findings.look("chain", () => checkChain(reached, domain));
  const seen = { connected: found?.connected ?? null, operator: null, collector: null };
  if (!provider || !found) return seen;
  const mayOperate = keys && await findings.look("operator", () => operator);
  const earnings = await findings.look("collector", () => collector);
  return {
    ...seen,
    operator: mayOperate?.operator ?? null,
    collector: earnings?.collector ?? null,
  };
}

/** Begun now and looked at later: until then its failure is nobody's. */
function later<T>(work: () => T | Promise<T>): Promise<T> {
  const begun = (async () => await work())();
  begun.catch(() => {});
  return begun;
}

async function reach(
  config: Config,
  named: ContractOverrides = {},
  account: Promise<LocalAccount | null>,
): Promise<Reached> {
  if (config.rpc === undefined) {
    throw new KhachapuriError("invalid_config", "no chain is configured", {
      hints: ['set "rpc" in config.json, or give --rpc URL'],
    });
  }
  const chain = await connect(config.rpc);
  const operator = later(() => askOfOperator(chain, account));
  const configured = config.contracts[String(chain.chainId)];
  const contracts = await readContracts(chain, { ...configured, ...named });
  return { chain, contracts, operator };
}

/** What is asked before anybody knows where the escrow is. */
async function askOfOperator(chain: Chain, known: Promise<LocalAccount | null>): Promise<Early> {
  const account = await known;
  if (account === null) throw new Error("there is no operator");
  const { address } = account;
  try {
    const [block, balance, gasPrice] = await Promise.all([
      chain.public.getBlock(),
      chain.public.getBalance({ address }),
      chain.public.getGasPrice(),
    ]);
    return { account, block, balance, gasPrice };
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}

async function checkChain(reached: Promise<Reached>, pending: Promise<UsdcDomain>) {
  const { chain, contracts } = await reached;
  // Deposits that are relayed here are signed by USDC's domain.
  const domain = await pending;
  const detail = `chain ${chain.chainId}, escrow ${contracts.escrow}`;
  return { detail, connected: { chain, contracts, domain } };
}

/** A provider that cannot settle would serve for nothing. */
async function checkOperator(reached: Reached, provider: ProviderConfig, now: () => number) {
  const { chain, contracts: { escrow } } = reached;
  const right = later(() => checkRight(reached, provider));
  const thawingSeconds = await timeToSettle(chain, escrow, provider);
  const limits = await right;
  const { account, balance, gasPrice } = await reached.operator;
  const { address } = account;
  const hints = balance < OPERATOR_GAS_LOW * gasPrice
    ? [`it has little left for gas: send some of the chain's coin to ${address}`]
    : [];
  const { dailyCap, expiry } = limits ?? { dailyCap: 1n, expiry: NEVER };
  if (expiry < BigInt(Math.floor(now() / 1000)) + EXPIRY_SOON_SECONDS) {
    hints.push(
      `soon it no longer may; with the provider key: ${addOperator(address)} --expires 90d`,
    );
  }
  const advice = dailyCap > 0n ? [] : [
    "a daily cap bounds what a stolen operator key can charge; with the provider key: " +
    `${addOperator(address)} --daily-cap USDC`,
  ];
  return {
    detail: `${address} may settle${limits ? `: ${operatorLimitsText(limits)}` : ""}`,
    hints,
    advice,
    operator: { account, limits, thawingSeconds },
  };
}

const addOperator = (address: Address) => `khachapuri operator add ${address}`;

/**
 * What the operator may settle; null where it is the provider itself, which has no limits.
 * @throws KhachapuriError `access_denied` where it is nothing
 */
async function checkRight(
  { chain, contracts: { escrow }, operator: asked }: Reached,
  { address: provider }: ProviderConfig,
): Promise<LimitsAsOf | null> {
  const { account: { address: operator }, block: { number, timestamp } } = await asked;
  if (operator === provider) return null;
  const [isAllowed, limits] = await Promise.all([
    isOperator(chain, escrow, provider, operator, number),
    readOperatorLimits(chain, escrow, provider, operator, number),
  ]);
  if (isAllowed) return { ...limits, timestamp };
  const { expiry } = limits;
  const since = expiry === 0n ? "" : ` since ${timeText(expiry)}`;
  throw new KhachapuriError(
    "access_denied",
    `${operator} may not settle for the provider${since}`,
    {
      data: { operator },
      hints: [`with the provider key: ${addOperator(operator)}`],
    },
  );
}

/** A change that the owner knows nothing of is how a stolen provider key shows. */
async function checkCollector(
  { chain, contracts: { escrow } }: Reached,
  { address }: ProviderConfig,
) {
  const collector = await readCollector(chain, escrow, address);
  const { current, pending } = collector;
  const detail = `earnings go to ${current ?? "whomever the provider key says"}`;
  if (!pending) return { detail, collector };
  const next = pending.next ?? "whomever the provider key says";
  const hints = [
    `from ${timeText(pending.since)} on they go to ${next}: ` +
    "if that was not you, the provider key is stolen",
    `take it back with that key: khachapuri collector ${current}, and then: khachapuri collect`,
  ];
  return { detail, hints, collector };
}
