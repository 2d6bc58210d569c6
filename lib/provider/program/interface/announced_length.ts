/** The length that a program announces for its answer's body, and what becomes of it. */
import { KhachapuriError } from "../../../errors.ts";
import type { HeaderField } from "../../http/header_rules.ts";
import type { ProgramResponse } from "./interface.ts";

/**
 * What Content-Length says; null when it says nothing, or nothing of the body as it was printed
 * (RFC 9112 section 6.3: where there is a Transfer-Encoding, that counts).
 */
export function announcedLength(fields: readonly HeaderField[]): number | null {
  if (fields.some(([name]) => name === "transfer-encoding")) return null;
  const value = fields.find(([name]) => name === "content-length")?.[1] ?? "";
  return /^[0-9]{1,15}$/.test(value) ? Number(value) : null;
}

/**
 * The answer as its caller may take it. A body that is shorter than was announced has broken off:
 * its program died, or lost count, and nobody is to take the part for the whole. Where an answer
 * has no body, the announcement is all there is to know of it (RFC 9110 section 8.6).
 * @param method of the request
 */
export function asAnnounced(response: ProgramResponse, method: string): ProgramResponse {
  const { status, headers, announcedBytes } = response;
  if (announcedBytes === null || status === 204 || status === 205) return response;
  if (method === "HEAD" || status === 304) {
    return { ...response, headers: [...headers, ["content-length", String(announcedBytes)]] };
  }
  let bytes = 0;
  return {
    ...response,
    async read() {
      const chunk = await response.read();
      bytes += chunk?.length ?? 0;
      if (chunk === null && bytes < announcedBytes) throw brokenOff(announcedBytes, bytes);
      return chunk;
    },
  };
}

function brokenOff(announced: number, printed: number): KhachapuriError {
  const problem =
    `the program announced ${announced} bytes (Content-Length) and printed ${printed}`;
  return new KhachapuriError("program_failed", problem);
}
