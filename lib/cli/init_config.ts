/** What `init` makes of config.json: what its flags say over what is there. */
import { getAddress, isAddress } from "viem";
import { parseName } from "../chain/name.ts";
import { parseUsdc } from "../chain/usdc.ts";
import { type ConfigJson, parseConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { timeText } from "../time_text.ts";
import { isBare, isConfidential } from "../web_url.ts";
import type { CommandContext } from "./command.ts";
import { namedContracts } from "./context.ts";
import { deadlineOf } from "./parties.ts";
import { durationOf } from "./since.ts";

/** The section of a provider's machine, as it is written. */
export type ProviderJson = NonNullable<ConfigJson["provider"]>;

/**
 * The configuration with the flags of every command in it. It is checked before any key is
 * written, so that a wrong flag leaves nothing behind.
 * @throws KhachapuriError `usage`, `invalid_config`
 */
export async function configWith(
  context: CommandContext,
  before: ConfigJson,
  provider: ProviderJson | undefined,
): Promise<ConfigJson> {
  const { flags, home } = context;
  const named = await givenContracts(context);
  const config: ConfigJson = {
    ...before,
    ...(flags.rpc.length === 0
      ? {}
      : { rpc: flags.rpc.length > 1 ? [...flags.rpc] : flags.rpc[0] }),
    ...(flags.gateway.length === 0 ? {} : { gateways: [...flags.gateway] }),
    ...(flags.kubo === undefined ? {} : { kubo: { ...before.kubo, url: flags.kubo } }),
    ...(named === null ? {} : { contracts: contractsWith(before.contracts, named) }),
    ...(provider === undefined ? {} : { provider }),
  };
  parseConfig(config, home);
  return config;
}

interface NamedContracts {
  chainId: string;
  names: { escrow?: string; registry?: string };
}

function contractsWith(
  before: ConfigJson["contracts"] = {},
  { chainId, names }: NamedContracts,
): ConfigJson["contracts"] {
  return { ...before, [chainId]: { ...before[chainId], ...names } };
}

/** The contracts that flags name, checked, under the id of the chain that `--rpc` reaches. */
async function givenContracts(
  { flags, chain, contracts }: CommandContext,
): Promise<NamedContracts | null> {
  const { escrow, registry } = await namedContracts(flags);
  if (!escrow && !registry) return null;
  await contracts();
  const names = { ...(escrow ? { escrow } : {}), ...(registry ? { registry } : {}) };
  return { chainId: String((await chain()).chainId), names };
}

/** What a provider is made with, as its flags say it. */
export interface ProviderFlags {
  provider: string | undefined;
  domain: string | undefined;
  price: string | undefined;
  "keep-price": string | undefined;
  "keep-terms": string | undefined;
  address: string | undefined;
  listen: string | undefined;
  terms: string | undefined;
}

/**
 * The provider's section with the flags in it.
 * @param before the section that is there
 * @param address of the provider key
 * @throws KhachapuriError `usage` for a flag that is missing or wrong, `invalid_name`
 */
export function providerWith(
  before: ProviderJson | undefined,
  flags: ProviderFlags,
  address: `0x${string}`,
  keyFile: string,
): ProviderJson {
  const { provider, domain, price, listen, terms } = flags;
  const given = {
    ...(provider === undefined ? {} : { name: parseName(provider).text }),
    ...(domain === undefined ? {} : { webDomain: checkedDomain(domain) }),
    ...(price === undefined ? {} : { price: String(parseUsdc(price)) }),
    ...(terms === undefined ? {} : { terms: newestFirst(terms, before?.terms ?? []) }),
    ...(listen === undefined ? {} : { listen }),
    ...keepWith(flags),
    address,
  };
  if (before) return { ...before, ...given };
  if (given.name === undefined) throw missing("--provider NAME");
  if (given.webDomain === undefined) throw missing("--domain URL");
  if (given.price === undefined) throw missing("--price USDC");
  const { name, webDomain, price: units } = given;
  const place = { terms: given.terms ?? ["terms.txt"], stateDir: "state", keyFile };
  const offered = { price: units, ...keepWith(flags) };
  return { name, address, ...(listen ? { listen } : {}), webDomain, ...offered, ...place };
}

/** Texts that specs have signed stay listed behind a new one. */
function newestFirst(terms: string, listed: readonly string[]): string[] {
  return [terms, ...listed.filter((path) => path !== terms)];
}

/** For how long what a change ends is kept, as config.json has it. */
function keepWith({ "keep-price": price, "keep-terms": terms }: ProviderFlags) {
  return {
    ...(price === undefined ? {} : { keepPrice: keepTimeOf(price, "--keep-price") }),
    ...(terms === undefined ? {} : { keepTerms: keepTimeOf(terms, "--keep-terms") }),
  };
}

/** @throws KhachapuriError `usage` */
function keepTimeOf(text: string, flag: string): string | number {
  if (text === "forever") return text;
  const duration = durationOf(text);
  return duration === null ? timeText(deadlineOf(text, flag)) : Math.floor(duration / 1_000);
}

/** @throws KhachapuriError `usage` unless it is https, or http to this machine */
function checkedDomain(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlace = url !== null && isBare(url) && url.hash === "";
  if (isPlace && isConfidential(url)) return url.href.replace(/\/$/, "");
  throw new KhachapuriError("usage", `--domain is not an https URL: ${text}`, {
    hints: ["callers send permits, which are as good as money, over https only"],
  });
}

/** @throws KhachapuriError `usage` */
export function checkedAddress(text: string): `0x${string}` {
  if (isAddress(text)) return getAddress(text);
  throw new KhachapuriError("usage", `--address is neither an Ethereum address nor "new": ${text}`);
}

export function missing(flag: string): KhachapuriError {
  return new KhachapuriError("usage", `a provider needs ${flag}`, {
    hints: ["see khachapuri init --help"],
  });
}
