/** Heads the way curl shows them. */
import type { WireRequest } from "./curl_request.ts";
import type { CurlAnswer } from "./curl_send.ts";

/** Status line and fields, with the empty line that ends them (-i). Values are Latin-1 octets. */
export function formatHead(
  { status, reason, fields }: Pick<CurlAnswer, "status" | "reason" | "fields">,
) {
  const lines = [`HTTP/1.1 ${status}${reason ? ` ${reason}` : ""}`];
  for (const [name, value] of fields) lines.push(`${name}: ${value}`);
  const text = `${lines.join("\r\n")}\r\n\r\n`;
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** The lines that -v shows of a request. */
export function requestLines({ method, target, fields }: WireRequest): string[] {
  const shown = fields.map(([name, value]) => `> ${name}: ${value}`);
  return [`> ${method} ${target} HTTP/1.1`, ...shown, ">"];
}

/** The lines that -v shows of an answer's head. */
export function answerLines(answer: CurlAnswer): string[] {
  const head = new TextDecoder().decode(formatHead(answer)).trimEnd();
  return [...head.split("\r\n").map((line) => `< ${line}`), "<"];
}
