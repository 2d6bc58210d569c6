/** `POST /ipfs`: an owner has content kept here. `HEAD /ipfs`: how much of it is here already. */
import { KhachapuriError } from "../../errors.ts";
import { isPushValid, parsePushAuthorization, type Push, PUSH_SCHEME } from "../../spec/push.ts";
import { timeText } from "../../time_text.ts";
import { announced } from "../call/call.ts";
import type { Fields } from "../http/fields.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { jsonAnswer } from "./json.ts";
import type { RouteParts } from "./parts.ts";

export const PUSH_PATH = "/ipfs";

const CAR_TYPE = "application/vnd.ipld.car";
const OFFSET_FIELD = "upload-offset";

/** Takes a CAR, or the rest of one; 201 once it is kept, 200 when it was here already. */
export async function push(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const ingest = ingestOf(parts);
  const { fields, body, sender } = request;
  assertCar(fields);
  const signed = await signedPush(parts, request);
  parts.gate.welcome.assertOwner(signed.owner);
  parts.content.pushes.admitOwner(signed.owner);
  const receipt = await ingest.take(signed, {
    body,
    offset: offsetAsked(fields),
    bodyBytes: announced(fields),
    from: sender.address,
  });
  const { root, bytes, keptUntil, quota, isNew } = receipt;
  if (isNew) parts.records.log.info("content is kept for an owner", { root, bytes });
  return jsonAnswer({ root, bytes, keptUntil: timeText(keptUntil), quota }, isNew ? 201 : 200);
}

/** From where a push that broke off goes on. */
export async function pushOffset(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const ingest = ingestOf(parts);
  const offset = await ingest.offset(await signedPush(parts, request), request.sender.address);
  return {
    status: 200,
    headers: [
      [OFFSET_FIELD, String(offset)],
      ["access-control-expose-headers", OFFSET_FIELD],
      ["cache-control", "no-store"],
    ],
    body: null,
  };
}

function ingestOf({ content: { ingest } }: RouteParts) {
  if (ingest) return ingest;
  throw new KhachapuriError("not_found", "no content is kept here for owners", {
    hints: ["publish it elsewhere: deploy --kubo URL, or --out DIR"],
  });
}

/** Whether somebody reads as an owner: other schemes are another's, and mean nothing here. */
export function carriesPush(fields: Fields): boolean {
  const scheme = (fields.get("authorization") ?? "").split(" ")[0]!;
  return scheme.toLowerCase() === PUSH_SCHEME.toLowerCase();
}

/**
 * What an owner has signed, whose network was admitted before.
 * @throws KhachapuriError `rate_limited`, `invalid_input`, `invalid_signature`
 */
export async function signedPush(
  { seller: { provider, chainId, escrow }, records, content }: RouteParts,
  { fields, sender }: HttpRequest,
): Promise<Push> {
  content.pushes.admitNetwork(sender.address);
  const push = parsePushAuthorization(fields.get("authorization"));
  const nowSeconds = BigInt(Math.floor(records.now() / 1_000));
  if (await isPushValid(push, { provider, chainId, escrow }, nowSeconds)) return push;
  throw new KhachapuriError("invalid_signature", "this is not the owner's signature", {
    hints: ["sign it for this provider, chain and escrow; check that the clocks agree"],
  });
}

function assertCar(fields: Fields): void {
  const [type = ""] = (fields.get("content-type") ?? "").split(";");
  if (type.trim().toLowerCase() !== CAR_TYPE) {
    throw new KhachapuriError("invalid_input", `content-type is to be ${CAR_TYPE}`);
  }
  if (fields.has("content-encoding")) {
    throw new KhachapuriError("invalid_input", "a CAR comes as it is, without content-encoding");
  }
}

function offsetAsked(fields: Fields): number {
  const text = fields.get(OFFSET_FIELD) ?? "0";
  if (/^(0|[1-9][0-9]{0,14})$/.test(text)) return Number(text);
  throw new KhachapuriError("invalid_input", `${OFFSET_FIELD} is not a whole number`);
}
