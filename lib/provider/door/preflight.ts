/**
 * What a provider stands on, looked at part by part: keys, chain, gateways, sandbox, state, terms,
 * operator, collector. `serve` starts on what it finds, `doctor` tells it to a person. Nothing is
 * changed.
 */
import { dirname, join } from "node:path";
import type { Address, Hex, LocalAccount } from "viem";
import { type ProbeResult, probeSandbox } from "../../../sandbox/probe.ts";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import { type Chain, connect } from "../../chain/client.ts";
import { readContracts } from "../../chain/contracts.ts";
import {
  type Collector,
  isOperator,
  NEVER,
  type OperatorLimits,
  readCollector,
  readOperatorLimits,
} from "../../chain/escrow_provider.ts";
import { operatorLimitsText } from "../../chain/operator_text.ts";
import { usdcDomain } from "../../chain/usdc.ts";
import {
  type Config,
  type ContractOverrides,
  type Contracts,
  type ProviderConfig,
  resolveFromHome,
} from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { readBytes } from "../../files.ts";
import { TERMS_BYTES_MAX } from "../../limits.ts";
import { accountOf, type KeyFile, readKeyFile } from "../../spec/keys.ts";
import { assertOwnTerms, termsHash } from "../../spec/terms.ts";
import { recordsPath } from "../deployment/records.ts";
import { assertLedgerVersion } from "../ledger/version.ts";
import { timeText } from "../../time_text.ts";
import { sandboxHost } from "../program/sandboxes.ts";
import { sharingHints } from "./uid_sharing.ts";
import { Findings, type Look } from "./findings.ts";
import { readProvidersKeys } from "./lost_keys.ts";
import { assertTimeToSettle } from "./settling_time.ts";

export interface PreflightOptions {
  config: Config;
  keysPath: string;
  /** Contracts named by flags, before those of the configuration. */
  named?: ContractOverrides;
  now?: () => number;
  /** How long each look may take, ms; by default any time. */
  lookMs?: number;
}

/** Terms texts by hash, newest first. */
export type TermsTexts = ReadonlyMap<Hex, Uint8Array<ArrayBuffer>>;

export interface Connected {
  chain: Chain;
  contracts: Contracts;
}

/** What was looked at and is good; null for what is bad, or could not be looked at. */
export interface Seen {
  keys: KeyFile | null;
  connected: Connected | null;
  sandbox: {
    host: SandboxHost;
    probe: Extract<ProbeResult, { ok: true }>;
    /** What to know and do where programs share the provider's uid; empty where they do not. */
    sharing: readonly string[];
  } | null;
  terms: TermsTexts | null;
  /** The operator's. */
  account: LocalAccount | null;
  /** Who gets the earnings. */
  collector: Collector | null;
}

export interface Preflight {
  findings: Findings;
  seen: Seen;
}

/** All that `serve` needs, and all of it good. */
export type Ground = { [Part in keyof Seen]: NonNullable<Seen[Part]> };

/** Gas of some hundred settlements; below it the operator should be topped up soon. */
const OPERATOR_GAS_LOW = 20_000_000n;

/** An operator whose time ends within so many seconds is to be renewed. */
const EXPIRY_SOON_SECONDS = 14n * 86_400n;

/** Looks at everything; a part that another one's failure hides is left out. */
export async function preflight(options: PreflightOptions): Promise<Preflight> {
  const { config, keysPath, named } = options;
  const { provider } = config;
  const findings = new Findings(options.lookMs);
  const keys = await findings.look("keys", () => checkKeys(keysPath, config));
  const connected = await findings.look("chain", () => checkChain(config, named));
  if (config.gateways.length === 0) {
    await findings.look("gateway", () => noGateway(provider));
  }
  const seen: Seen = {
    keys: keys?.file ?? null,
    connected,
    sandbox: null,
    terms: null,
    account: null,
    collector: null,
  };
  if (!provider) return { findings, seen };
  seen.sandbox = await findings.look("sandbox", () => checkSandbox(provider));
  const runUid = seen.sandbox?.host.runUid ?? null;
  await findings.look("state", () => checkState(config, provider, runUid));
  const terms = await findings.look("terms", () => checkTerms(config, provider));
  seen.terms = terms?.texts ?? null;
  if (!connected) return { findings, seen };
  if (keys) {
    const account = () => accountOf(keys.file, keysPath);
    const check = () => checkOperator(connected, provider, account(), options.now ?? Date.now);
    seen.account = (await findings.look("operator", check))?.account ?? null;
  }
  const earnings = await findings.look("collector", () => checkCollector(connected, provider));
  seen.collector = earnings?.collector ?? null;
  return { findings, seen };
}

/**
 * What the provider stands on.
 * @throws KhachapuriError for the first part that is bad; it says what to do
 */
export function groundOf({ findings, seen }: Preflight): Ground {
  const bad = findings.all.find(({ error }) => error !== undefined);
  if (bad) throw bad.error!;
  const { keys, connected, sandbox, terms, account, collector } = seen;
  if (keys && connected && sandbox && terms && account && collector) {
    return { keys, connected, sandbox, terms, account, collector };
  }
  throw new Error("a part of the preflight is neither good nor bad");
}

async function checkKeys(path: string, config: Config) {
  const { provider } = config;
  const file = provider
    ? await readProvidersKeys(path, recordsPath(resolveFromHome(config, provider.stateDir)))
    : await readKeyFile(path);
  const identities = file.identities?.length ?? 0;
  if (provider && identities === 0) {
    throw new KhachapuriError(
      "invalid_config",
      `${path} holds no age identity to open specs with`,
      { hints: ["put it back from a backup", "or make one: khachapuri keys rotate"] },
    );
  }
  return { detail: `${path}: account ${file.account ? 1 : 0}, identities ${identities}`, file };
}

