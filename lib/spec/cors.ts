/**
 * Which web pages may read a deployment's answers, as its owner signed it (Fetch standard, section
 * "CORS protocol"): so a program need not know of browsers, and preflights need not run it.
 */
import * as v from "valibot";
import {
  CORS_AGE_SECONDS_MAX,
  CORS_NAME_CHARACTERS_MAX,
  CORS_NAMES_MAX,
  CORS_ORIGIN_CHARACTERS_MAX,
  CORS_ORIGINS_MAX,
} from "../limits_of_discovery.ts";
import { parseShape } from "../shape.ts";
import { wholeNumber } from "./whole_number.ts";

/** Every page's. */
export const ANY_ORIGIN = "*";

/** As browsers send it (RFC 6454 section 6.2). */
function isOrigin(text: string): boolean {
  if (text.length > CORS_ORIGIN_CHARACTERS_MAX || !/^https?:\/\/[^*]+$/.test(text)) return false;
  return URL.canParse(text) && new URL(text).origin === text;
}

/** What is meant, where that can be told, as people paste addresses of pages. */
function originFault(text: string): string {
  const isShort = text.length <= CORS_ORIGIN_CHARACTERS_MAX;
  const what = isShort ? `${JSON.stringify(text)} is ` : "";
  const meant = isShort && URL.canParse(text) ? new URL(text).origin : "";
  const write = isOrigin(meant) ? `: write ${meant}` : ", e.g. https://app.example";
  return `${what}not an origin as browsers send it${write}`;
}

const originShape = v.pipe(
  v.string(),
  v.check(isOrigin, ({ input }) => originFault(input)),
);

/** Tokens but "*", which browsers take for all names. */
const namesShape = v.pipe(
  v.array(v.pipe(
    v.string(),
    v.check(
      (name) =>
        name.length <= CORS_NAME_CHARACTERS_MAX && /^[!#$%&'+.^_`|~0-9A-Za-z-]+$/.test(name),
      "not a name (RFC 9110 section 5.6.2)",
    ),
  )),
  v.maxLength(CORS_NAMES_MAX, `more than ${CORS_NAMES_MAX}`),
);

const wildcardShape = v.literal(ANY_ORIGIN, `not "${ANY_ORIGIN}" or a list of origins`);
const listShape = v.pipe(
  v.array(originShape),
  v.minLength(1, "an empty list"),
  v.maxLength(CORS_ORIGINS_MAX, `more than ${CORS_ORIGINS_MAX}`),
);
const originsShape: v.GenericSchema<typeof ANY_ORIGIN | string[]> = v.lazy((value) =>
  Array.isArray(value) ? listShape : wildcardShape
);

export const corsShape = v.strictObject({
  /** "*": those of every page. Never with a browser's credentials. */
  origins: originsShape,
  /** Absent: any that a page asks for. */
  methods: v.exactOptional(namesShape),
  /** Of requests, beside those that payments need. Absent: any that a page asks for. */
  headers: v.exactOptional(namesShape),
  /** Of answers, beside our own. */
  expose: v.exactOptional(namesShape),
  /** How long browsers go by a preflight. */
  maxAgeSeconds: v.exactOptional(wholeNumber(0, CORS_AGE_SECONDS_MAX)),
});

export type Cors = v.InferOutput<typeof corsShape>;

/** @throws KhachapuriError `invalid_input` that names what holds it, and the field */
export function parseCors(json: unknown, what: string): Cors {
  return parseShape(corsShape, json, what, "invalid_input");
}
