/** Is this machine ready to serve? Every part a provider stands on, looked at, not changed. */
import { dirname } from "node:path";
import type { Address } from "viem";
import { probeSandbox } from "../../../sandbox/probe.ts";
import { sandboxHost } from "../program/sandboxes.ts";
import { type Chain, connect } from "../../chain/client.ts";
import { contractsFor } from "../../chain/deployments.ts";
import { type ProviderRecord, resolveProvider } from "../../chain/ens.ts";
import { isOperator } from "../../chain/escrow.ts";
import { formatUsdc } from "../../chain/usdc.ts";
import {
  type Config,
  type ContractOverrides,
  type Contracts,
  type ProviderConfig,
  resolveFromHome,
} from "../../config.ts";
import { asKhachapuriError, type ErrorCode, KhachapuriError } from "../../errors.ts";
import { TERMS_BYTES_MAX } from "../../limits.ts";
import { accountOf, type KeyFile, readKeyFile, recipientOf } from "../../spec/keys.ts";
import { termsHash } from "../../spec/terms.ts";

/** What one look found. */
export interface Finding {
  part: string;
  state: "good" | "doubtful" | "bad";
  detail: string;
  /** What to do about it. */
  hints: readonly string[];
  /** Why it is bad. */
  code?: ErrorCode;
}

export interface CheckupParts {
  config: Config;
  keysPath: string;
  /** Contracts named by flags, before those of the configuration. */
  named?: ContractOverrides;
  fetch?: typeof fetch;
}

/** Good news, or with hints: works, but. */
interface Look {
  detail: string;
  hints?: readonly string[];
}

/** A gateway that serves trustlessly answers it with no bytes at all: the empty inline block. */
const EMPTY_CID = "bafkqaaa";
const PROBE_TIMEOUT_MS = 10_000;
/** Gas of some hundred settlements; below it the operator should be topped up soon. */
const OPERATOR_GAS_LOW = 20_000_000n;

/** Looks at everything; a part that another one's failure hides is left out. */
export async function checkup(parts: CheckupParts): Promise<Finding[]> {
  const { config } = parts;
  const findings: Finding[] = [];
  const look = async <T extends Look>(part: string, check: () => Promise<T>): Promise<T | null> => {
    try {
      const seen = await check();
      const hints = seen.hints ?? [];
      const state = hints.length > 0 ? "doubtful" : "good";
      findings.push({ part, state, detail: seen.detail, hints });
      return seen;
    } catch (thrown) {
      const { shortMessage: detail, hints, code } = asKhachapuriError(thrown);
      findings.push({ part, state: "bad", detail, hints, code });
      return null;
    }
  };
  const keys = await look("keys", () => checkKeys(parts.keysPath));
  const chain = await look("chain", () => checkChain(config, parts.named));
  for (const gateway of config.gateways) {
    await look(`gateway ${new URL(gateway).origin}`, () => checkGateway(gateway, parts.fetch));
  }
  const { provider } = config;
  if (config.gateways.length === 0) await look("gateway", () => noGateway(provider !== undefined));
  if (!provider) return findings;
  await look("sandbox", () => checkSandbox(provider));
  await look("state", () => checkState(config, provider));
  const terms = await look("terms", () => checkTerms(config, provider));
  if (!chain) return findings;
  if (keys) await look("operator", () => checkOperator(chain, provider, keys.file, parts.keysPath));
  const own = { keys: keys?.file ?? null, terms: terms?.hashes ?? null };
  await look("name", () => checkName(chain, provider, own));
  await look("web domain", () => checkWebDomain(provider, parts.fetch));
  return findings;
}

async function checkKeys(path: string) {
  const file = await readKeyFile(path);
  const identities = file.identities?.length ?? 0;
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
  const contracts = contractsFor(chainId, { ...config.contracts[String(chainId)], ...named });
  const code = await chain.public.getCode({ address: contracts.escrow });
  if (code === undefined) {
    const message = `chain ${chain.chainId} has no contract at the escrow ${contracts.escrow}`;
    throw new KhachapuriError("invalid_config", message, {
      hints: ['is "rpc" the chain you mean?'],
    });
  }
  return { detail: `chain ${chain.chainId}, escrow ${contracts.escrow}`, chain, contracts };
}

async function checkGateway(gateway: string, request: typeof fetch = fetch): Promise<Look> {
  const url = `${gateway.replace(/\/$/, "")}/ipfs/${EMPTY_CID}?format=raw`;
  const accept = "application/vnd.ipld.raw";
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const response = await request(url, { headers: { accept }, signal }).catch((cause) => {
    throw new KhachapuriError("ipfs_unavailable", "it can't be reached", { cause });
  });
  const bytes = (await response.bytes()).length;
  if (response.status === 200 && bytes === 0) return { detail: "serves blocks" };
  const said = `it answered ${response.status} with ${bytes} bytes to an empty block`;
  throw new KhachapuriError("ipfs_unavailable", said, {
    hints: ["is it a trustless gateway (specs.ipfs.tech/http-gateways/trustless-gateway)?"],
  });
}

