/** An answer as `call --json` and `run --json` print it: one document, whatever bytes came. */
import { Buffer } from "node:buffer";
import type { RunRecord } from "../../sandbox/sandbox.ts";
import type { CallAnswer } from "../client/call.ts";
import type { CurlCommand } from "../client/curl_flags.ts";
import { KhachapuriError } from "../errors.ts";
import { RESPONSE_BYTES_MAX } from "../limits.ts";
import { decodePaymentResponse, PAYMENT_RESPONSE_HEADER } from "../payment_header.ts";
import { RECEIPT_HEADER } from "../receipt.ts";
import type { Output } from "./output.ts";

type Answer = Pick<Response, "status" | "headers" | "body">;
type Wish = Pick<CurlCommand, "output" | "isFailing" | "show">;

/**
 * Prints what a call was answered, its receipt and what it cost.
 * @returns whether it was printed; false when `-f` makes its status a failure
 */
export async function printCallJson(
  out: Output,
  curl: Wish & Pick<CurlCommand, "method">,
  { url, response, paid }: CallAnswer,
): Promise<boolean> {
  const answer = await answerJson(curl, response);
  if (!answer) return false;
  const receipt = response.headers.get(RECEIPT_HEADER);
  out.json({
    url: url.href,
    method: curl.method,
    ...answer,
    receipt: receipt === null ? null : new URL(receipt, url).href,
    paid: paid && { ...costOf(response.headers), payer: paid.payer, price: paid.price },
  });
  return true;
}

/** What the provider says that it charged; nothing where it says nothing. */
function costOf(headers: Headers) {
  const text = headers.get(PAYMENT_RESPONSE_HEADER);
  if (text === null) return { credits: 0n, creditsLeft: null, transaction: null };
  const { chargedCredits, availableCredits, transaction = null } = decodePaymentResponse(text);
  return { credits: chargedCredits, creditsLeft: availableCredits, transaction };
}

/**
 * Prints what a program answered, and how its run ended.
 * @returns whether it was printed; false when `-f` makes its status a failure
 */
export async function printRunJson(
  out: Output,
  curl: Wish,
  response: Answer,
  record: Promise<RunRecord>,
): Promise<boolean> {
  const answer = await answerJson(curl, response);
  const { stderr, ...run } = await record;
  if (answer) out.json({ ...answer, run: { ...run, stderr: new TextDecoder().decode(stderr) } });
  return answer !== null;
}

/** Status, fields and body; null when `-f` makes the status a failure. */
async function answerJson({ output, isFailing, show }: Wish, { status, headers, body }: Answer) {
  if ((isFailing && status >= 400) || show === "head") {
    await body?.cancel();
    return isFailing && status >= 400 ? null : { status, headers: fieldsOf(headers) };
  }
  const head = { status, headers: fieldsOf(headers) };
  const bytes = await bounded(body);
  if (output === null) return { ...head, ...bodyOf(bytes) };
  await Deno.writeFile(output, bytes);
  return { ...head, file: output };
}

/** Each name with its values in order, the way of curl's `%{header_json}`. */
function fieldsOf(headers: Headers): Record<string, string[]> {
  const fields: Record<string, string[]> = {};
  for (const [name, value] of headers) (fields[name] ??= []).push(value);
  return fields;
}

function bodyOf(bytes: Uint8Array): { body: string; isBase64: boolean } {
  try {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { body: strict.decode(bytes), isBase64: false };
  } catch {
    return { body: Buffer.from(bytes).toString("base64"), isBase64: true };
  }
}

/** @throws KhachapuriError `body_too_large` for more than a provider lets a program answer */
async function bounded(body: Answer["body"]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > RESPONSE_BYTES_MAX) {
      const message = `the answer has more than ${RESPONSE_BYTES_MAX} bytes`;
      throw new KhachapuriError("body_too_large", message, { hints: ["call without --json"] });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
