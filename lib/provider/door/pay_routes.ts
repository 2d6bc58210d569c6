/** Paths for a payer with a browser. */
import { documentAnswer } from "../http/document.ts";
import { callIn } from "../http/pay_path.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import type { RouteParts } from "./parts.ts";
import { payPage } from "./pay_page.ts";

/** The payer's page, with the call of `?call=/{cid}/path` filled in. */
export function pay({ offering }: RouteParts, request: HttpRequest): Promise<Answer> {
  return Promise.resolve(documentAnswer(payPage(offering, callIn(request.query))));
}
