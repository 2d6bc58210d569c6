/** Paths for a payer with a browser. */
import { acceptsOf } from "../call/accepts.ts";
import { documentAnswer } from "../http/document.ts";
import { callIn } from "../http/pay_path.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { wantsHtml } from "./front_routes.ts";
import { jsonAnswer } from "./json.ts";
import type { RouteParts } from "./parts.ts";
import { payPage } from "./pay_page.ts";

/**
 * The payer's page, with the call of `?call=/{cid}/path` filled in; in JSON what would be taken
 * now, which is the gas price's to change while the page stands open.
 */
export function pay({ offering, money }: RouteParts, request: HttpRequest): Promise<Answer> {
  if (wantsHtml(request)) {
    const page = payPage(offering, callIn(request.query));
    return Promise.resolve(documentAnswer(page, [["vary", "accept"]]));
  }
  return Promise.resolve(jsonAnswer({ accepts: acceptsOf(money.schemes)({}) }));
}
