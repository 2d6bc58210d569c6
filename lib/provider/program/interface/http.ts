/**
 * The interface "http": a program that is a web server is sent requests, as any gateway in front of
 * it would send them (RFC 9110, RFC 7239), and answers them.
 */
import { KhachapuriError } from "../../../errors.ts";
import { type HeaderField, singly } from "../../http/header_rules.ts";
import type { ServerRequest, ServerResponse } from "../../server/exchange.ts";
import type { ServerRun } from "../../server/life.ts";
import {
  type ProgramInterface,
  type ProgramRequest,
  type ProgramResponse,
  type ProgramRun,
  seatOf,
} from "./interface.ts";
import { mountPath, programFields } from "./meta_variables.ts";
import { endToEndHeaders } from "./response_head.ts";

const REQUEST_ID = "x-request-id";

/**
 * Host, Via and the request's id go out as we say them. What the connection to the server says by
 * itself: Content-Length. What we have answered: Expect. What some servers make a variable of that
 * their HTTP clients would obey: Proxy (httpoxy, CVE-2016-5385).
 */
const NOT_PASSED_ON: ReadonlySet<string> = new Set([
  "content-length",
  "expect",
  "host",
  "proxy",
  REQUEST_ID,
]);

/** An id that logs and commands may hold as it stands. */
const SANE_ID = /^[A-Za-z0-9_.:=+/@-]{1,128}$/;

/** RFC 9110 section 7.6.3. */
const VIA: Readonly<Record<ProgramRequest["protocol"], string>> = {
  "HTTP/1.0": "1.0 khachapuri",
  "HTTP/1.1": "1.1 khachapuri",
  "HTTP/2.0": "2 khachapuri",
};

/** A request as its server gets it, but for the body. */
export interface HttpInvocation {
  readonly request: Omit<ServerRequest, "body">;
  /** By which the server's log and the caller's can be brought together. */
  readonly id: string;
}

/** @throws KhachapuriError `invalid_input` when a field that holds one value came with two */
export function httpInvocation(request: ProgramRequest): HttpInvocation {
  const { method, path, query, bodyBytes, upgrade } = request;
  const id = requestId(request);
  const target = `${path === "" ? "/" : path}${query === null ? "" : `?${query}`}`;
  return { request: { method, target, fields: fieldsFor(request, id), bodyBytes, upgrade }, id };
}

/** The caller's own where it is one that can be passed on, so that it knows it again. */
function requestId({ headers }: ProgramRequest): string {
  const given = headers.filter(([name]) => name === REQUEST_ID);
  const value = given.length === 1 ? given[0]![1] : "";
  return SANE_ID.test(value) ? value : crypto.randomUUID();
}

function fieldsFor(request: ProgramRequest, id: string): HeaderField[] {
  const { base, protocol, payer, headers } = request;
  // HTTP/1.0 may name no host, and a server needs one to make URLs of.
  const host = headers.find(([name]) => name === "host")?.[1] || base.host;
  const fields: HeaderField[] = [["host", host]];
  for (const field of programFields(request)) {
    if (!NOT_PASSED_ON.has(field[0])) fields.push(field);
  }
  fields.push(...forwardingFields(request, host), ["via", VIA[protocol]], [REQUEST_ID, id]);
  if (payer !== null) fields.push(["khachapuri-payer", payer]);
  return fields;
}

/** Who asked whom, in both of the ways in which frameworks look for it. */
function forwardingFields(request: ProgramRequest, host: string): HeaderField[] {
  const { base, remoteAddress } = request;
  const isSecure = base.protocol === "https:";
  const scheme = isSecure ? "https" : "http";
  const prefix = mountPath(request);
  const fields: HeaderField[] = [
    ["x-forwarded-for", remoteAddress],
    ["x-forwarded-proto", scheme],
    ["x-forwarded-host", host],
    ["x-forwarded-port", portOf(host) ?? (isSecure ? "443" : "80")],
  ];
  if (prefix !== "") fields.push(["x-forwarded-prefix", prefix]);
  fields.push(["forwarded", `for=${node(remoteAddress)};host=${quoted(host)};proto=${scheme}`]);
  return fields;
}

