/** An answer as `call --json` and `run --json` print it: one document, whatever bytes came. */
import { Buffer } from "node:buffer";
import type { RunRecord } from "../../sandbox/sandbox.ts";
import type { CurlCommand } from "../client/curl_command.ts";
import { decodedBody } from "../client/curl_decode.ts";
import { type Exchange, transfer, type Transferred } from "../client/curl_transfer.ts";
import { type CurlUrl, formatCurlUrl } from "../client/curl_url.ts";
import type { RunCost } from "../client/run_receipt.ts";
import { KhachapuriError } from "../errors.ts";
import { type FileSink, openSink } from "../files.ts";
import { JSON_ANSWER_BYTES_MAX } from "../limits.ts";
import { decodePaymentResponse, PAYMENT_RESPONSE_HEADER } from "../payment_header.ts";
import type { UnsignedPermit } from "../permit.ts";
import { RECEIPT_HEADER } from "../receipt.ts";
import type { Output } from "./output.ts";

/**
 * Makes the transfer and prints the last answer, with what else is to be said of it.
 * @throws KhachapuriError `usage` for flags that print in their own way; `program_failed` when -f
 *   makes its status a failure; `body_too_large`
 */
export async function transferToJson(
  out: Output,
  curl: CurlCommand,
  url: CurlUrl,
  exchange: Exchange,
  facts: (done: Transferred) => object | Promise<object>,
): Promise<Transferred> {
  const { print } = curl;
  if (print.writeOut !== null || print.dumpHeader !== null) {
    throw new KhachapuriError("usage", "-w and -D print in their own way: --json says it all");
  }
  await using file = print.output === null ? null : await openSink(print.output);
  const done = await transfer(curl, url, exchange, {
    onAnswer: () => Promise.resolve(),
    onRetry: (why, waitMs) => out.note(`${why}: trying again in ${waitMs / 1_000} s`),
  });
  const { request, answer: { status, fields } } = done;
  const isFailure = print.failure !== null && status >= 400;
  if (isFailure && print.failure === "without body") {
    await done.answer.body.cancel();
    throw failed(status);
  }
  const body = file ? await written(curl, done, file) : textOf(await wholeBody(curl, done));
  out.json({
    url: formatCurlUrl(request.url),
    method: request.method,
    status,
    headers: valuesByName(fields),
    ...body,
    ...await facts(done),
  });
  if (isFailure) throw failed(status);
  return done;
}

function failed(status: number): KhachapuriError {
  const data = { status };
  return new KhachapuriError("program_failed", `the answer was ${status}`, { data });
}

/** @throws KhachapuriError `body_too_large` for more than a document takes */
async function wholeBody(
  curl: CurlCommand,
  done: Transferred,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of bodyOf(curl, done)) {
    size += chunk.length;
    if (size > JSON_ANSWER_BYTES_MAX) {
      const message = `the answer has more than ${JSON_ANSWER_BYTES_MAX} bytes`;
      throw new KhachapuriError("body_too_large", message, {
        hints: ["call without --json, or with -o FILE"],
      });
    }
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

async function written(
  curl: CurlCommand,
  done: Transferred,
  file: FileSink,
): Promise<{ file: string | null }> {
  for await (const chunk of bodyOf(curl, done)) await file.write(chunk);
  return { file: curl.print.output };
}

async function* bodyOf(
  { transfer: { isDecoded } }: CurlCommand,
  { answer, signal }: Transferred,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield* isDecoded ? decodedBody(answer) : answer.body;
  signal?.throwIfAborted();
}

type Fields = Transferred["answer"]["fields"];

/** Each name in lower case with its values in order, the way of curl's `%{header_json}`. */
function valuesByName(fields: Fields): Record<string, string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of fields) {
    const key = name.toLowerCase();
    values.set(key, [...values.get(key) ?? [], value]);
  }
  return Object.fromEntries(values);
}

function textOf(bytes: Uint8Array): { body: string; isBase64: boolean } {
  try {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { body: strict.decode(bytes), isBase64: false };
  } catch {
    return { body: Buffer.from(bytes).toString("base64"), isBase64: true };
  }
}

/**
 * Of a call: its receipt, and what it cost whom; null where the owner paid, or nobody.
 * @param cost what the run came to, where the answer's head could not say it
 */
export function callFacts(
  { request, answer: { fields } }: Transferred,
  paid: UnsignedPermit | null,
  cost: RunCost | null,
): object {
  const receipt = valueOf(fields, RECEIPT_HEADER);
  return {
    receipt: receipt && new URL(receipt, formatCurlUrl(request.url)).href,
    paid: paid && { payer: paid.payer, price: paid.price, ...costOf(fields, cost) },
  };
}

/** What the provider says that it charged; nothing where it says nothing. */
function costOf(fields: Fields, cost: RunCost | null) {
  const text = valueOf(fields, PAYMENT_RESPONSE_HEADER);
  if (text === null) return { credits: 0n, creditsLeft: null, transaction: null };
  const { chargedCredits, availableCredits, transaction = null } = decodePaymentResponse(text);
  const credits = cost === null ? chargedCredits : BigInt(cost.credits);
  return { credits, creditsLeft: availableCredits - (credits - chargedCredits), transaction };
}

function valueOf(fields: Fields, wanted: string): string | null {
  return fields.find(([name]) => name.toLowerCase() === wanted.toLowerCase())?.[1] ?? null;
}

/** Of a run: how it ended, what it took, and what it wrote to stderr. */
export async function runFacts(record: Promise<RunRecord>): Promise<object> {
  const { stderr, ...run } = await record;
  return { run: { ...run, stderr: new TextDecoder().decode(stderr) } };
}
