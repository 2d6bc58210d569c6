/** What the gateway says of content beside its bytes. */
import { createHash } from "node:crypto";
import { type CID, formatCid } from "../../cid.ts";
import type { FieldReader } from "../http/fields.ts";
import type { HeaderField } from "../http/header_rules.ts";
import { CAR_TYPE, RAW_TYPE } from "./gateway_accept.ts";
import { CONTENT_PREFIX, type ContentForm, type ContentRequest } from "./gateway_request.ts";

/** A cid's content never changes: 48 weeks, as the specification has it. */
const CACHING = "public, max-age=29030400, immutable";
const EXPOSED = "Content-Disposition, Content-Location, ETag, X-Ipfs-Path, X-Ipfs-Roots";

/** @param roots the root, and what each name of the path leads to */
export function contentHeaders(asked: ContentRequest, roots: readonly CID[]): HeaderField[] {
  const { form, rootText, names } = asked;
  const path = [rootText, ...names.map(encodeURIComponent)].join("/");
  const name = `${formatCid(roots.at(-1)!)}.${form.format === "raw" ? "bin" : "car"}`;
  return [
    ["content-type", typeOf(form)],
    ["content-disposition", `attachment; filename="${name}"`],
    ["content-location", `${CONTENT_PREFIX}${path}?${queryOf(form)}`],
    ["etag", etagOf(asked)],
    ["cache-control", CACHING],
    ["vary", "accept"],
    ["x-ipfs-path", `${CONTENT_PREFIX}${path}`],
    ["x-ipfs-roots", roots.map(formatCid).join(",")],
    ["x-content-type-options", "nosniff"],
    ["accept-ranges", "none"],
    ["access-control-expose-headers", EXPOSED],
  ];
}

/** The same for one reader: whoever stores answers for many would give it to others. */
export function notStored(headers: readonly HeaderField[]): HeaderField[] {
  return headers.map(([name, value]) => [name, name === "cache-control" ? "no-store" : value]);
}

/** Whether the reader has the answer already (RFC 9110 section 13.1.2). */
export function hasAlready(asked: ContentRequest, fields: FieldReader): boolean {
  const known = fields.get("if-none-match");
  if (known === null) return false;
  const opaque = (tag: string) => tag.trim().replace(/^W\//, "");
  return known.split(",").some((tag) =>
    tag.trim() === "*" || opaque(tag) === opaque(etagOf(asked))
  );
}

/**
 * A block has one form. A CAR's tag is weak: another gateway may put the same blocks into another
 * order. It names all that makes it another answer.
 */
function etagOf({ root, names, form }: ContentRequest): string {
  if (form.format === "raw") return `"${formatCid(root)}.raw"`;
  const { scope, range, hasDuplicates } = form;
  const parts = [
    range ? `${scope}-${rangeText(range)}` : scope,
    formatCid(root),
    ...(names.length > 0 ? [digestOf(names)] : []),
    `car-${hasDuplicates ? "y" : "n"}`,
  ];
  return `W/"${parts.join(".")}"`;
}

function digestOf(names: readonly string[]): string {
  const path = names.map(encodeURIComponent).join("/");
  return createHash("sha256").update(path).digest("hex").slice(0, 32);
}

function typeOf(form: ContentForm): string {
  if (form.format === "raw") return RAW_TYPE;
  return `${CAR_TYPE}; version=1; order=dfs; dups=${form.hasDuplicates ? "y" : "n"}`;
}

/** The request for this very answer, whatever is accepted. */
function queryOf(form: ContentForm): string {
  if (form.format === "raw") return "format=raw";
  const { scope, range, hasDuplicates } = form;
  const entity = range ? `&entity-bytes=${rangeText(range)}` : "";
  const signals = `car-version=1&car-order=dfs&car-dups=${hasDuplicates ? "y" : "n"}`;
  return `format=car&dag-scope=${scope}${entity}&${signals}`;
}

function rangeText({ from, to }: { from: number; to: number | null }): string {
  return `${from}:${to ?? "*"}`;
}
