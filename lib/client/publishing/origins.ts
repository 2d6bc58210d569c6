/** Where a pinning service can fetch what was just published, as multiaddrs. */
import * as v from "valibot";
import type { Kubo } from "../../ipfs/publish.ts";
import { PROVIDER_HTTP_TIMEOUT_MS } from "../../limits.ts";
import { PUBLISHED_ANSWER_BYTES_MAX } from "../../limits_of_content.ts";
import { readBounded } from "../provider_http.ts";

const idShape = v.object({ Addresses: v.nullable(v.array(v.string())) });

/**
 * The addresses of a Kubo node (`POST /api/v0/id`) that lead to it from elsewhere. None when it
 * does not say: a service asks the whole network anyway.
 */
export async function kuboOrigins({ url, token }: Kubo): Promise<string[]> {
  try {
    const response = await fetch(new URL("api/v0/id", url.endsWith("/") ? url : `${url}/`), {
      method: "POST",
      redirect: "error",
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(PROVIDER_HTTP_TIMEOUT_MS),
    });
    const bytes = await readBounded(response, PUBLISHED_ANSWER_BYTES_MAX);
    const { Addresses } = v.parse(idShape, JSON.parse(new TextDecoder().decode(bytes)));
    return (Addresses ?? []).filter((address) => !isLocal(address));
  } catch {
    return [];
  }
}

/** Nobody else reaches a node there. */
function isLocal(address: string): boolean {
  return /^\/ip4\/127\.|^\/ip6\/::1\/|^\/dns[46]?\/localhost\//.test(address);
}
