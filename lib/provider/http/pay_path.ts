/** Where a payer's page is, which the front page, cards and 402s lead to. */

import { PREFILLED_CALL_CHARACTERS_MAX } from "../../limits.ts";

export const PAY_PATH = "/pay";

/** The page with a call filled in. @param call path and query, as `/{cid}/path?query` */
export function payPath(call: string): string {
  return `${PAY_PATH}?call=${encodeURIComponent(call)}`;
}

/** The call that a query asks to fill in; "" for what can be none of ours. */
export function callIn(query: string | null): string {
  const call = new URLSearchParams(query ?? "").get("call") ?? "";
  const isOurs = /^\/(?!\/)[\x21-\x7e]+$/.test(call) && !call.includes("\\");
  return isOurs && call.length <= PREFILLED_CALL_CHARACTERS_MAX ? call : "";
}
