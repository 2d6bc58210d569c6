/** Paths for a payer with a browser. */
import { acceptsOf } from "../call/accepts.ts";
import { documentAnswer } from "../http/document.ts";
import { exampleCall, withQuery } from "../http/example_call.ts";
import { callIn } from "../http/pay_path.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { wantsHtml } from "./front_routes.ts";
import { jsonAnswer } from "./json.ts";
import type { RouteParts } from "./parts.ts";
import { payPage } from "./pay_page.ts";
import { aboutCalled } from "./public_about.ts";

/**
 * The payer's page, with the call of `?call=/{cid}/path` filled in as its owner shows it; in JSON
 * what would be taken now, which is the gas price's to change while the page stands open.
 */
export async function pay(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { offering, money } = parts;
  const accepts = acceptsOf(money.schemes)({});
  if (!wantsHtml(request)) return jsonAnswer({ accepts });
  const call = callIn(request.query);
  const example = exampleCall(await aboutCalled(parts, call, request));
  const page = payPage(offering, accepts, { call: withQuery(call, example), example });
  return documentAnswer(page, [["vary", "accept"]]);
}
