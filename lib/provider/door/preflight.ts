/**
 * What a provider stands on, looked at part by part: keys, chain, gateways, sandbox, state, terms,
 * operator, collector. `serve` starts on what it finds, `doctor` tells it to a person. Nothing is
 * changed.
 */
import { dirname, join } from "node:path";
import type { Hex } from "viem";
import { type ProbeResult, probeSandbox } from "../../../sandbox/probe.ts";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import {
  type Config,
  type ContractOverrides,
  type ProviderConfig,
  resolveFromHome,
} from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { readBytes } from "../../files.ts";
import { TERMS_BYTES_MAX } from "../../limits.ts";
import { type KeyFile, readKeyFile } from "../../spec/keys.ts";
import { assertOwnTerms, termsHash } from "../../spec/terms.ts";
import type { TermsTexts } from "../deployment/current_offer.ts";
import { recordsPath } from "../deployment/records.ts";
import { assertLedgerVersion } from "../ledger/version.ts";
import { sandboxHost } from "../program/sandbox_host.ts";
import { slotRoom } from "./slot_room.ts";
import { sharingHints } from "./uid_sharing.ts";
import { Findings, type Look } from "./findings.ts";
import { readProvidersKeys } from "./lost_keys.ts";
import { lookAtChain, type SeenOnChain } from "./preflight_chain.ts";

export interface PreflightOptions {
  config: Config;
  keysPath: string;
  /** Contracts named by flags, before those of the configuration. */
  named?: ContractOverrides;
  now?: () => number;
  /** How long each look may take, ms; by default any time. */
  lookMs?: number;
}

/** What was looked at and is good; null for what is bad, or could not be looked at. */
export interface Seen extends SeenOnChain {
  keys: KeyFile | null;
  sandbox: {
    host: SandboxHost;
    probe: Extract<ProbeResult, { ok: true }>;
    /** What to know and do where programs share the provider's uid; empty where they do not. */
    sharing: readonly string[];
  } | null;
  terms: TermsTexts | null;
}

export interface Preflight {
  findings: Findings;
  seen: Seen;
}

/** All that `serve` needs, and all of it good. */
export type Ground = { [Part in keyof Seen]: NonNullable<Seen[Part]> };

/** In the order in which they are told, whatever is known first. */
const PARTS = ["keys", "chain", "gateway", "sandbox", "state", "terms", "operator", "collector"];

/**
 * Looks at everything; a part that another one's failure hides is left out. The chain and the
 * machine are looked at side by side, and of the chain all at once that does not follow from
 * another answer: an endpoint is 50 to 100 ms away, and whoever starts a provider waits. The
 * machine comes first, as other processes work on it while this one reads its keys.
 */
export async function preflight(options: PreflightOptions): Promise<Preflight> {
  const { config } = options;
  const { provider } = config;
  const findings = new Findings(PARTS, options.lookMs);
  if (config.gateways.length === 0) {
    await findings.look("gateway", () => noGateway(provider));
  }
  const [onMachine, { keys, ...onChain }] = await Promise.all([
    provider ? lookAtMachine(config, provider, findings) : { sandbox: null, terms: null },
    lookWithKeys(options, findings),
  ]);
  return { findings, seen: { keys, ...onChain, ...onMachine } };
}

async function lookWithKeys(options: PreflightOptions, findings: Findings) {
  const { config, keysPath } = options;
  const found = await findings.look("keys", () => checkKeys(keysPath, config));
  const keys = found?.file ?? null;
  return { keys, ...await lookAtChain(options, keys, findings) };
}

async function lookAtMachine(config: Config, provider: ProviderConfig, findings: Findings) {
  const sandbox = await findings.look("sandbox", () => checkSandbox(provider));
  const runUid = sandbox?.host.runUid ?? null;
  await findings.look("state", () => checkState(config, provider, runUid));
  const terms = await findings.look("terms", () => checkTerms(config, provider));
  return { sandbox, terms: terms?.texts ?? null };
}

/**
 * What the provider stands on.
 * @throws KhachapuriError for the first part that is bad; it says what to do
 */
export function groundOf({ findings, seen }: Preflight): Ground {
  const bad = findings.all.find(({ error }) => error !== undefined);
  if (bad) throw bad.error!;
  const { keys, connected, sandbox, terms, operator, collector } = seen;
  if (keys && connected && sandbox && terms && operator && collector) {
    return { keys, connected, sandbox, terms, operator, collector };
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
  const concurrency = slotRoom(sandbox);
  const detail =
    `${launcher}, programs run as uid ${programsRunAs}, ${concurrency} at a time${limits}`;
  const hints = missing.length > 0
    ? [`the kernel does not limit ${missing.join(", ")} here`, ...probe.hints]
    : [];
  const sharing = sharingHints(probe, { ...sandbox, concurrency }, Deno.uid());
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