/** A provider is nothing without one; who only pays needs none. */
function noGateway(isNeeded: boolean): Promise<Look> {
  const detail = "no IPFS gateway is configured";
  const hints = ['list trustless gateways under "gateways" in config.json, your own first'];
  if (!isNeeded) return Promise.resolve({ detail, hints: [...hints, "only deploy needs one"] });
  throw new KhachapuriError("invalid_config", detail, { hints });
}

async function checkSandbox({ sandbox }: ProviderConfig): Promise<Look> {
  const probe = await probeSandbox(sandboxHost(sandbox));
  if (!probe.ok) {
    throw new KhachapuriError("sandbox_unavailable", probe.reason, { hints: probe.hints });
  }
  const { launcher, programsRunAs, enforced, missing } = probe;
  const limits = enforced.length > 0 ? `, the kernel limits ${enforced.join(", ")}` : "";
  const detail = `${launcher}, programs run as uid ${programsRunAs}${limits}`;
  const hints = missing.length > 0
    ? [`the kernel does not limit ${missing.join(", ")} here`, ...probe.hints]
    : [];
  if (programsRunAs === Deno.uid()) {
    hints.push("programs share this user's uid: keep its key files unreadable to them");
  }
  return { detail, ...(hints.length > 0 ? { hints } : {}) };
}

/** A provider started by root has programs run as another uid: may it reach them? */
async function checkState(config: Config, provider: ProviderConfig): Promise<Look> {
  const dir = resolveFromHome(config, provider.stateDir);
  for (let path = dir; Deno.uid() === 0; path = dirname(path)) {
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
  const hashes = [];
  for (const path of provider.terms) {
    const text = await Deno.readFile(resolveFromHome(config, path)).catch((cause) => {
      throw new KhachapuriError("invalid_config", `${path} can't be read`, { cause });
    });
    if (text.length > TERMS_BYTES_MAX) {
      const limit = `${path}: terms have at most ${TERMS_BYTES_MAX} bytes`;
      throw new KhachapuriError("invalid_config", limit);
    }
    hashes.push(termsHash(text));
  }
  return { detail: `${provider.terms.join(", ")}: ${hashes[0]}`, hashes };
}

interface Connected {
  chain: Chain;
  contracts: Contracts;
}

async function checkOperator(
  { chain, contracts }: Connected,
  provider: ProviderConfig,
  keys: KeyFile,
  keysPath: string,
): Promise<Look> {
  const { address } = accountOf(keys, keysPath);
  const isAllowed = address === provider.address ||
    await isOperator(chain, contracts.escrow, provider.address, address);
  if (!isAllowed) {
    throw new KhachapuriError("access_denied", `${address} may not settle for the provider`, {
      hints: [`with the provider key: khachapuri operator add ${address}`],
    });
  }
  const [balance, gasPrice] = await Promise.all([
    chain.public.getBalance({ address }),
    chain.public.getGasPrice(),
  ]);
  const isLow = balance < OPERATOR_GAS_LOW * gasPrice;
  const hints = isLow ? [`send some of the chain's coin to ${address}: it pays for settling`] : [];
  return { detail: `${address} may settle${isLow ? ", but has little left for gas" : ""}`, hints };
}

/** The records that callers go by, beside what this machine is configured to do. */
async function checkName(
  { chain, contracts }: Connected,
  provider: ProviderConfig,
  own: { keys: KeyFile | null; terms: readonly string[] | null },
): Promise<Look> {
  const record = await resolveProvider(chain, provider.name, contracts);
  const recipients = await Promise.all((own.keys?.identities ?? []).map(recipientOf));
  const differences = differencesOf(record, provider, contracts.escrow);
  if (own.keys && !record.recipients.every((recipient) => recipients.includes(recipient))) {
    differences.push("it publishes a recipient whose identity is not in the key file");
  }
  if (own.terms && record.terms !== null && !own.terms.includes(record.terms)) {
    differences.push(`its terms ${record.terms} are not among the configured ones`);
  }
  if (differences.length === 0) return { detail: `${record.name} says what config.json says` };
  throw new KhachapuriError("invalid_config", `${record.name}: ${differences.join("; ")}`, {
    hints: ["with the provider key: khachapuri register"],
  });
}

function differencesOf(record: ProviderRecord, provider: ProviderConfig, escrow: Address) {
  const differences: string[] = [];
  const expect = (what: string, says: string, configured: string) => {
    if (says !== configured) differences.push(`its ${what} is ${says}, here ${configured}`);
  };
  expect("address", record.address, provider.address);
  expect("url", record.webDomain, provider.webDomain.replace(/\/$/, ""));
  expect("price", formatUsdc(record.price), formatUsdc(provider.price));
  if (record.escrow) expect("escrow", record.escrow.address, escrow);
  return differences;
}

async function checkWebDomain(
  provider: ProviderConfig,
  request: typeof fetch = fetch,
): Promise<Look> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const url = `${provider.webDomain.replace(/\/$/, "")}/healthz`;
  const status = await request(url, { signal }).then(async (response) => {
    await response.body?.cancel();
    return response.status;
  }, () => null);
  if (status === 200) return { detail: `${provider.webDomain} serves` };
  const detail = status === null
    ? `nobody answers at ${provider.webDomain}`
    : `${url} answers ${status}`;
  return { detail, hints: ["is `khachapuri serve` running?"] };
}
