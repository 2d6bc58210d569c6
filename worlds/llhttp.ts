/** llhttp, the parser of Node.js, as a second opinion on answers. Deno has it behind node:http. */
import process from "node:process";
import { textOf } from "./scripted_server.ts";

/** What a parser made of the first answer in some bytes, after which the connection ended. */
export interface ParsedAnswer {
  readonly status: number;
  readonly minor: number;
  readonly fields: readonly (readonly [string, string])[];
  /** One character a byte. */
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
}

type Callback = (...given: never[]) => unknown;

interface Llhttp {
  [callback: number]: Callback;
  initialize(type: number, resource: object, headBytesMax: number, lenient: number): void;
  execute(bytes: Uint8Array): number | Error;
  finish(): number | Error | undefined;
}

interface LlhttpBinding {
  HTTPParser: {
    new (): Llhttp;
    RESPONSE: number;
    kOnHeaders: number;
    kOnHeadersComplete: number;
    kOnBody: number;
    kOnMessageComplete: number;
  };
}

const { HTTPParser } = (process as unknown as { binding(name: string): LlhttpBinding })
  .binding("http_parser");

/** Returned at the end of a head that no body follows. */
const SKIP_BODY = 1;

/** @returns null when there is none, or not all of it */
export function llhttpAnswer(bytes: Uint8Array, method: string): ParsedAnswer | null {
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.RESPONSE, {}, 1 << 20, 0);
  let head: { minor: number; status: number } | null = null;
  let fields: string[] = [];
  let trailers: string[] = [];
  let body = "";
  let done: ParsedAnswer | null = null;
  // More than some dozens of fields are handed over before their head is complete.
  parser[HTTPParser.kOnHeaders] = (some: string[]) => {
    if (head) trailers.push(...some);
    else fields.push(...some);
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    minor: number,
    some: string[] | undefined,
    _method: unknown,
    _url: unknown,
    status: number,
  ) => {
    head = { minor, status };
    fields.push(...some ?? []);
    return method === "HEAD" ? SKIP_BODY : 0;
  };
  parser[HTTPParser.kOnBody] = (some: Uint8Array) => {
    body += textOf(some);
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    if (head) done ??= { ...head, fields: pairs(fields), body, trailers: pairs(trailers) };
    [head, fields, trailers, body] = [null, [], [], ""];
  };
  const outcome = parser.execute(bytes);
  if (!done && !(outcome instanceof Error)) parser.finish();
  return done;
}

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let at = 0; at < flat.length; at += 2) {
    list.push([flat[at]!.toLowerCase(), flat[at + 1]!]);
  }
  return list;
}
