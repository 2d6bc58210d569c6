/**
 * The interface "http": a program that is a web server is sent requests, as any gateway in front of
 * it would send them (RFC 9110, RFC 7239), and answers them.
 */
import { dashed, type HeaderField } from "../../http/header_rules.ts";
import type { ServerRequest } from "../../server/exchange.ts";
import { HttpRun, REQUEST_ID } from "./http_run.ts";
import { type ProgramInterface, type ProgramRequest, seatOf } from "./interface.ts";
import { hostOf, mountPath, programFields } from "./meta_variables.ts";

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
  const { protocol, payer } = request;
  const host = hostOf(request);
  const fields: HeaderField[] = [["host", host]];
  for (const field of programFields(request)) {
    if (!NOT_PASSED_ON.has(dashed(field[0]))) fields.push(field);
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

export const http: ProgramInterface = {
  needsBodyLength: false,
  prepare(_command, request) {
    const { request: head, id } = httpInvocation(request);
    // Async, so that what it throws is a rejection.
    // deno-lint-ignore require-await
    return async (place, body) => new HttpRun(seatOf(place).send({ ...head, body }), request, id);
  },
};
