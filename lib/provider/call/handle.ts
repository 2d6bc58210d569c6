/** Answers a call: once, or under an Idempotency-Key as often as it is sent and charged once. */
import { KhachapuriError } from "../../errors.ts";
import { REQUEST_HEADER_BYTES_MAX, REQUEST_TARGET_BYTES_MAX } from "../../limits.ts";
import { readableAs } from "../http/cors.ts";
import type { HeaderField } from "../http/header_rules.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { bodyTooLarge } from "../http/request_body.ts";
import type { DeploymentTarget } from "../http/target.ts";
import { answerRun } from "./answer.ts";
import { announced, type Arrival, Call } from "./call.ts";
import { withDescription } from "./described.ts";
import {
  type Claim,
  fingerprintOf,
  REPLAYED_HEADER,
  type RequestKey,
  requestKey,
  type StoredAnswer,
} from "./idempotency.ts";
import type { CallParts } from "./parts.ts";
import { withCreditsMax } from "./run_credits.ts";

/**
 * Answers a call to a deployment.
 * @throws KhachapuriError for everything that is not the program's answer or failure, and nobody
 * was charged; also when a limit ends a short answer in its middle, which is charged
 */
export async function handleCall(
  parts: CallParts,
  target: DeploymentTarget,
  request: HttpRequest,
): Promise<Answer> {
  assertSizes(request, parts.gate.requestBytes);
  const arrival: Arrival = { target, request };
  const call = await Call.open(parts, arrival);
  try {
    const key = call.bill.source === "caller"
      ? requestKey(request.fields, call.bill, target)
      : null;
    const isKept = key !== null && !(key.isPayment && request.upgrade !== null);
    if (isKept && request.upgrade !== null) throw unkeepable();
    const answer = isKept ? await answerUnderKey(call, key) : await answerOnce(call);
    return readableAs(call.deployment.spec.cors, request.fields, answer);
  } catch (error) {
    call.release();
    throw withDescription(withCreditsMax(error, call.creditsMax), call.deployment.spec);
  }
}

/** In the place of a body's hash, of a request that is answered before all of it is here. */
const BODY_UNREAD = "unread";

async function answerOnce(call: Call): Promise<Answer> {
  const { scheme, bill, arrival: { request, target } } = call;
  // Where it will be refused, it is so before a signature is checked or a body read.
  call.parts.gate.slots.assertRoom(call.deployment, call.bill);
  const admission = await scheme.admit(bill);
  if (call.needsWholeBody()) {
    call.keepBody(await call.parts.gate.readBody(request.body, bill.payer, null));
  }
  const asked = () => ({ digest: fingerprintOf(request, target, BODY_UNREAD, true), key: null });
  const started = await call.start(admission, null, asked);
  return await answerRun(call, started, null);
}

async function answerUnderKey(call: Call, key: RequestKey): Promise<Answer> {
  const { scheme, bill, arrival: { request, target } } = call;
  const { idempotency, readBody } = call.parts.gate;
  let admission: unknown;
  // An answer that is kept is the payer's alone, and its permit may well be used up by now.
  const isKnown = await idempotency.isKnown(key);
  if (!isKnown) call.parts.gate.slots.assertRoom(call.deployment, call.bill);
  if (isKnown) await scheme.prove(bill);
  else admission = await scheme.admit(bill);
  const body = await readBody(request.body, bill.payer, announced(request.fields));
  // The program may read it for as long as it runs, though its answer goes out meanwhile.
  call.keepBody(body);
  let claim: Claim | null = null;
  try {
    const fingerprint = fingerprintOf(request, target, body.sha256, key.isPayment);
    const taken = await idempotency.take(key, fingerprint);
    if ("stored" in taken) {
      call.release();
      return replay(taken.stored);
    }
    claim = taken.claim;
    // What was known came to nothing meanwhile: this is the first run under the key after all.
    if (isKnown) admission = await scheme.admit(bill);
    const asked = () => ({
      digest: fingerprintOf(request, target, body.sha256, true),
      key: key.id,
    });
    const started = await call.start(admission, claim, asked);
    return await answerRun(call, started, claim);
  } catch (error) {
    await claim?.end(false);
    throw error;
  }
}

function unkeepable(): KhachapuriError {
  const problem = "a request with an Idempotency-Key cannot become a WebSocket";
  return new KhachapuriError("invalid_input", problem, {
    hints: ["what goes through a WebSocket is not kept: leave the key away"],
  });
}

function replay({ status, headers, body }: StoredAnswer): Answer {
  const again: HeaderField[] = [
    ...headers,
    [REPLAYED_HEADER.toLowerCase(), "true"],
    ["access-control-expose-headers", REPLAYED_HEADER],
  ];
  return { status, headers: again, body: body.length === 0 ? null : body };
}

/**
 * @param bodyBytesMax what the provider takes
 * @throws KhachapuriError `body_too_large`, `headers_too_large`
 */
export function assertSizes({ fields, path, query }: HttpRequest, bodyBytesMax: number): void {
  let bytes = 0;
  for (const [name, value] of fields.list) bytes += name.length + value.length + 4;
  if (bytes > REQUEST_HEADER_BYTES_MAX) {
    const limit = `request headers have at most ${REQUEST_HEADER_BYTES_MAX} bytes`;
    throw new KhachapuriError("headers_too_large", limit);
  }
  if (path.length + (query === null ? 0 : query.length + 1) > REQUEST_TARGET_BYTES_MAX) {
    const limit = `a request's path and query have at most ${REQUEST_TARGET_BYTES_MAX} bytes`;
    throw new KhachapuriError("headers_too_large", limit);
  }
  if ((announced(fields) ?? 0) > bodyBytesMax) throw bodyTooLarge(bodyBytesMax);
}