async function checkChain(config: Config, named: ContractOverrides = {}) {
  if (config.rpc === undefined) {
    throw new KhachapuriError("invalid_config", "no chain is configured", {
      hints: ['set "rpc" in config.json, or give --rpc URL'],
    });
  }
  const chain = await connect(config.rpc);
  const { chainId } = chain;
  const configured = config.contracts[String(chainId)];
  const contracts = await readContracts(chain, { ...configured, ...named });
  // Deposits that are relayed here are signed by USDC's domain.
  await usdcDomain(chain, contracts.usdc);
  return { detail: `chain ${chainId}, escrow ${contracts.escrow}`, chain, contracts };
}

/** A provider can do with what owners push to it; who only deploys and calls needs none. */
function noGateway(provider: ProviderConfig | undefined): Promise<Look> {
  const detail = "no IPFS gateway is configured";
  const hint = 'list trustless gateways under "gateways" in config.json, your own first';
  if (!provider) {
    const advice = "none is needed to deploy and call; copies elsewhere are read back through one";
    return Promise.resolve({ detail, advice: [advice] });
  }
  if (provider.ipfs.push) {
    return Promise.resolve({ detail, hints: ["only what is pushed here can be called", hint] });
  }
  throw new KhachapuriError("invalid_config", detail, { hints: [hint] });
}

async function checkSandbox({ sandbox }: ProviderConfig) {
  const host = await sandboxHost(sandbox);
  const probe = await probeSandbox(host);
  if (!probe.ok) {
    throw new KhachapuriError("sandbox_unavailable", probe.reason, { hints: probe.hints });
  }
  const { launcher, programsRunAs, enforced, missing } = probe;
  const limits = enforced.length > 0 ? `, the kernel limits ${enforced.join(", ")}` : "";
  const detail = `${launcher}, programs run as uid ${programsRunAs}${limits}`;
  const hints = missing.length > 0
    ? [`the kernel does not limit ${missing.join(", ")} here`, ...probe.hints]
    : [];
  const sharing = sharingHints(probe, sandbox, Deno.uid());
  return { detail, hints: [...hints, ...sharing], host, probe, sharing };
}

/** @param runUid the uid that programs run as, which must reach theirs; null: ours */
async function checkState(
  config: Config,
  provider: ProviderConfig,
  runUid: number | null,
): Promise<Look> {
  const dir = resolveFromHome(config, provider.stateDir);
  assertLedgerVersion(join(dir, "book", "ledger.db"));
  for (let path = dir; runUid !== null; path = dirname(path)) {
    const mode = await Deno.stat(path).then((info) => info.mode ?? 0o777, () => 0o777);
    if ((mode & 0o001) === 0) {
      throw new KhachapuriError("invalid_config", `programs can't be reached through ${path}`, {
        hints: [`chmod o+x ${path}`, "or give a home elsewhere, e.g. /var/lib/khachapuri"],
      });
    }
    if (path === dirname(path)) break;
  }
  return { detail: dir };
}

async function checkTerms(config: Config, provider: ProviderConfig) {
  const texts = new Map<Hex, Uint8Array<ArrayBuffer>>();
  for (const path of provider.terms) {
    const text = await readBytes(resolveFromHome(config, path));
    if (text.length > TERMS_BYTES_MAX) {
      const limit = `${path}: terms have at most ${TERMS_BYTES_MAX} bytes`;
      throw new KhachapuriError("invalid_config", limit);
    }
    assertOwnTerms(text, resolveFromHome(config, path));
    texts.set(termsHash(text), text);
  }
  const [newest] = texts.keys();
  return { detail: `${provider.terms.join(", ")}: ${newest}`, texts };
}

/** A provider that cannot settle would serve for nothing. */
async function checkOperator(
  connected: Connected,
  provider: ProviderConfig,
  account: LocalAccount,
  now: () => number,
) {
  const { address } = account;
  await assertTimeToSettle(connected.chain, connected.contracts.escrow, provider);
  const limits = address === provider.address
    ? null
    : await checkRight(connected, provider, address);
  const hints = await gasHints(connected.chain, address);
  const { dailyCap = 1n, expiry = NEVER } = limits ?? {};
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
    account,
  };
}

const addOperator = (address: Address) => `khachapuri operator add ${address}`;

/** What an operator may settle. @throws KhachapuriError `access_denied` where it is nothing */
async function checkRight(
  { chain, contracts: { escrow } }: Connected,
  { address: provider }: ProviderConfig,
  operator: Address,
): Promise<OperatorLimits> {
  const [isAllowed, limits] = await Promise.all([
    isOperator(chain, escrow, provider, operator),
    readOperatorLimits(chain, escrow, provider, operator),
  ]);
  if (isAllowed) return limits;
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

async function gasHints(chain: Chain, address: Address): Promise<string[]> {
  const [balance, gasPrice] = await Promise.all([
    chain.public.getBalance({ address }),
    chain.public.getGasPrice(),
  ]);
  if (balance >= OPERATOR_GAS_LOW * gasPrice) return [];
  return [`it has little left for gas: send some of the chain's coin to ${address}`];
}

/** A change that the owner knows nothing of is how a stolen provider key shows. */
async function checkCollector(
  { chain, contracts: { escrow } }: Connected,
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
