/** Parsing outside data into types, with errors that name the field. */
import * as v from "valibot";
import { type Address, getAddress, type Hex, isAddress } from "viem";
import { type ErrorCode, KhachapuriError } from "./errors.ts";

/** A 20-byte address, returned with its EIP-55 checksum. */
export const addressShape = v.pipe(
  v.string(),
  v.check((text) => isAddress(text, { strict: false }), "not an Ethereum address"),
  v.transform((text): Address => getAddress(text)),
);

/** 0x-prefixed bytes of exactly `bytes` length, in lower case. */
export function hexShape(bytes: number) {
  return v.pipe(
    v.string(),
    v.regex(new RegExp(`^0x[0-9a-fA-F]{${bytes * 2}}$`), `not ${bytes} bytes of 0x-hex`),
    v.transform((text): Hex => text.toLowerCase() as Hex),
  );
}

/**
 * An unsigned integer of `bits` bits as a decimal string, the way x402 writes amounts.
 * @param what it counts, for whoever writes a number in its place
 */
export function uintShape(bits: number, what = "a whole number") {
  return v.pipe(
    v.string(`not ${what} as a text, e.g. "10000"`),
    v.regex(/^(0|[1-9][0-9]{0,77})$/, "not a decimal integer"),
    v.transform((text) => BigInt(text)),
    v.check((value) => value < 1n << BigInt(bits), `does not fit ${bits} bits`),
  );
}

/** USDC base units. */
export const usdcUnitsShape = uintShape(128, "USDC base units");

/** A time in ISO 8601 with its zone, as Unix seconds. */
export const timeShape = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/, "not a time as 2030-01-01T00:00:00Z"),
  v.transform((text) => Date.parse(text) / 1_000),
  v.number("not a time as 2030-01-01T00:00:00Z"),
  v.transform((seconds) => BigInt(Math.floor(seconds))),
);

/** An absolute http or https URL. */
export const httpUrlShape = v.pipe(
  v.string(),
  v.check((text) => /^https?:\/\//.test(text) && URL.canParse(text), "not an http(s) URL"),
);

/** A place to listen at: host and port. */
export const placeShape = v.pipe(
  v.string(),
  v.check(
    (text) => /^(?:\[[0-9a-fA-F:.]+\]|[^:\s]+):[0-9]{1,5}$/.test(text),
    'not host:port, as "0.0.0.0:80"',
  ),
);

/**
 * Checks `value` against `schema`.
 * @param what names the document in the message, e.g. "spec"
 * @throws KhachapuriError `code`, naming the first offending field
 */
export function parseShape<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  what: string,
  code: ErrorCode,
): v.InferOutput<S> {
  // valibot takes an array for an object whose fields are all optional.
  if (Array.isArray(value) && /object/.test(schema.type)) {
    throw new KhachapuriError(code, `${what}: it is a list, not an object`);
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue);
  if (issue.type === "strict_object" && issue.expected === "never") {
    throw new KhachapuriError(code, `${what}: unknown field ${path}`);
  }
  if (path && issue.received === "undefined") {
    throw new KhachapuriError(code, `${what}: ${path} is missing`);
  }
  throw new KhachapuriError(code, `${what}: ${path ? `${path}: ` : ""}${wordsOf(issue)}`);
}

/** By valibot's name of what is expected. */
const NOT: Readonly<Record<string, string>> = {
  Array: "not a list",
  Object: "not an object",
  string: "not a text",
  number: "not a number",
  boolean: "not true or false",
};

/** Valibot's own words are for those who know its types. */
function wordsOf({ message, expected }: v.BaseIssue<unknown>): string {
  return message.startsWith("Invalid type:") ? NOT[expected ?? ""] ?? message : message;
}

/**
 * Parses JSON text from outside.
 * @throws KhachapuriError `code` when it is not JSON, with where, and nothing of what it says
 */
export function parseJson(text: string, what: string, code: ErrorCode): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KhachapuriError(code, `${what}: not valid JSON${placeOf(text, cause)}`, { cause });
  }
}

function placeOf(text: string, cause: unknown): string {
  if (text.trim() === "") return ": it is empty";
  if (/^\s*</.test(text)) return ": it looks like a web page";
  const [, line, column] = /\(line (\d+) column (\d+)\)/.exec((cause as Error).message) ?? [];
  return line === undefined ? "" : `: see line ${line}, column ${column}`;
}
