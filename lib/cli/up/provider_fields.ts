/** What answers come to in config.json, and at which ports systemd then listens. */
import type { ConfigJson } from "../../config.ts";
import { parseUsdc } from "../../chain/usdc.ts";
import type { Sockets } from "../systemd_unit.ts";
import { checkedPlace, type WholeAnswers } from "./answers.ts";

/** Fields that `up` sets; of each nothing else is touched. */
export type ProviderFields = Record<string, unknown>;

const BEHIND_PROXY = "127.0.0.1:8402";
const EVERYWHERE = "0.0.0.0:443";
/** A proxy on this machine. */
const OWN_PROXIES = ["127.0.0.1", "::1"];

/** Of the section `provider`; null strikes a field out. */
export function providerFields(answers: WholeAnswers): ProviderFields {
  const { name, domain, price, address, https } = answers;
  return {
    name,
    address,
    webDomain: domain,
    price: String(parseUsdc(price)),
    listen: listenOf(answers),
    trustedProxies: https === "proxy" ? OWN_PROXIES : null,
    tls: https === "files" ? answers.certificate : null,
    acme: acmeOf(answers),
  };
}

function listenOf({ https, listen }: WholeAnswers): string {
  return listen ?? (https === "proxy" ? BEHIND_PROXY : EVERYWHERE);
}

function acmeOf({ https, email, acme }: WholeAnswers): ProviderFields | null {
  if (https === "files" || https === "proxy") return null;
  const contact = email === undefined ? {} : { email };
  return { ...acme, ...contact, agreeToTerms: true, challenge: https };
}

/** The whole configuration with the answers in it, as `init` will write it. */
export function configAfter(before: ConfigJson, answers: WholeAnswers): ConfigJson {
  const { rpc, gateways } = answers;
  return {
    ...before,
    rpc: rpc.length > 1 ? rpc : rpc[0]!,
    ...(gateways === undefined ? {} : { gateways }),
    provider: withFields(before.provider, providerFields(answers)),
  };
}

/** A section with these fields in it, and what a new one begins with. */
export function withFields(
  before: ConfigJson["provider"],
  fields: ProviderFields,
): NonNullable<ConfigJson["provider"]> {
  const beginning = { terms: ["terms.txt"], stateDir: "state", keyFile: "keys.json" };
  const all = Object.entries({ ...beginning, ...before, ...kept(before, fields) });
  return Object.fromEntries(all.filter(([, value]) => value !== null)) as NonNullable<
    ConfigJson["provider"]
  >;
}

/** A list of proxies that somebody has made their own is not struck out, nor made shorter. */
function kept(before: ConfigJson["provider"], fields: ProviderFields): ProviderFields {
  const own = before?.trustedProxies;
  const isOurs = own === undefined || own.length === 0 || own.join() === OWN_PROXIES.join();
  return isOurs ? fields : { ...fields, trustedProxies: own };
}

/**
 * Where systemd is to listen: an address that is everywhere stands for IPv6, too. What config.json
 * says of it is the provider's user's word, and the unit is root's: it is an address or nothing.
 * @throws KhachapuriError `usage`
 */
export function socketsOf(answers: WholeAnswers): Sockets {
  const place = checkedPlace(listenOf(answers));
  const acme = acmeOf(answers);
  const isAsked = acme?.challenge === "http-01";
  const http = typeof acme?.httpListen === "string"
    ? checkedPlace(acme.httpListen)
    : isAsked
    ? "0.0.0.0:80"
    : null;
  return { listen: streamOf(place), http: http === null ? null : streamOf(http) };
}

function streamOf(place: string): string {
  return place.replace(/^(?:0\.0\.0\.0|\[::\]):/, "");
}
