/**
 * What can be called at a provider, as OpenAPI 3.1 has it: by `/openapi.json` agents and registries
 * of x402 find what they can pay for, by `x-payment-info` what it costs (agentcash discovery,
 * sections 6 and 7). What a caller need not pay for has none, and no 402.
 */
import { formatUsdc } from "../../chain/usdc.ts";
import { OPENAPI_BYTES_MAX, OPENAPI_OPERATIONS_MAX } from "../../limits_of_discovery.ts";
import type { Accept } from "../../payment_required.ts";
import { type About, type AboutContent, hasBody, mediaTypeOf, methodOf } from "../../spec/about.ts";
import { type JsonSchema, schemaOf } from "../../spec/json_schema.ts";

/** A deployment whose owner lets everybody know of it. */
export interface ListedDeployment {
  readonly cid: string;
  readonly about: About;
  /** Whether its callers pay. */
  readonly isPaid: boolean;
}

/** Who answers. */
export interface OpenapiProvider {
  readonly name: string;
  readonly webDomain: string;
}

/** Of the form of this document, not of anything that is called. */
const FORM_VERSION = "1.0.0";
/** A line of a list. */
const SUMMARY_CHARACTERS = 120;

/**
 * The document's JSON, with as many deployments as there is room for.
 * @param price of one call, USDC base units; null: nothing is taken for one now
 */
export function openapiText(
  { name, webDomain }: OpenapiProvider,
  price: bigint | null,
  listed: Iterable<ListedDeployment>,
): string {
  const paths: string[] = [];
  let bytes = 0;
  for (const deployment of listed) {
    const path = JSON.stringify(`/${deployment.cid}`);
    const text = `${path}:${JSON.stringify(pathItem(deployment, price))}`;
    bytes += new TextEncoder().encode(text).length + 1;
    if (bytes > OPENAPI_BYTES_MAX) break;
    paths.push(text);
    if (paths.length === OPENAPI_OPERATIONS_MAX) break;
  }
  const head = {
    openapi: "3.1.0",
    info: {
      title: name,
      version: FORM_VERSION,
      description: `Programs that run at ${name}, a provider of Khachapuri. Each call runs one.`,
    },
    servers: [{ url: webDomain }],
  };
  return `${JSON.stringify(head).slice(0, -1)},"paths":{${paths.join(",")}}}\n`;
}

/**
 * What one call costs somebody who calls once: `exact` where it is offered, as all clients have
 * that, else a credit. USDC base units.
 * @param accepts the entries of x402's `accepts`
 */
export function callPrice(accepts: readonly Accept[]): bigint | null {
  const entry = accepts.find(({ scheme }) => scheme === "exact") ??
    accepts.find(({ scheme }) => scheme === "credits");
  const { amount } = (entry ?? {}) as { amount?: unknown };
  return typeof amount === "string" && /^[0-9]+$/.test(amount) ? BigInt(amount) : null;
}

function pathItem({ cid, about, isPaid }: ListedDeployment, price: bigint | null) {
  const { description, input, output, tags } = about;
  const operation = {
    operationId: cid,
    summary: summaryOf(description),
    description,
    ...(tags ? { tags } : {}),
    security: [],
    ...(isPaid && price !== null ? { "x-payment-info": paymentInfo(price) } : {}),
    ...(input ? sent(input) : {}),
    responses: {
      200: { description: "OK", ...(output ? { content: contentOf(output) } : {}) },
      ...(isPaid ? { 402: { description: "Payment Required" } } : {}),
    },
  };
  return { [methodOf(about).toLowerCase()]: operation };
}

function paymentInfo(price: bigint) {
  const fixed = { mode: "fixed", currency: "USD", amount: formatUsdc(price) };
  return { price: fixed, protocols: [{ x402: {} }] };
}

/** The first sentence, if it is short. */
function summaryOf(description: string): string {
  const [sentence = description] = /^.*?[.!?](?=\s|$)/u.exec(description) ?? [];
  const characters = [...sentence];
  return characters.length <= SUMMARY_CHARACTERS
    ? sentence
    : `${characters.slice(0, SUMMARY_CHARACTERS - 1).join("")}…`;
}

function sent(input: AboutContent) {
  return hasBody(input)
    ? { requestBody: { required: true, content: contentOf(input) } }
    : { parameters: parametersOf(input) };
}

function contentOf(content: AboutContent) {
  const { example, schema = example === undefined ? undefined : schemaOf(example) } = content;
  const said = {
    ...(schema === undefined ? {} : { schema }),
    ...(example === undefined ? {} : { example }),
  };
  return { [mediaTypeOf(content)]: said };
}

/** Of a URL's query: those that the schema names, and those that the example has. */
function parametersOf({ example, schema }: AboutContent) {
  const properties = new Map<string, JsonSchema>(Object.entries(schema?.properties ?? {}));
  const examples = new Map(Object.entries(example as Record<string, unknown>));
  const required = new Set(schema?.required);
  return [...new Set([...properties.keys(), ...examples.keys()])].map((name) => ({
    name,
    in: "query",
    required: required.has(name),
    schema: properties.get(name) ?? schemaOf(examples.get(name)),
    ...(examples.has(name) ? { example: examples.get(name) } : {}),
  }));
}
