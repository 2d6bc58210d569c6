/**
 * What an owner says of a deployment, in x402's words: the resource of a 402, and its extension
 * "bazaar" (x402 specs/extensions/bazaar.md), an example of a call with the schema that it fits, by
 * which facilitators list what can be called.
 */
import type { DescribedResource } from "../x402_discovery.ts";
import { type About, type AboutContent, isBodiless, mediaTypeOf, methodOf } from "./about.ts";
import { schemaOf } from "./json_schema.ts";

/** The dialect of what is said in the extension. */
const DIALECT = "https://json-schema.org/draft/2020-12/schema";

const BODY_TYPES = ["json", "form-data", "text"] as const;
type BodyType = typeof BODY_TYPES[number];

/** The deployment as a 402 has it. */
export function describedBy(about: About): DescribedResource {
  const { description, output, tags } = about;
  const bazaar = bazaarOf(about);
  return {
    description,
    ...(output ? { mimeType: mediaTypeOf(output) } : {}),
    ...(tags ? { tags } : {}),
    ...(bazaar ? { extensions: { bazaar } } : {}),
  };
}

/** The extension; null where it cannot say what is sent: it knows three kinds of body. */
function bazaarOf(about: About) {
  const method = methodOf(about);
  const sent = isBodiless(method) ? querySent(about) : bodySent(about);
  if (sent === null) return null;
  const { info, properties, required } = sent;
  const output = outputSaid(about.output);
  return {
    info: {
      input: { type: "http", method, ...info },
      ...(output ? { output: output.info } : {}),
    },
    schema: {
      $schema: DIALECT,
      type: "object",
      properties: {
        input: {
          type: "object",
          properties: {
            type: { type: "string", const: "http" },
            method: { type: "string", enum: [method] },
            ...properties,
          },
          required: ["type", "method", ...required],
          additionalProperties: false,
        },
        ...(output ? { output: output.schema } : {}),
      },
      required: ["input"],
    },
  };
}

interface Sent {
  /** Beside type and method, as their schema and its required members are. */
  readonly info: Readonly<Record<string, unknown>>;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required: readonly string[];
}

function querySent({ input }: About): Sent {
  return {
    info: { queryParams: input?.example ?? {} },
    properties: { queryParams: { type: "object", ...(input?.schema ?? { properties: {} }) } },
    required: [],
  };
}

function bodySent({ input }: About): Sent | null {
  const bodyType = input ? bodyTypeOf(input) : "text";
  // Without an example, and of other types there may be none, no body fits its schema for sure.
  if (bodyType === null || (input && input.example === undefined)) return null;
  const body = input ? input.example : "";
  return {
    info: { bodyType, body },
    properties: {
      bodyType: { type: "string", enum: BODY_TYPES },
      body: input?.schema ?? (typeof body === "string" ? { type: "string" } : { properties: {} }),
    },
    required: ["bodyType", "body"],
  };
}

function bodyTypeOf(input: AboutContent): BodyType | null {
  const type = mediaTypeOf(input);
  if (type === "application/json" || type.endsWith("+json")) return "json";
  if (type === "multipart/form-data" || type === "application/x-www-form-urlencoded") {
    return "form-data";
  }
  return type.startsWith("text/") ? "text" : null;
}

/** Only with an example, as the reference makes it; nothing that counts as none in its language. */
function outputSaid(output: AboutContent | undefined) {
  if (!output?.example) return null;
  const { type, example, schema } = output;
  return {
    info: { type, example },
    schema: {
      type: "object",
      properties: { type: { type: "string" }, example: exampleSchema(example, schema) },
      required: ["type"],
    },
  };
}

/** The reference takes every example for an object, unless a schema says otherwise. */
function exampleSchema(example: unknown, schema: AboutContent["schema"]) {
  return { type: "object", ...(schema ?? schemaOf(example)) };
}