function portOf(host: string): string | null {
  return /:([0-9]+)$/.exec(host)?.[1] ?? null;
}

/** RFC 7239 section 6: an IPv6 address stands in brackets, which only a quoted string can hold. */
function node(address: string): string {
  return address.includes(":") ? `"[${address}]"` : address;
}

/** A host is a token unless it names a port, is an IPv6 address or has an escape. */
function quoted(host: string): string {
  return /^[A-Za-z0-9._~-]+$/.test(host) ? host : `"${host}"`;
}

/**
 * The answer's fields as they go on to the caller; its length is told apart (`announcedBytes`).
 * @throws KhachapuriError `program_failed` when one that holds one value came with two
 */
export function responseHeaders(
  fields: readonly HeaderField[],
  request: ProgramRequest,
  id: string,
): HeaderField[] {
  const headers = endToEndHeaders(singly(fields, contradictory));
  if (!headers.some(([name]) => name === REQUEST_ID)) headers.push([REQUEST_ID, id]);
  const prefix = mountPath(request);
  if (prefix === "") return headers;
  return headers.map((field): HeaderField =>
    field[0] === "location" ? ["location", mounted(field[1], prefix)] : field
  );
}

function contradictory(name: string): KhachapuriError {
  return new KhachapuriError("program_failed", `the server's answer has two different ${name}`);
}

/**
 * A server that does not know where it is mounted redirects to paths of its own. One that does, by
 * X-Forwarded-Prefix, has said where by itself. "//" begins another host.
 */
function mounted(location: string, prefix: string): string {
  if (!location.startsWith("/") || location.startsWith("//")) return location;
  const isMounted = location.startsWith(prefix) &&
    /^(?:[/?#]|$)/.test(location.slice(prefix.length));
  return isMounted ? location : prefix + location;
}

/** A request at a server, as any program at work. */
class HttpRun implements ProgramRun {
  readonly record: ProgramRun["record"];
  readonly kill: ProgramRun["kill"];
  readonly extend: ProgramRun["extend"];
  readonly begun: ProgramRun["begun"];
  readonly #response: ServerRun["response"];
  readonly #request: ProgramRequest;
  readonly #id: string;
  /** Of the body, still to be read; null where only its end tells. */
  #bytesLeft: number | null = null;
  #hasEnded = false;

  constructor(run: ServerRun, request: ProgramRequest, id: string) {
    this.record = run.record;
    this.kill = () => run.kill();
    this.extend = (ms) => run.extend(ms);
    this.begun = () => run.begun();
    this.#response = run.response;
    this.#request = request;
    this.#id = id;
    this.#response.catch(() => {}); // Whoever asks for it is told.
  }

  isComplete(): boolean {
    return this.#hasEnded || this.#bytesLeft === 0;
  }

  async respond(): Promise<ProgramResponse> {
    try {
      const response = await this.#response;
      const { status, fields, bodyBytes, tunnel } = response;
      this.#bytesLeft = bodyBytes;
      return {
        status,
        headers: responseHeaders(fields, this.#request, this.#id),
        read: () => this.#read(response),
        // Async, as what is given up here is over at once.
        cancel: async () => await response.cancel(),
        announcedBytes: bodyBytes,
        hasHead: true,
        trailers: () => response.trailers(),
        ...(tunnel ? { tunnel } : {}),
      };
    } catch (error) {
      this.#hasEnded = true;
      throw error;
    }
  }

  async #read(response: ServerResponse): Promise<Uint8Array | null> {
    try {
      const chunk = await response.read();
      if (chunk === null) this.#hasEnded = true;
      else if (this.#bytesLeft !== null) this.#bytesLeft -= chunk.length;
      return chunk;
    } catch (error) {
      this.#hasEnded = true;
      throw error;
    }
  }
}

export const http: ProgramInterface = {
  needsBodyLength: false,
  prepare(_command, request) {
    const { request: head, id } = httpInvocation(request);
    // Async, so that what it throws is a rejection.
    // deno-lint-ignore require-await
    return async (place, body) => new HttpRun(seatOf(place).send({ ...head, body }), request, id);
  },
};
