/** Asking a relayer what it takes to send a payer's message, and to send one. */
import { messageToJson, type SignedMessage } from "../chain/payer_message.ts";
import {
  offerFromJson,
  type Relayed,
  relayedFromJson,
  type RelayOffer,
} from "../chain/relay_offer.ts";
import { PROVIDER_JSON_BYTES_MAX, RELAY_TIMEOUT_MS } from "../limits.ts";
import { parseJson } from "../shape.ts";
import { askProvider } from "./provider_http.ts";

const PATH = "/relay";

/**
 * On which terms a relayer sends messages.
 * @param webDomain its URL without a trailing slash
 * @throws KhachapuriError as `askProvider`: `not_found` where it sends none
 */
export async function askRelayOffer(
  webDomain: string,
  request: typeof fetch = fetch,
): Promise<RelayOffer> {
  const bytesMax = PROVIDER_JSON_BYTES_MAX;
  return offerFromJson(
    jsonOf(await askProvider({ webDomain, path: PATH, bytesMax, fetch: request })),
  );
}

/**
 * Has a message sent. What the relayer answers is its word: the chain knows better.
 * @throws KhachapuriError as `askProvider`: the relayer's refusal with its code
 */
export async function askToRelay(
  webDomain: string,
  signed: SignedMessage,
  request: typeof fetch = fetch,
): Promise<Relayed> {
  const answer = await askProvider({
    webDomain,
    path: PATH,
    body: messageToJson(signed),
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    timeoutMs: RELAY_TIMEOUT_MS,
    fetch: request,
  });
  return relayedFromJson(jsonOf(answer));
}

function jsonOf(bytes: Uint8Array): unknown {
  const text = new TextDecoder().decode(bytes);
  return parseJson(text, "the relayer's answer", "provider_unavailable");
}
