/** The owner's environment variables in a spec. */
import * as v from "valibot";
import { SPEC_ENV_MAX, SPEC_ENV_NAME_CHARACTERS_MAX } from "../limits.ts";

/**
 * The meta-variables of RFC 3875 section 4.1, their common companions and our own. A request sets
 * them, so a spec may not: one of the two values would be lost, and where a request sets none, as
 * the owner pays, there is to be none.
 */
const REQUEST_VARIABLES: ReadonlySet<string> = new Set([
  "AUTH_TYPE",
  "CONTENT_LENGTH",
  "CONTENT_TYPE",
  "GATEWAY_INTERFACE",
  "HTTPS",
  "KHACHAPURI_PAYER",
  "PATH_INFO",
  "PATH_TRANSLATED",
  "QUERY_STRING",
  "REMOTE_ADDR",
  "REMOTE_HOST",
  "REMOTE_IDENT",
  "REMOTE_USER",
  "REQUEST_METHOD",
  "REQUEST_SCHEME",
  "REQUEST_URI",
  "SCRIPT_NAME",
  "SERVER_NAME",
  "SERVER_PORT",
  "SERVER_PROTOCOL",
  "SERVER_SOFTWARE",
]);

/**
 * Whether a request sets this variable. `HTTP_PROXY` is not one of them: no header reaches it
 * (httpoxy, CVE-2016-5385), so it stays the owner's to set.
 */
export function isRequestVariable(name: string): boolean {
  return REQUEST_VARIABLES.has(name) || (name.startsWith("HTTP_") && name !== "HTTP_PROXY");
}

/** Why `name=value` can't be an environment variable of a program; null when it can. */
export function environmentFault(name: string, value: string): string | null {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `"${name}" is no variable name`;
  if (name.length > SPEC_ENV_NAME_CHARACTERS_MAX) return `"${name}" is no variable name`;
  if (name === "__proto__") return `"${name}" is no variable name`;
  if (isRequestVariable(name)) return `${name} is set by each request`;
  if (value.includes("\0") || !value.isWellFormed()) return `${name} is not text without NUL`;
  return null;
}

function isRecord(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((entry) => typeof entry === "string");
}

/** Names to values; never shown whole, as the values are the owner's secrets. */
export const environmentShape = v.pipe(
  v.custom<Record<string, string>>(isRecord, "not an object of strings"),
  v.check((env) => Object.keys(env).length <= SPEC_ENV_MAX, `more than ${SPEC_ENV_MAX} variables`),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const [name, value] of Object.entries(dataset.value)) {
      const message = environmentFault(name, value);
      if (message !== null) return addIssue({ message });
    }
  }),
);
