/**
 * What `up` has to know of a provider: from flags, from a file of answers, from the configuration
 * that is there, or from whoever sits at the terminal; the first that says a field is believed.
 */
import * as v from "valibot";
import { type Address, getAddress, isAddress } from "viem";
import { parseName } from "../../chain/name.ts";
import { formatUsdc, parseUsdc } from "../../chain/usdc.ts";
import type { ConfigJson } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { addressShape, parseShape } from "../../shape.ts";
import { acmeDomainFault } from "../../config_acme.ts";
import { isBare, isConfidential } from "../../web_url.ts";
import { chainNameOf, CHAINS } from "./chains.ts";

/** How the provider comes to speak HTTPS. */
export const HTTPS_WAYS = ["http-01", "tls-alpn-01", "dns-01", "files", "proxy"] as const;
export type HttpsWay = (typeof HTTPS_WAYS)[number];

/** A field's check, with its own words as the error: those of the flag are the same. */
function checked<T>(check: (text: string) => T) {
  return v.pipe(
    v.string(({ input }) =>
      typeof input === "number" ? `not a text: write "${input}" in its place` : "not a text"
    ),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      try {
        return check(dataset.value);
      } catch (error) {
        addIssue({ message: (error as KhachapuriError).shortMessage });
        return NEVER;
      }
    }),
  );
}

const urlsShape = v.pipe(v.array(checked(checkedUrl)), v.minLength(1, "list at least one URL"));
const pathShape = v.pipe(v.string(), v.startsWith("/", "not an absolute path"));

/** The file of answers: what it leaves out is asked for, or has its default. */
const answersShape = v.strictObject({
  name: v.exactOptional(checked((text) => parseName(text).text)),
  domain: v.exactOptional(checked(checkedDomain)),
  price: v.exactOptional(checked((text) => formatUsdc(parseUsdc(text)))),
  address: v.exactOptional(checked(checkedAddress)),
  chain: v.exactOptional(checked(checkedChain)),
  rpc: v.exactOptional(urlsShape),
  gateways: v.exactOptional(v.array(checked(checkedUrl))),
  /** Contracts of a chain that does not ship with us. */
  escrow: v.exactOptional(addressShape),
  registry: v.exactOptional(addressShape),
  https: v.exactOptional(
    v.picklist(HTTPS_WAYS, ({ input }) => `none of ${HTTPS_WAYS.join(", ")}: ${input}`),
  ),
  /** Whom the certificate authority writes to. */
  email: v.exactOptional(checked(checkedEmail)),
  /** Whether its terms are agreed to. */
  agreeToCa: v.exactOptional(v.boolean()),
  /** What else `provider.acme` is to say, as config.json has it: `dns`, `directory`, … */
  acme: v.exactOptional(v.record(v.string(), v.unknown())),
  certificate: v.exactOptional(v.strictObject({ cert: pathShape, key: pathShape })),
  /** Where calls come in, e.g. "127.0.0.1:8402". */
  listen: v.exactOptional(checked(checkedPlace)),
  /** A text of terms; only its bytes are taken over. */
  terms: v.exactOptional(pathShape),
});

/** As they are written, and as they are used: each field is a text that says the same. */
export type Answers = v.InferOutput<typeof answersShape>;

/** All that a provider can't be made without. */
export type WholeAnswers =
  & Answers
  & Required<Pick<Answers, "name" | "domain" | "price" | "rpc" | "https">>
  & { address: Address };

/** @param what it is that says them, for messages @throws KhachapuriError `code` */
export function parseAnswers(
  value: unknown,
  what: string,
  code: "usage" | "invalid_input" = "invalid_input",
): Answers {
  return parseShape(answersShape, value, what, code);
}

/** The first that says a field wins. */
export function firstOf(...sources: readonly Answers[]): Answers {
  return Object.assign({}, ...[...sources].reverse());
}

/** What the configuration says that is there. */
export function answersIn({ rpc, gateways, provider }: ConfigJson): Answers {
  const urls = rpc === undefined ? [] : [rpc].flat();
  const served = provider as NonNullable<ConfigJson["provider"]> & { acme?: AcmeJson } | undefined;
  return {
    ...(urls.length === 0 ? {} : { rpc: urls }),
    ...(gateways === undefined ? {} : { gateways }),
    ...(served === undefined ? {} : {
      name: served.name,
      domain: served.webDomain,
      price: formatUsdc(BigInt(served.price)),
      address: served.address as Address,
      ...(served.listen === undefined ? {} : { listen: served.listen }),
      ...httpsIn(served),
    }),
  };
}

/** The part of `provider.acme` that has questions of its own. */
interface AcmeJson extends Record<string, unknown> {
  challenge?: HttpsWay;
  email?: string;
  agreeToTerms?: true;
}

