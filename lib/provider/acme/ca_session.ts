/**
 * A CA as an account of ours talks to it, by acme-client. What it says is checked here: nothing of
 * it is sure.
 */
import * as v from "valibot";
import { CERTIFICATE_NAMES_MAX } from "../../limits_of_certificates.ts";
import { parseShape } from "../../shape.ts";
import type { Challenge } from "./acme_client.d.ts";
import { type CaRequest, unfit } from "./ca_requests.ts";
import { readProblem } from "./problem.ts";

export interface CaAccount {
  /** PEM. */
  readonly key: string;
  /** Where the CA knows it by; null: it is still to be made known. */
  readonly url: string | null;
}

export interface CaOptions {
  readonly directoryUrl: string;
  readonly account: CaAccount;
  readonly email: string | undefined;
  readonly eab: { readonly kid: string; readonly hmacKey: string } | null;
  readonly request: CaRequest;
}

const textShape = v.string();
const orderShape = v.object({
  status: v.picklist(["pending", "ready", "processing", "valid", "invalid"]),
  finalize: textShape,
  authorizations: v.pipe(v.array(textShape), v.maxLength(CERTIFICATE_NAMES_MAX)),
  certificate: v.optional(textShape),
  error: v.optional(v.unknown()),
});
const challengeShape = v.object({
  type: textShape,
  url: textShape,
  status: textShape,
  token: v.optional(textShape, ""),
  error: v.optional(v.unknown()),
});
const authorizationShape = v.object({
  status: v.picklist(["pending", "valid", "invalid", "deactivated", "expired", "revoked"]),
  wildcard: v.optional(v.boolean(), false),
  identifier: v.object({ type: textShape, value: textShape }),
  challenges: v.array(challengeShape),
});

export type CaOrder = v.InferOutput<typeof orderShape> & { readonly url: string };
export type CaAuthorization = v.InferOutput<typeof authorizationShape> & { readonly url: string };

/** Text of a chain that the CA gives: PEM certificates and nothing else. */
const CHAIN = /^\s*(?:-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+$/;

export interface CaSession {
  /** The account's URL; the account is made known first where it is not. */
  account(): Promise<string>;
  /** @param replaces the certificate that this one follows (RFC 9773, section 5) */
  newOrder(names: readonly string[], replaces: string | null): Promise<CaOrder>;
  order(url: string): Promise<CaOrder>;
  authorization(url: string): Promise<CaAuthorization>;
  keyAuthorization(challenge: Challenge): Promise<string>;
  /** Has the CA look. */
  answer(challenge: Challenge): Promise<void>;
  finalize(order: CaOrder, csr: Uint8Array): Promise<CaOrder>;
  /** The chain of a valid order, PEM. */
  certificate(order: CaOrder): Promise<string>;
}

/** @throws KhachapuriError `no_certificate`, as all that it does */
export async function openCa(options: CaOptions): Promise<CaSession> {
  const { directoryUrl, account, email, eab, request } = options;
  const { AcmeClient } = await import("./acme_library.ts");
  const client = new AcmeClient({
    directoryUrl,
    accountKey: account.key,
    accountUrl: account.url,
    ...(eab ? { externalAccountBinding: eab } : {}),
  });
  Object.assign(client.http, { request });
  const { http: { getDirectory } } = client;
  client.http.getDirectory = async () => {
    const directory = await getDirectory.call(client.http);
    const isDirectory = typeof directory === "object" && directory !== null &&
      typeof directory.newNonce === "string";
    if (!isDirectory) throw unfit(`${directoryUrl} is no directory of ACME`);
    return directory;
  };
  const read = async (url: string) => (await client.api.apiRequest(url, null, [200])).data;
  return {
    async account() {
      if (account.url !== null) return account.url;
      const contact = email === undefined ? {} : { contact: [`mailto:${email}`] };
      await told(client.createAccount({ termsOfServiceAgreed: true, ...contact }));
      return client.getAccountUrl();
    },
    async newOrder(names, replaces) {
      const identifiers = names.map((value) => ({ type: "dns", value }));
      const make = (more: object) => told(client.createOrder({ identifiers, ...more }));
      const made = replaces === null ? await make({}) : await make({ replaces }).catch((error) => {
        if (isOfReplacing(error)) return make({});
        throw error;
      });
      return orderOf(made, made.url);
    },
    order: async (url) => orderOf(await told(read(url)), url),
    async authorization(url) {
      const value = await told(read(url));
      return { ...parsed(authorizationShape, value, "authorization"), url };
    },
    keyAuthorization: (challenge) => told(client.getChallengeKeyAuthorization(challenge)),
    async answer({ url }) {
      await told(client.api.apiRequest(url, {}, [200]));
    },
    async finalize(order, csr) {
      return orderOf(await told(client.finalizeOrder(order, csr)), order.url);
    },
    async certificate({ certificate }) {
      if (certificate === undefined) throw unfit("the CA's order is valid without a certificate");
      const chain: unknown = await told(read(certificate));
      if (typeof chain === "string" && CHAIN.test(chain)) return chain;
      throw unfit("the CA's certificate is none");
    },
  };
}

function orderOf(value: unknown, url: string): CaOrder {
  return { ...parsed(orderShape, value, "order"), url };
}

function parsed<S extends v.GenericSchema>(shape: S, value: unknown, what: string) {
  return parseShape(shape, value, `the CA's ${what}`, "no_certificate");
}

/** What a CA says of `replaces` when the other was replaced already, or is not its own. */
function isOfReplacing(error: unknown): boolean {
  const { problem } = Object(Object(error).data) as { problem?: unknown };
  return problem === "alreadyReplaced" || problem === "malformed" || problem === "conflict";
}

/** acme-client throws plain errors for what it does not understand. */
async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    const isOurs = Object(thrown).name === "KhachapuriError";
    throw isOurs
      ? thrown
      : unfit(`the CA's answer is of no use: ${(thrown as Error).message}`, thrown);
  }
}

/** Why an authorization or an order is invalid, as far as the CA says. */
export function problemIn(error: unknown) {
  return readProblem(error) ?? { type: "about:blank", detail: "", subproblems: [] };
}
