/** Answers on connections whose requests could not be read. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { KhachapuriError } from "../../errors.ts";
import { failureOf } from "../http/failure.ts";
import type { Answer } from "../http/request.ts";

/** An answer to what is no request, which nobody is asked to pay for. */
export function refusalOf(error: KhachapuriError): Answer & { body: Uint8Array } {
  return failureOf(error);
}

/** Says why, and ends the connection. */
export function refuse(socket: Socket, error: KhachapuriError, status = error.status): void {
  if (!socket.writable) return void socket.destroy();
  const { headers, body } = refusalOf(error);
  const fields = [...headers, ["content-length", String(body.length)], ["connection", "close"]];
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines}\r\n`, "latin1");
  socket.end(body);
  socket.once("finish", () => socket.destroySoon());
}

/** RFC 9110 section 15.5.9. */
export function refuseLateHead(socket: Socket): void {
  refuse(socket, new KhachapuriError("invalid_input", "no request came in time"), 408);
}
