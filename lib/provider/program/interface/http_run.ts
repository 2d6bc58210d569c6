/** A request at a server, as any program at work, and its answer as it goes on to the caller. */
import { KhachapuriError } from "../../../errors.ts";
import { type HeaderField, singly } from "../../http/header_rules.ts";
import type { ServerResponse } from "../../server/exchange.ts";
import type { ServerRun } from "../../server/life.ts";
import type { ProgramRequest, ProgramResponse, ProgramRun } from "./interface.ts";
import { hostOf, mountPath } from "./meta_variables.ts";
import { endToEndHeaders } from "./response_head.ts";

/** By which the server's log and the caller's can be brought together. */
export const REQUEST_ID = "x-request-id";

export class HttpRun implements ProgramRun {
  readonly record: ProgramRun["record"];
  readonly #response: ServerRun["response"];
  /** Of the body, still to be read; null where only its end tells. */
  #bytesLeft: number | null = null;
  #hasEnded = false;

  constructor(
    private readonly run: ServerRun,
    private readonly request: ProgramRequest,
    private readonly id: string,
  ) {
    this.record = run.record;
    this.#response = run.response;
    this.#response.catch(() => {}); // Whoever asks for it is told.
  }

  // A function literal that is assigned to a property is made in the garbage collector's old
  // generation (V8), and keeps its whole call until the whole heap is gone through
  // (`deno task bench http`): these are methods.

  kill(): void {
    this.run.kill();
  }

  extend(ms: number): void {
    this.run.extend(ms);
  }

  begun(): number {
    return this.run.begun();
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
        headers: responseHeaders(fields, this.request, this.id),
        read: () => this.#read(response),
        // Async, as what is given up here is over at once.
        cancel: async () => await response.cancel(),
        announcedBytes: bodyBytes,
        bodyBytes,
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
    // Who knows its length need not ask for its end.
    if (this.#bytesLeft === 0) return null;
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
    field[0] === "location" ? ["location", mounted(field[1], request, prefix)] : field
  );
}

function contradictory(name: string): KhachapuriError {
  return new KhachapuriError("program_failed", `the server's answer has two different ${name}`);
}

/**
 * A server that does not know where it is mounted redirects to paths of its own, or to URLs that it
 * makes of them and of the Host that it is told. One that does, by X-Forwarded-Prefix, has said
 * where by itself. "//" begins another host.
 */
function mounted(location: string, request: ProgramRequest, prefix: string): string {
  const [, origin = "", path] = /^(https?:\/\/[^/?#\\]*)?(\/(?!\/).*)?$/is.exec(location) ?? [];
  if (origin !== "" && !isOwn(origin, request)) return location;
  if (path === undefined) return origin === "" ? location : origin + prefix + "/";
  const isMounted = path.startsWith(prefix) && /^(?:[/?#]|$)/.test(path.slice(prefix.length));
  return origin + (isMounted ? path : prefix + path);
}

/** Of the host that the caller named, by either scheme: a server may not look at ours. */
function isOwn(origin: string, request: ProgramRequest): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host, username, password } = new URL(origin);
  if (username !== "" || password !== "") return false;
  const named = `${protocol}//${hostOf(request)}`;
  return URL.canParse(named) && new URL(named).host === host;
}
