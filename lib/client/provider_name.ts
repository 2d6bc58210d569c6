/** The name that a provider's front page says is its own; only the chain can confirm it. */
import * as v from "valibot";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { parseJson, parseShape } from "../shape.ts";
import { askProvider } from "./provider_http.ts";

const pageShape = v.object({ name: v.pipe(v.string(), v.nonEmpty()) });

/**
 * Asks whoever serves at a URL for its name. What is signed goes by the record of that name, which
 * has to name the same URL (`callDeployment`).
 * @throws KhachapuriError `provider_unavailable`
 */
export async function fetchProviderName(
  webDomain: string,
  options: { fetch?: typeof fetch; signal?: AbortSignal } = {},
): Promise<string> {
  const headers = { accept: "application/json" };
  const bytesMax = PROVIDER_JSON_BYTES_MAX;
  const bytes = await askProvider({ webDomain, path: "/", bytesMax, headers, ...options });
  const what = `${webDomain} is no Khachapuri provider`;
  const page = parseJson(new TextDecoder().decode(bytes), what, "provider_unavailable");
  return parseShape(pageShape, page, what, "provider_unavailable").name;
}
