/** `deno task docs`: writes docs/exit-codes.md from the table in lib/errors.ts. */
import { fileURLToPath } from "node:url";
import { EXIT_KINDS } from "../lib/cli/exit_kinds.ts";
import { type ErrorCode, errorTable } from "../lib/errors.ts";

export const EXIT_CODES_PATH = fileURLToPath(new URL("../docs/exit-codes.md", import.meta.url));

const MEANINGS: Readonly<Record<ErrorCode, string>> = {
  usage: "the command line or the request is not one we understand",
  invalid_config: "config.json is wrong or lacks something",
  invalid_input: "a value or a file is malformed",
  invalid_cid: "not a cid that we take: v0 or v1, sha2-256, raw or dag-pb",
  invalid_spec: "the deployment spec is malformed, or contradicts itself",
  invalid_program: "the program's zip is malformed or dangerous",
  invalid_name: "not a valid ENS name",
  invalid_signature: "a signature is not the one it should be",
  body_too_large: "the body is over the limit",
  headers_too_large: "headers or URL are over the limit",
  not_acceptable: "content is given in no form that was asked for",
  not_cached: "what was asked for only if it is kept here is not",
  method_not_allowed: "this path takes other methods",
  not_found: "there is nothing of this name, path or cid",
  file_unusable: "a file is a folder, its disk is full, or the like",
  stopped: "the deployment was stopped by its owner",
  misdirected: "the deployment is not for this provider",
  name_conflict: "the name is another's, or was changed meanwhile; `sequence` says how often",
  name_unavailable: "no name server, or no chain, says what the name points to",
  payment_required: "nobody pays for this call; the body says what is missing",
  terms_refused: "the signed terms are not among those that the provider lists",
  untrusted_escrow: "the provider names an escrow that this client does not know",
  idempotency_conflict: "the same idempotent request is still running",
  idempotency_mismatch: "the idempotency key belongs to another request",
  access_denied: "this account, key or caller may not do that",
  denied: "the provider does not serve this owner, deployment, payer or network; nothing charged",
  insecure_key_file: "the key file can be used by others",
  rate_limited: "too many calls; Retry-After says when",
  overloaded: "the provider is full; Retry-After says when",
  chain_unavailable: "the chain's RPC can't be reached or fails",
  chain_refused: "the contract refused; `reason` names its error",
  database_unavailable: "the provider's PostgreSQL cannot be reached or takes no writes",
  ipfs_unavailable: "no gateway delivered the content",
  ipfs_mismatch: "a gateway delivered other bytes than the cid names",
  sandbox_unavailable: "programs can't be run safely on this machine now",
  provider_unavailable: "the provider can't be reached",
  no_certificate: "the authority gives no certificate; what it said is in the message",
  not_implemented: "the request asks for a part of HTTP that is not served here",
  program_failed: "the program failed without an answer, or answered nonsense",
  program_timeout: "the program took too long",
  program_limit: "the program hit a limit, which `limit` names",
  internal: "a bug in Khachapuri",
};

/** A Markdown table with its columns aligned, as `deno fmt` wants it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [head, widths.map((width) => "-".repeat(width)), ...rows].map(line).join("\n");
}

/** The page as it should stand in docs/. */
export function exitCodesPage(): string {
  const rows = errorTable().map((
    { code, status, exit },
  ) => [`\`${code}\``, String(status), String(exit), MEANINGS[code]]);
  return `# Errors: codes, HTTP statuses, exit codes

Written by \`deno task docs\` from \`lib/errors.ts\`; don't edit.

A failure has one stable code. A provider answers it with an HTTP status and the JSON
\`{ "error": code, "message": …, "hints": […] }\`; the command line prints message and hints to
stderr, under \`--json\` the same JSON to stdout, and exits with the code's kind:

${table(["exit", "kind"], Object.entries(EXIT_KINDS))}

${table(["code", "HTTP", "exit", "meaning"], rows)}
`;
}

if (import.meta.main) await Deno.writeTextFile(EXIT_CODES_PATH, exitCodesPage());
