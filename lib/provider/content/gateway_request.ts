/** What is asked for (https://specs.ipfs.tech/http-gateways/trustless-gateway/). */
import type { CID } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { parseRange } from "../../ipfs/byte_range.ts";
import { parseContentCid } from "../../ipfs/content_cid.ts";
import type { DagScope } from "../../ipfs/dag_scope.ts";
import type { WalkOptions } from "../../ipfs/dag_walk.ts";
import { CONTENT_PATH_SEGMENTS_MAX } from "../../limits_of_content.ts";
import type { HttpRequest } from "../http/request.ts";
import { preferredForm } from "./gateway_accept.ts";

/** What all paths to content begin with. */
export const CONTENT_PREFIX = "/ipfs/";

export interface ContentRequest {
  readonly root: CID;
  /** The root as the request spells it. */
  readonly rootText: string;
  /** Names in folders, decoded; none may be empty. */
  readonly names: readonly string[];
  readonly form: ContentForm;
}

export type ContentForm = { readonly format: "raw" } | ({ readonly format: "car" } & WalkOptions);

/** What gateways may offer beside: content that its reader could not check. */
const DESERIALISED = ["json", "cbor", "dag-json", "dag-cbor", "tar", "ipns-record"];
const SCOPES: readonly DagScope[] = ["block", "entity", "all"];
const HINTS = [
  "ask with ?format=raw for one block, or ?format=car for a path and all below it",
  "or with Accept: application/vnd.ipld.raw, or application/vnd.ipld.car",
];

/** @throws KhachapuriError `invalid_cid`, `not_found`, `invalid_input`, `not_acceptable` */
export function readContentRequest(
  { path, query, fields }: Pick<HttpRequest, "path" | "query" | "fields">,
): ContentRequest {
  const [rootText = "", ...segments] = path.slice(CONTENT_PREFIX.length).split("/");
  const root = parseContentCid(rootText);
  const names = segments.filter((segment) => segment !== "").map(decodeSegment);
  if (names.length > CONTENT_PATH_SEGMENTS_MAX) {
    throw invalid(`a path has at most ${CONTENT_PATH_SEGMENTS_MAX} names`);
  }
  const form = formOf(new URLSearchParams(query ?? ""), fields.get("accept"));
  if (form.format === "raw" && names.length > 0) {
    throw invalid("a block is had by its own cid, without a path", [
      "ask with ?format=car&dag-scope=block, which proves what the path leads to",
    ]);
  }
  return { root, rootText, names, form };
}

/** Octets that are no UTF-8 name nothing: names in folders are. */
function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw invalid(`${JSON.stringify(segment)} in the path is not percent-encoded UTF-8`);
  }
}

function formOf(query: URLSearchParams, accept: string | null): ContentForm {
  const format = query.get("format");
  if (format !== null && format !== "raw" && format !== "car") throw otherFormat(format);
  const taken = accept === null ? null : preferredForm(accept);
  if (format === null && taken === null) throw noForm(accept);
  if ((format ?? taken!.format) === "raw") return { format: "raw" };
  const bytes = query.get("entity-bytes");
  const scope = oneOf("dag-scope", query.get("dag-scope") ?? "all", SCOPES);
  oneOf("car-version", query.get("car-version") ?? "1", ["1"]);
  oneOf("car-order", query.get("car-order") ?? "dfs", ["dfs", "unk"]);
  const duplicates = oneOf("car-dups", query.get("car-dups") ?? "", ["y", "n", ""]);
  return {
    format: "car",
    scope: bytes === null ? scope : "entity",
    range: bytes === null ? null : parseRange(bytes),
    hasDuplicates: duplicates === "" ? taken?.hasDuplicates ?? false : duplicates === "y",
  };
}

function oneOf<Value extends string>(name: string, text: string, values: readonly Value[]): Value {
  const value = values.find((one) => one === text);
  if (value !== undefined) return value;
  const known = values.filter((one) => one !== "").join(", ");
  throw invalid(`${name} is ${JSON.stringify(text)}, and may be: ${known}`);
}

function otherFormat(format: string): KhachapuriError {
  if (DESERIALISED.includes(format)) return notAcceptable(`as ${format}`);
  return invalid(`format is ${JSON.stringify(format)}, and may be: raw, car`);
}

function noForm(accept: string | null): KhachapuriError {
  if (accept !== null) return notAcceptable("in a form that you accept");
  return invalid("the request says neither format nor Accept", HINTS);
}

function notAcceptable(how: string): KhachapuriError {
  const message = `content is not given ${how}: only what its reader can check by the cid`;
  return new KhachapuriError("not_acceptable", message, { hints: HINTS });
}

function invalid(message: string, hints: readonly string[] = []): KhachapuriError {
  return new KhachapuriError("invalid_input", message, { hints });
}
