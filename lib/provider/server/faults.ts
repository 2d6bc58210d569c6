/** What is told of servers that fail, and of places that are not to be had. */
import { limitError } from "../../../sandbox/run.ts";
import type { RunLimits, RunRecord } from "../../../sandbox/sandbox.ts";
import { KhachapuriError } from "../../errors.ts";
import { SERVER_START_TIMEOUT_MS } from "../../limits_of_servers.ts";

/** To those whose requests a server was working on when it ended by itself. */
export function endedAtWork(record: RunRecord, limits: RunLimits): KhachapuriError {
  if (record.limit !== null) return limitError(record.limit, limits);
  const { exit, signal } = record;
  const how = signal === null ? `ended with exit code ${exit}` : `was ended by ${signal}`;
  return new KhachapuriError("program_failed", `the server ${how} while it worked on the request`);
}

export function seatsTaken(): KhachapuriError {
  return new KhachapuriError("overloaded", "the server has too many requests at once", {
    retryAfterSeconds: 1,
  });
}

export function placesTaken(): KhachapuriError {
  const text = "this provider has too many servers at work to start another";
  return new KhachapuriError("overloaded", text, { retryAfterSeconds: 1 });
}

/** To nobody, as its caller has gone. */
export function callerLeft(): KhachapuriError {
  return new KhachapuriError("invalid_input", "the caller waits for no place any more");
}

export function opensNot(): KhachapuriError {
  const seconds = SERVER_START_TIMEOUT_MS / 1_000;
  const text = `no sandbox could be made for the server within ${seconds} s`;
  return new KhachapuriError("sandbox_unavailable", text);
}

export function tunnelsTaken(): KhachapuriError {
  return new KhachapuriError("overloaded", "the server has too many WebSockets open", {
    retryAfterSeconds: 1,
  });
}

/** To those who come when a server takes no more. */
export function takesNoMore(): KhachapuriError {
  return new KhachapuriError("sandbox_unavailable", "the server is being ended", {
    retryAfterSeconds: 1,
  });
}