function httpsIn(
  { acme, tls }: { acme?: AcmeJson; tls?: { cert: string; key: string } | undefined },
): Pick<Answers, "https" | "email" | "agreeToCa" | "acme" | "certificate"> {
  if (tls) return { https: "files", certificate: tls };
  if (!acme) return { https: "proxy" };
  const { challenge = "http-01", email, agreeToTerms: _, ...rest } = acme;
  return {
    https: challenge,
    agreeToCa: true,
    ...(email === undefined ? {} : { email }),
    ...(Object.keys(rest).length === 0 ? {} : { acme: rest }),
  };
}

/** What is missing, each with the flag that says it. */
export function missingIn(answers: Answers): string[] {
  const { name, domain, price, address, rpc, https = "http-01" } = answers;
  const isAcme = https !== "files" && https !== "proxy";
  const isMissing: [boolean, string][] = [
    [name === undefined, "--name NAME: the ENS name under which you are found"],
    [domain === undefined, "--domain DOMAIN: the web domain that callers use"],
    [price === undefined, "--price USDC: of one call, e.g. 0.001"],
    [address === undefined, "--address ADDRESS: of the provider key, which stays elsewhere"],
    [rpc === undefined, `--chain ${Object.keys(CHAINS).join("|")}, or --rpc URL`],
    [isAcme && answers.agreeToCa !== true, "--agree: to the terms of the certificate authority"],
    [
      https === "dns-01" && answers.acme?.dns === undefined,
      '--acme FILE: how records are made, as { "dns": { "kind": "rfc2136", … } }',
    ],
    [https === "files" && !answers.certificate, "--certificate FILE and --certificate-key FILE"],
  ];
  return isMissing.flatMap(([is, flag]) => is ? [flag] : []);
}

/** @throws KhachapuriError `usage` that lists all that is missing */
export function assertWhole(answers: Answers): WholeAnswers {
  const missing = missingIn(withChain(answers));
  if (missing.length === 0) {
    const whole = { https: "http-01", ...withChain(answers) } as WholeAnswers;
    assertCertifiable(whole);
    return whole;
  }
  throw new KhachapuriError("usage", "up has to know more, and there is no terminal to ask on", {
    hints: [...missing, "or --answers FILE: see khachapuri up --help"],
  });
}

/** Before a configuration is blamed that does not exist yet. */
function assertCertifiable({ domain, https }: WholeAnswers): void {
  const fault = https === "files" || https === "proxy" ? null : acmeDomainFault(domain);
  if (fault === null) return;
  throw new KhachapuriError("invalid_input", `the domain ${domain} ${fault}`, {
    hints: ["name one whose records lead here, as paolo.example", "or --https files, or proxy"],
  });
}

/** A chain's name stands for its endpoints, unless some are named. */
export function withChain(answers: Answers): Answers {
  const { chain, rpc } = answers;
  return rpc === undefined && chain !== undefined
    ? { ...answers, rpc: [...CHAINS[chain]!.rpc] }
    : answers;
}

/** As a file of answers has them, for the next time. */
export function answersJson(answers: Answers): Answers {
  const { rpc, ...rest } = answers;
  const chain = rpc === undefined ? null : chainNameOf(rpc);
  return chain === null ? answers : { ...rest, chain };
}

/** @throws KhachapuriError `usage` unless it is https, or http to this machine */
export function checkedDomain(text: string): string {
  const given = text.trim();
  const url = given.includes("://") ? given : `https://${given}`;
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const isPlace = parsed !== null && isBare(parsed) && parsed.hash + parsed.pathname === "/";
  const isName = parsed !== null && (given !== "" && !/[\s_]/.test(given));
  if (isPlace && isName && isConfidential(parsed)) return parsed.href.replace(/\/$/, "");
  throw new KhachapuriError("usage", `not a domain as paolo.example, reached by https: ${text}`);
}

export function checkedChain(text: string): string {
  const name = text.trim().toLowerCase().replaceAll(" ", "-");
  if (Object.hasOwn(CHAINS, name)) return name;
  throw new KhachapuriError(
    "usage",
    `none of ${Object.keys(CHAINS).join(", ")}: ${text} (for another: rpc)`,
  );
}

/** The key's address is what the name has to belong to: a slip in it would show weeks later. */
function checkedAddress(text: string): Address {
  if (isAddress(text)) return getAddress(text);
  const isSlip = isAddress(text, { strict: false });
  // What is no address is not repeated: it may be a key.
  throw new KhachapuriError(
    "usage",
    isSlip ? `a wrong checksum, a character was changed: ${text}` : "not an Ethereum address",
  );
}

export function checkedUrl(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new KhachapuriError("usage", `not an http(s) URL: ${text}`);
}

export function checkedEmail(text: string): string {
  if (/^[^\s@<>"]+@[^\s@<>"]+\.[^\s@<>".]+$/.test(text)) return text;
  throw new KhachapuriError("usage", `not an e-mail address: ${text}`);
}

export function checkedPlace(text: string): string {
  const [, host, port] = /^(\[[0-9a-fA-F:]+\]|[0-9.]+):([0-9]{1,5})$/.exec(text) ?? [];
  if (host !== undefined && Number(port) > 0 && Number(port) < 65_536) return text;
  throw new KhachapuriError("usage", `not ADDRESS:PORT, as 127.0.0.1:8402: ${text}`);
}
