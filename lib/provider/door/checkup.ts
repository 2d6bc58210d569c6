/**
 * Is this machine ready to serve, as callers will see it? The preflight, and what only a person
 * asks for: the gateways, the name's records and the provider at its own address.
 */
import { dirname } from "node:path";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import { type ContractLocation, formatCaip10 } from "../../caip.ts";
import { type ProviderRecord, resolveProvider } from "../../chain/ens.ts";
import { earned } from "../../chain/escrow_provider.ts";
import { formatUsdc } from "../../chain/usdc.ts";
import { type Config, type ProviderConfig, resolveFromHome } from "../../config.ts";
import { databaseAddressIn } from "../../config_fleet.ts";
import { KhachapuriError } from "../../errors.ts";
import { PROBE_TIMEOUT_MS } from "../../limits.ts";
import { runtimesText } from "../../runtime.ts";
import { type KeyFile, recipientOf } from "../../spec/keys.ts";
import { whyUnreachable } from "../../unreachable.ts";
import { recordsPath } from "../deployment/records.ts";
import { openDatabase } from "../fleet/database.ts";
import { SCHEMA_VERSION } from "../fleet/migrations.ts";
import { findRuntimes } from "../program/runtimes.ts";
import { openBackstage } from "../program/stage.ts";
import { judgeCertificate, seeCertificate } from "./certificate_look.ts";
import { judgeEndpoint } from "./chain_endpoints.ts";
import { checkExact } from "./exact_scheme.ts";
import type { Finding, Findings, Look } from "./findings.ts";
import { lookAtFleet } from "./fleet_look.ts";
import { readLeftBehind, tellLeftBehind } from "./left_behind.ts";
import { tellLoneLedger } from "./lone_ledger.ts";
import { lostIdentities, tellLost, tellUnheld, unheldRecipients } from "./lost_keys.ts";
import { checkNameServers } from "./names.ts";
import type { TermsTexts } from "../deployment/current_offer.ts";
import { preflight, type PreflightOptions, type Seen } from "./preflight.ts";
import type { Connected } from "./preflight_chain.ts";
import { checkRunning } from "./running_check.ts";
import { machineMemory, serverRoom } from "./server_room.ts";

export interface CheckupOptions extends PreflightOptions {
  fetch?: typeof fetch;
  /** How interpreters are looked for; each of them is started, which takes a second or two. */
  findRuntimes?: typeof findRuntimes;
  /** Of PGPASSFILE: a fleet's database is asked with the password in it. */
  passfile?: string | undefined;
}

/** A gateway that serves trustlessly answers it with no bytes at all: the empty inline block. */
const EMPTY_CID = "bafkqaaa";

/** In the order in which one would mend them. */
const PARTS = [
  "keys",
  "identities",
  "chain",
  "rpc",
  "gateway",
  "sandbox",
  "servers",
  "runtimes",
  "state",
  "terms",
  "deployments",
  "fleet",
  "operator",
  "collector",
  "earnings",
  "exact",
  "name",
  "dns",
  "certificate",
  "web domain",
  "running",
];

/** Looks at everything; a part that another one's failure hides is left out. */
export async function checkup(options: CheckupOptions): Promise<Finding[]> {
  const { config, now = Date.now } = options;
  const { gateways, provider } = config;
  const { findings, seen } = await preflight(options);
  for (const gateway of gateways) {
    const part = `gateway ${new URL(gateway).origin}`;
    await findings.look(part, () => checkGateway(gateway, options.fetch));
  }
  if (seen.sandbox) {
    const { host, probe } = seen.sandbox;
    const { sandbox } = provider!;
    const { memoryMb } = sandbox;
    const memory = machineMemory();
    await findings.look("servers", () => Promise.resolve(serverRoom(sandbox, probe, memory)));
    const find = options.findRuntimes ?? findRuntimes;
    await findings.look("runtimes", () => checkRuntimes(find, host, memoryMb));
  }
  if (provider && seen.keys) await lookAtIdentities(options, provider, seen.keys, findings);
  if (provider && seen.terms) await lookAtDeployments(config, provider, seen.terms, findings, now);
  if (provider) await lookAtNodes(options, provider, findings);
  const { connected } = seen;
  if (connected) await lookAtEndpoints(connected, findings, now);
  if (provider) await findings.look("running", () => checkRunning(bookOf(config, provider)));
  if (provider?.names.enabled) await findings.look("dns", () => checkNameServers(provider));
  const certificate = provider && await seeCertificate(config, provider);
  if (provider && certificate) {
    const judge = () =>
      Promise.resolve().then(() => judgeCertificate(certificate, provider, now()));
    await findings.look("certificate", judge);
  }
  if (provider && connected) {
    await findings.look("exact", () => checkExact(connected, provider));
    await findings.look("earnings", () => checkEarnings(connected, provider));
    await findings.look("name", () => checkName(connected, provider, seen, options.keysPath));
    await findings.look("web domain", () => checkWebDomain(provider, options.fetch));
  }
  return findings.all.sort((one, other) => rankOf(one) - rankOf(other));
}

/** Told where one is gone that deployments which were paid for here are encrypted to. */
async function lookAtIdentities(
  { config, keysPath }: CheckupOptions,
  { stateDir }: ProviderConfig,
  keys: KeyFile,
  findings: Findings,
): Promise<void> {
  const lost = await lostIdentities(
    keys,
    keysPath,
    recordsPath(resolveFromHome(config, stateDir)),
  );
  if (lost.length > 0) await findings.look("identities", () => Promise.resolve(tellLost(lost)));
}

