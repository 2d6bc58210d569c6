/** Paths of content that is kept here, for whoever asks. */
import { formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { parseContentCid } from "../../ipfs/content_cid.ts";
import { CONTENT_PREFIX } from "../content/gateway_request.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import type { RouteParts } from "./parts.ts";
import { carriesPush, signedPush } from "./push_routes.ts";

/**
 * A block, or a CAR of what a path leads to; a provider that gives none out has none. An owner that
 * signs for a root it has kept reads that one before any deployment uses it.
 */
export async function content(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { gateway, ofOwner } = parts.content;
  if (gateway !== null) {
    const [asked = ""] = request.path.slice(CONTENT_PREFIX.length).split("/");
    parts.gate.welcome.assertDeployment(formatCid(parseContentCid(asked)));
    if (!carriesPush(request.fields)) return await gateway.answer(request);
    const { owner, root } = await signedPush(parts, request);
    return await gateway.answer(request, ofOwner(owner, root));
  }
  throw new KhachapuriError("not_found", "this provider gives out no content");
}
