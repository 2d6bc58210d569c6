/**
 * The part of JSON Schema (draft 2020-12) by which an owner says what a program takes and gives.
 * It stands inside other documents, OpenAPI and x402's, and one that is malformed would spoil them
 * for all readers, so every keyword is known here. There are no references, which would lead
 * elsewhere there, and no patterns: whoever checks by one runs a stranger's regular expression.
 */
import * as v from "valibot";
import { wholeNumber } from "./whole_number.ts";

/** A schema: `true` takes everything, `false` nothing. */
export type JsonSchema = boolean | SchemaObject;

export interface SchemaObject {
  type?: SchemaType | SchemaType[];
  title?: string;
  description?: string;
  format?: string;
  default?: unknown;
  examples?: unknown[];
  enum?: unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  items?: JsonSchema;
  prefixItems?: JsonSchema[];
  minProperties?: number;
  maxProperties?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema;
  oneOf?: JsonSchema[];
  anyOf?: JsonSchema[];
  allOf?: JsonSchema[];
  not?: JsonSchema;
}

const TYPES = ["object", "array", "string", "number", "integer", "boolean", "null"] as const;
type SchemaType = typeof TYPES[number];

const typeShape = v.picklist(TYPES, `not one of ${TYPES.join(", ")}`);
const typesShape: v.GenericSchema<SchemaType | SchemaType[]> = v.lazy((value) =>
  Array.isArray(value) ? v.pipe(v.array(typeShape), v.minLength(1, "an empty list")) : typeShape
);
const count = v.exactOptional(wholeNumber(0, Number.MAX_SAFE_INTEGER));
const bound = v.exactOptional(v.number());
const text = v.exactOptional(v.string());
const anyShape: v.GenericSchema<JsonSchema> = v.lazy((value) =>
  typeof value === "boolean" ? v.boolean() : schemaShape
);
const nested = v.exactOptional(anyShape);
const severalShape = v.pipe(v.array(anyShape), v.minLength(1, "an empty list"));
const several = v.exactOptional(severalShape);
const namesShape = v.pipe(
  v.array(v.string()),
  v.check((names) => new Set(names).size === names.length, "names a member twice"),
);

/** An object of known keywords. */
export const schemaShape: v.GenericSchema<SchemaObject> = v.strictObject({
  type: v.exactOptional(typesShape),
  title: text,
  description: text,
  format: text,
  default: v.exactOptional(v.unknown()),
  examples: v.exactOptional(v.array(v.unknown())),
  enum: v.exactOptional(v.pipe(v.array(v.unknown()), v.minLength(1, "an empty list"))),
  const: v.exactOptional(v.unknown()),
  minimum: bound,
  maximum: bound,
  exclusiveMinimum: bound,
  exclusiveMaximum: bound,
  multipleOf: v.exactOptional(v.pipe(v.number(), v.gtValue(0, "not above 0"))),
  minLength: count,
  maxLength: count,
  minItems: count,
  maxItems: count,
  uniqueItems: v.exactOptional(v.boolean()),
  items: nested,
  prefixItems: several,
  minProperties: count,
  maxProperties: count,
  properties: v.exactOptional(v.record(v.string(), anyShape)),
  required: v.exactOptional(namesShape),
  additionalProperties: nested,
  oneOf: several,
  anyOf: several,
  allOf: several,
  not: nested,
});

/** The schema of values like one, where its owner gave none. */
export function schemaOf(example: unknown): SchemaObject {
  if (Array.isArray(example)) return { type: "array" };
  if (example === null) return { type: "null" };
  return { type: typeof example as SchemaType };
}
