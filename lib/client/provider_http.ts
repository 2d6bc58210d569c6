/** Requests to a provider's own paths (`/terms`, `/stop`), bounded in time and size. */
import { KhachapuriError, knownCode } from "../errors.ts";
import { PROVIDER_HTTP_TIMEOUT_MS } from "../limits.ts";
import { whyUnreachable } from "../unreachable.ts";

export interface ProviderRequest {
  /** URL without a trailing slash, as the provider's name says. */
  webDomain: string;
  /** With its leading slash and query. */
  path: string;
  /** Posted as JSON; a GET without it. */
  body?: unknown;
  /** Of a GET. */
  headers?: Readonly<Record<string, string>>;
  /** Longest wait; PROVIDER_HTTP_TIMEOUT_MS when absent. */
  timeoutMs?: number;
  /** Largest answer that is read. */
  bytesMax: number;
  fetch?: typeof fetch;
  signal?: AbortSignal;
}

/**
 * Sends one request and reads the whole answer.
 * @throws KhachapuriError `provider_unavailable` when nobody answers or the answer is no good; the
 *   provider's own refusal with its code, message and hints
 */
export async function askProvider(request: ProviderRequest): Promise<Uint8Array<ArrayBuffer>> {
  const { webDomain, path, bytesMax, signal } = request;
  const timeout = AbortSignal.timeout(request.timeoutMs ?? PROVIDER_HTTP_TIMEOUT_MS);
  try {
    const response = await (request.fetch ?? fetch)(`${webDomain}${path}`, {
      redirect: "error",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      ...(request.body === undefined ? {} : {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(request.body),
      }),
      ...(request.headers ? { headers: request.headers } : {}),
    });
    const bytes = await readBounded(response, bytesMax);
    if (response.ok) return bytes;
    throw refusalOf(webDomain, response.status, bytes);
  } catch (cause) {
    if (cause instanceof KhachapuriError || signal?.aborted) throw cause;
    throw unavailable(`${webDomain}${path} can't be reached: ${whyUnreachable(cause)}`, cause);
  }
}

/** @throws KhachapuriError `provider_unavailable` for more than `bytesMax` */
export async function readBounded(
  response: Response,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) throw unavailable(`${response.url} answered more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** The provider's own error, where its document has a code that we know; else what HTTP says. */
export function refusalOf(
  webDomain: string,
  status: number,
  bytes: Uint8Array,
): KhachapuriError {
  const plain = unavailable(`${webDomain} answered HTTP ${status}`);
  try {
    const said = JSON.parse(new TextDecoder().decode(bytes));
    const code = knownCode(said.error);
    if (!code || typeof said.message !== "string") return plain;
    const hints = Array.isArray(said.hints) ? said.hints.map(String).map(printable) : [];
    // Of a name that was changed meanwhile: how many changes it has had.
    const { sequence } = said;
    const data = Number.isSafeInteger(sequence) ? { sequence } : {};
    return new KhachapuriError(code, `${webDomain}: ${printable(said.message)}`, { hints, data });
  } catch {
    return plain;
  }
}

/** Text from outside without control characters, which a terminal would obey. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is being removed
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, "");
}

function unavailable(message: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("provider_unavailable", message, {
    cause,
    hints: ["try again, or ask the provider"],
  });
}
