/**
 * What a request's Upgrade asks for (RFC 9110 section 7.8): a WebSocket (RFC 6455) may be had,
 * cleartext HTTP/2 is not offered and need not be answered, and all else is refused by name.
 */
import type { IncomingMessage } from "node:http";
import { KhachapuriError } from "../../errors.ts";
import { Fields } from "../http/fields.ts";
import { connectionOptions, type HeaderField } from "../http/header_rules.ts";
import type { HttpRequest } from "../http/request.ts";

/** Clients of HTTP/2 ask for it with any request, and go on without it (RFC 7540 section 3.2). */
const IGNORED: ReadonlySet<string> = new Set(["h2c", "h2"]);
const VERSION = "13";
/** What a client that is refused may look for (RFC 6455 section 4.4). */
export const VERSION_FIELD: HeaderField = ["sec-websocket-version", VERSION];
/** Base64 of 16 octets. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** Of a request's head, what a handshake is told by. */
type Head = Pick<HttpRequest, "method" | "protocol" | "fields">;

/**
 * What a request's connection is to become; null: it goes on as it is.
 * @throws KhachapuriError `not_implemented` for another protocol, `invalid_input` for a handshake
 * that is none
 */
export function upgradeOf(head: Head): "websocket" | null {
  const { protocol, fields } = head;
  const wanted = protocol === "HTTP/2.0" ? [] : upgrades(fields);
  if (wanted.includes("websocket")) {
    assertHandshake(head);
    return "websocket";
  }
  // RFC 9110 section 7.8 has HTTP/1.0's ignored.
  if (protocol === "HTTP/1.0" || wanted.every((name) => IGNORED.has(name))) return null;
  const named = JSON.stringify(fields.get("upgrade"));
  throw new KhachapuriError("not_implemented", `nothing here upgrades to ${named}`, {
    hints: ['the only upgrade here is "websocket"; send the request without Upgrade'],
  });
}

/** Whether what follows a head is no HTTP, so that nobody shall parse it as such. */
export function isHandshake(message: IncomingMessage): boolean {
  const { rawHeaders, method, httpVersion } = message;
  const list: HeaderField[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    list.push([rawHeaders[at]!.toLowerCase(), rawHeaders[at + 1]!]);
  }
  const protocol = httpVersion === "1.1" ? "HTTP/1.1" : "HTTP/1.0";
  try {
    return upgradeOf({ method: method!, protocol, fields: new Fields(list) }) !== null;
  } catch {
    return false;
  }
}

/** Protocols that are asked for, where it is asked for any; in lower case. */
export function upgrades(fields: Fields): string[] {
  const asked = fields.get("upgrade");
  if (asked === null || !connectionOptions(fields.get("connection")).has("upgrade")) return [];
  return asked.toLowerCase().split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/** RFC 6455 section 4.2.1. */
function assertHandshake({ method, protocol, fields }: Head): void {
  const [version, ...versions] = fields.all("sec-websocket-version");
  const [key = "", ...keys] = fields.all("sec-websocket-key");
  const hasBody = fields.has("transfer-encoding") || Number(fields.get("content-length") ?? 0) > 0;
  if (protocol !== "HTTP/1.1") throw noHandshake("comes in HTTP/1.1, which a proxy may have to do");
  if (method !== "GET") throw noHandshake("is a GET");
  if (hasBody) throw noHandshake("has no body");
  if (version !== VERSION || versions.length > 0) throw noHandshake("has Sec-WebSocket-Version 13");
  if (!KEY.test(key) || keys.length > 0) {
    throw noHandshake("has one Sec-WebSocket-Key, of 16 octets");
  }
}

function noHandshake(has: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `a WebSocket's handshake ${has}`, {
    hints: ["see RFC 6455, section 4.1"],
  });
}
