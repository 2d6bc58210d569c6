/**
 * What an owner says in public of a deployment, whose spec is otherwise for its providers alone:
 * for lists of what can be called here (OpenAPI), and for whoever is asked to pay (x402's bazaar).
 * It says what both of them can.
 */
import * as v from "valibot";
import {
  ABOUT_BYTES_MAX,
  ABOUT_DEPTH_MAX,
  ABOUT_DESCRIPTION_CHARACTERS_MAX,
  ABOUT_TAG_CHARACTERS_MAX,
  ABOUT_TAGS_MAX,
  ABOUT_TYPE_CHARACTERS_MAX,
} from "../limits_of_discovery.ts";
import { parseShape } from "../shape.ts";
import { schemaShape } from "./json_schema.ts";
import { jsonBytes, jsonFault } from "./json_value.ts";

/** Of those that OpenAPI and the bazaar know; parameters of the first three are in the URL. */
const METHODS = ["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH"] as const;
export type AboutMethod = typeof METHODS[number];
const WITHOUT_BODY: ReadonlySet<AboutMethod> = new Set(["GET", "HEAD", "DELETE"]);

/** Where nothing is said: programs take what is posted to them. */
export const ABOUT_METHOD_DEFAULT: AboutMethod = "POST";

/** RFC 6838 section 4.2, without parameters. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/;
const WORDS: Readonly<Record<string, string>> = {
  json: "application/json",
  text: "text/plain",
  "form-data": "multipart/form-data",
};
/** The input of a request without a body: parameters of its URL. */
const QUERY = "query";

const typeShape = v.pipe(
  v.string(),
  v.check(
    (type) =>
      type === QUERY || Object.hasOwn(WORDS, type) ||
      (type.length <= ABOUT_TYPE_CHARACTERS_MAX && MEDIA_TYPE.test(type)),
    "not query, json, text, form-data or a media type in lower case",
  ),
);

const contentShape = v.strictObject({
  type: typeShape,
  example: v.exactOptional(v.unknown()),
  schema: v.exactOptional(schemaShape),
});

const isObject = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a caller sends. Without an example nobody could show a call that is right. */
const inputShape = v.pipe(
  contentShape,
  v.forward(
    v.check(
      ({ type, example }) => type.includes("/") || example !== undefined,
      "is missing: show what to send",
    ),
    ["example"],
  ),
  v.forward(
    v.check(
      ({ type, example }) => type !== "text" || typeof example === "string",
      'not a text, as its type is "text"',
    ),
    ["example"],
  ),
  v.forward(
    v.check(
      ({ type, example }) => !(type === QUERY || type === "form-data") || isObject(example),
      "not an object of names and values",
    ),
    ["example"],
  ),
);

const outputShape = v.pipe(
  contentShape,
  v.forward(v.check(({ type }) => type !== QUERY, "an answer is no query"), ["type"]),
);

const descriptionShape = v.pipe(
  v.string(),
  v.check((text) => text.trim() !== "", "is empty"),
  v.check(
    (text) => [...text].length <= ABOUT_DESCRIPTION_CHARACTERS_MAX,
    `longer than ${ABOUT_DESCRIPTION_CHARACTERS_MAX} characters`,
  ),
  v.check((text) => !/\p{Cc}/u.test(text), "holds control characters"),
);

const tagsShape = v.pipe(
  v.array(v.pipe(
    v.string(),
    v.check(
      (tag) => /^[\x20-\x7e]+$/.test(tag) && tag.length <= ABOUT_TAG_CHARACTERS_MAX,
      `not 1 to ${ABOUT_TAG_CHARACTERS_MAX} printable ASCII characters`,
    ),
  )),
  v.maxLength(ABOUT_TAGS_MAX, `more than ${ABOUT_TAGS_MAX}`),
  v.check(
    (tags) => new Set(tags.map((tag) => tag.toLowerCase())).size === tags.length,
    "names a tag twice",
  ),
);

const fieldsShape = v.pipe(
  v.strictObject({
    description: descriptionShape,
    method: v.exactOptional(v.picklist(METHODS, `not one of ${METHODS.join(", ")}`)),
    input: v.exactOptional(inputShape),
    output: v.exactOptional(outputShape),
    tags: v.exactOptional(tagsShape),
  }),
  v.forward(
    v.check(
      ({ method, input }) => !input || !WITHOUT_BODY.has(methodOf({ method })) === hasBody(input),
      'requests by GET, HEAD and DELETE have a "query", and only they',
    ),
    ["input"],
  ),
);

/** What is public of a deployment. */
export const aboutShape = v.pipe(
  v.unknown(),
  v.rawCheck(({ dataset, addIssue }) => {
    const { value } = dataset;
    const fault = isObject(value) ? jsonFault(value, ABOUT_DEPTH_MAX) : "not an object";
    if (fault !== null) return addIssue({ message: fault });
    const bytes = jsonBytes(value);
    if (bytes > ABOUT_BYTES_MAX) {
      addIssue({ message: `${bytes} bytes as JSON, of at most ${ABOUT_BYTES_MAX}` });
    }
  }),
  fieldsShape,
);

export type About = v.InferOutput<typeof aboutShape>;
export type AboutContent = v.InferOutput<typeof contentShape>;

/** By which it is called. */
export function methodOf({ method }: { method?: AboutMethod | undefined }): AboutMethod {
  return method ?? ABOUT_METHOD_DEFAULT;
}

/** Whether what a caller sends stands in its request's body; else it does in the URL. */
export function hasBody({ type }: Pick<AboutContent, "type">): boolean {
  return type !== QUERY;
}

/** Whether requests of the method have no body. */
export function isBodiless(method: AboutMethod): boolean {
  return WITHOUT_BODY.has(method);
}

/** The media type of what is sent or answered. */
export function mediaTypeOf({ type }: Pick<AboutContent, "type">): string {
  return Object.hasOwn(WORDS, type) ? WORDS[type]! : type;
}

/** @throws KhachapuriError `invalid_input` that names what holds it, and the field */
export function parseAbout(json: unknown, what: string): About {
  return parseShape(aboutShape, json, what, "invalid_input");
}