/** Those that were paid for here, which a change of price or terms may have left behind. */
async function lookAtDeployments(
  config: Config,
  provider: ProviderConfig,
  terms: TermsTexts,
  findings: Findings,
  now: () => number,
): Promise<void> {
  const look = tellLeftBehind(readLeftBehind(config, provider, [...terms.keys()], now));
  if (look) await findings.look("deployments", () => Promise.resolve(look));
}

/** Of a fleet its database and nodes, and the ledger that this one had when it was alone. */
async function lookAtNodes(
  { config, passfile }: CheckupOptions,
  provider: ProviderConfig,
  findings: Findings,
): Promise<void> {
  const { price, ledger: { postgres } } = provider;
  if (postgres === undefined) return;
  const address = databaseAddressIn(config.home, postgres);
  const seen = await lookAtFleet({ address, passfile, price }, findings);
  if (seen === null || seen.schema < SCHEMA_VERSION) return;
  const database = await openDatabase(address, { connections: 1, passfile });
  const look = await tellLoneLedger(bookOf(config, provider), database)
    .finally(() => database.close());
  if (look) await findings.look("fleet ledger", () => Promise.resolve(look));
}

function bookOf(config: Config, { stateDir }: ProviderConfig): string {
  return dirname(recordsPath(resolveFromHome(config, stateDir)));
}

async function lookAtEndpoints(
  { chain }: Connected,
  findings: Findings,
  now: () => number,
): Promise<void> {
  const heads = await chain.heads();
  const statuses = chain.endpoints();
  const seen = { chainId: chain.chainId, heads, statuses, now: Math.floor(now() / 1_000) };
  for (const [index, { origin }] of heads.entries()) {
    await findings.look(`rpc ${origin}`, () => Promise.resolve(judgeEndpoint(seen, index)));
  }
}

function rankOf({ part }: Finding): number {
  return PARTS.findIndex((known) => part.startsWith(known));
}

async function checkGateway(gateway: string, request: typeof fetch = fetch): Promise<Look> {
  const url = `${gateway.replace(/\/$/, "")}/ipfs/${EMPTY_CID}?format=raw`;
  const accept = "application/vnd.ipld.raw";
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const response = await request(url, { headers: { accept }, signal }).catch((cause) => {
    const why = `it can't be reached: ${whyUnreachable(cause)}`;
    throw new KhachapuriError("ipfs_unavailable", why, { cause });
  });
  const bytes = (await response.bytes()).length;
  if (response.status === 200 && bytes === 0) return { detail: "serves blocks" };
  const said = `it answered ${response.status} with ${bytes} bytes to an empty block`;
  throw new KhachapuriError("ipfs_unavailable", said, {
    hints: ["is it a trustless gateway (specs.ipfs.tech/http-gateways/trustless-gateway)?"],
  });
}

/** What the front page will say that programs find. */
async function checkRuntimes(
  find: typeof findRuntimes,
  host: SandboxHost,
  memoryMb: number,
): Promise<Look> {
  await using backstage = await openBackstage(host);
  const { found } = await find(backstage.host, memoryMb);
  const [interpreters, tools] = (["interpreter", "tool"] as const)
    .map((kind) => runtimesText(found, kind) || "none");
  return { detail: `programs find ${interpreters}; tools: ${tools}` };
}

/** What is settled and lies in the escrow: the provider key alone moves it. */
async function checkEarnings(
  { chain, contracts: { escrow } }: Connected,
  { address }: ProviderConfig,
): Promise<Look> {
  const uncollected = await earned(chain, escrow, address);
  if (uncollected === 0n) return { detail: "all that is settled is collected" };
  return {
    detail: `${formatUsdc(uncollected)} USDC are not collected`,
    advice: ["with the provider key: khachapuri collect"],
  };
}

/** The records that callers go by, beside what this machine is configured to do. */
async function checkName(
  { chain, contracts }: Connected,
  provider: ProviderConfig,
  { keys, terms }: Seen,
  keysPath: string,
): Promise<Look> {
  const record = await resolveProvider(chain, provider.name, contracts);
  const recipients = await Promise.all((keys?.identities ?? []).map(recipientOf));
  const escrow = { chainId: chain.chainId, address: contracts.escrow };
  const differences = differencesOf(record, provider, escrow);
  const unheld = keys ? unheldRecipients(record.recipients, recipients) : [];
  if (unheld.length > 0) {
    differences.push("it publishes a recipient whose identity is not in the key file");
  } else if (recipients[0] !== undefined && !record.recipients.includes(recipients[0])) {
    differences.push("it publishes an earlier recipient, not the first one in the key file");
  }
  const areTermsOther = terms !== null && record.terms !== null && !terms.has(record.terms);
  if (areTermsOther) {
    differences.push(
      `its terms ${record.terms} are not among the configured ones: ` +
        "a text that was changed since is another one",
    );
  }
  if (differences.length === 0) return { detail: `${record.name} says what config.json says` };
  throw new KhachapuriError("invalid_config", `${record.name}: ${differences.join("; ")}`, {
    hints: [
      ...await tellUnheld(unheld, keysPath),
      ...(areTermsOther ? ["put the published text back, or publish the one that is there:"] : []),
      "khachapuri register --print tells the line to paste where the provider key is",
    ],
  });
}

function differencesOf(
  record: ProviderRecord,
  provider: ProviderConfig,
  escrow: ContractLocation,
) {
  const differences: string[] = [];
  const expect = (what: string, says: string, configured: string) => {
    if (says !== configured) differences.push(`its ${what} is ${says}, here ${configured}`);
  };
  expect("address", record.address, provider.address);
  expect("url", record.webDomain, provider.webDomain.replace(/\/$/, ""));
  expect("price", formatUsdc(record.price), formatUsdc(provider.price));
  // An address alone says little: one escrow stands at the same address on every chain.
  if (record.escrow) expect("escrow", formatCaip10(record.escrow), formatCaip10(escrow));
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
