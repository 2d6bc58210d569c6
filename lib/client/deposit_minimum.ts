/** The least that a deposit must lock for a provider to send it, as its front page says. */
import * as v from "valibot";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { offersIn } from "../payment_header.ts";
import { parseJson, parseShape } from "../shape.ts";
import { askProvider } from "./provider_http.ts";

const pageShape = v.object({ accepts: v.unknown() });

/**
 * @returns USDC base units; null where none is relayed
 * @throws KhachapuriError `provider_unavailable`
 */
export async function fetchDepositMinimum(
  webDomain: string,
  options: { fetch?: typeof fetch } = {},
): Promise<bigint | null> {
  const headers = { accept: "application/json" };
  const bytesMax = PROVIDER_JSON_BYTES_MAX;
  const bytes = await askProvider({ webDomain, path: "/", bytesMax, headers, ...options });
  const what = `${webDomain}/`;
  const page = parseJson(new TextDecoder().decode(bytes), what, "provider_unavailable");
  const { accepts } = parseShape(pageShape, page, what, "provider_unavailable");
  const [offer] = offersIn(accepts, what, "provider_unavailable");
  return offer?.depositMinimum ?? null;
}
