/** The head of a request to a server, in bytes (RFC 9112 sections 3 and 5). */
import { KhachapuriError } from "../../errors.ts";
import { TOKEN } from "../http/header_rules.ts";
import type { ServerRequest } from "./exchange.ts";

/** What frames a message and says what becomes of its connection: said here, and nowhere else. */
const OURS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** RFC 9110 section 8.6: a server awaits a body of these, so it is told that there is none. */
const WITH_BODY: ReadonlySet<string> = new Set(["PATCH", "POST", "PUT"]);

/** In origin form, or the asterisk of OPTIONS. */
const TARGET = /^(?:\/[\x21-\x7e\x80-\xff]*|\*)$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const encoder = new TextEncoder();

/**
 * @throws KhachapuriError `invalid_input` when something in it would end the line that it stands
 * in, or frame the message
 */
export function requestHead(request: ServerRequest): Uint8Array {
  const { method, target, fields } = request;
  // Behind the answer to CONNECT comes what is no message.
  if (!TOKEN.test(method) || method === "CONNECT") throw refusal("method");
  if (!TARGET.test(target)) throw refusal("target");
  let text = `${method} ${target} HTTP/1.1\r\n`;
  for (const [name, value] of fields) {
    if (!TOKEN.test(name) || OURS.has(name.toLowerCase()) || !VALUE.test(value)) {
      throw refusal(`field ${JSON.stringify(name.slice(0, 80))}`);
    }
    text += `${name}: ${value}\r\n`;
  }
  return octets(`${text}${framing(request)}\r\n`);
}

function framing({ method, body, bodyBytes, upgrade }: ServerRequest): string {
  if (upgrade !== null) {
    if (body !== null || method !== "GET") throw refusal("method or body that upgrades nothing");
    return `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
  }
  if (body === null) return WITH_BODY.has(method) ? "Content-Length: 0\r\n" : "";
  if (bodyBytes === null) return "Transfer-Encoding: chunked\r\n";
  if (!Number.isSafeInteger(bodyBytes) || bodyBytes < 0) throw refusal("length of its body");
  return `Content-Length: ${bodyBytes}\r\n`;
}

/** A byte a character. */
function octets(text: string): Uint8Array {
  const ascii = encoder.encode(text);
  if (ascii.length === text.length) return ascii;
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function refusal(what: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `the request has a ${what} that HTTP cannot carry`);
}
