/** Paths about names: an owner's change of the register, and what a name points to. */
import { KhachapuriError } from "../../errors.ts";
import { parseNameChange } from "../../spec/name_change.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import type { Names, NameView } from "../naming/names.ts";
import { jsonAnswer, readJson } from "./json.ts";
import type { RouteParts } from "./parts.ts";

export const NAMES_PREFIX = "/names/";

/** Points a name of the register at a deployment of its owner, or gives it up. */
export async function changeName(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const names = namesOf(parts);
  const change = parseNameChange(await readJson(request));
  // Giving a name up takes nothing.
  if (change.cid !== "") parts.gate.welcome.assertOwner(change.owner);
  const view = await names.change(change, request.sender.address);
  const { label, cid, sequence } = change;
  parts.records.log.info("name changed by its owner", { name: label, cid });
  if (view) return jsonAnswer({ ...view, ...urlsOf(parts, view) });
  return jsonAnswer({ name: label, kind: "register", cid: null, sequence: Number(sequence) });
}

/** What a name points to now. */
export async function showName(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const names = namesOf(parts);
  const view = await names.view(nameAsked(request.path), request.sender.address);
  return jsonAnswer({ ...view, ...urlsOf(parts, view) });
}

/** Where the deployment behind a name is called; the host form wants DNS and a certificate. */
function urlsOf({ offering: { webDomain } }: RouteParts, { name, kind }: NameView) {
  const { protocol, host } = new URL(webDomain);
  const url = `${webDomain}/${name}/`;
  return kind === "register" ? { url, hostUrl: `${protocol}//${name}.${host}/` } : { url };
}

/** @throws KhachapuriError `invalid_name` */
function nameAsked(path: string): string {
  try {
    return decodeURIComponent(path.slice(NAMES_PREFIX.length));
  } catch (cause) {
    throw new KhachapuriError("invalid_name", "the name is not spelled in UTF-8", { cause });
  }
}

/** @throws KhachapuriError `not_found` */
function namesOf({ names }: RouteParts): Names {
  if (names) return names;
  throw new KhachapuriError("not_found", "deployments have no names here", {
    hints: ["call a deployment at /{cid}", "provider: names.enabled in config.json"],
  });
}
