/** The call that a deployment's owner shows in public, as forms and command lines have it. */
import { quotedWord } from "../../shell_word.ts";
import { type About, type AboutContent, mediaTypeOf, methodOf } from "../../spec/about.ts";

export interface ExampleCall {
  readonly method: string;
  /** Without its "?"; "" for none. */
  readonly query: string;
  /** As text; null: there is none, or none that a line of text could show. */
  readonly body: { readonly text: string; readonly type: string } | null;
  /** curl's flags, and those of our own command line, for a shell. */
  readonly flags: readonly string[];
}

/** What a caller does of whom nothing is known. */
const PLAIN: ExampleCall = { method: "GET", query: "", body: null, flags: [] };

/** @param about null: nothing is known of it */
export function exampleCall(about: About | null): ExampleCall {
  if (about === null) return PLAIN;
  const { input } = about;
  const method = methodOf(about);
  if (method === "GET" || method === "HEAD" || method === "DELETE") {
    const flags = method === "GET" ? [] : method === "HEAD" ? ["-I"] : ["-X", method];
    return { method, query: input ? queryOf(input) : "", body: null, flags };
  }
  const body = input ? bodyOf(input) : null;
  const verb = method === "POST" ? [] : ["-X", method];
  return { method, query: "", body, flags: [...verb, ...dataFlags(input, body)] };
}

/**
 * A call's path with the example's query; as it is where it says something itself, as what is shown
 * is of the deployment's own path.
 */
export function withQuery(call: string, { query }: ExampleCall): string {
  return query === "" || call.includes("?") ? call : `${call}?${query}`;
}

function queryOf({ example }: AboutContent): string {
  const words = Object.entries(example as Record<string, unknown>).map(([name, value]) =>
    [name, textOf(value)] as const
  );
  return new URLSearchParams(words.map((word) => [...word])).toString();
}

function bodyOf(input: AboutContent): ExampleCall["body"] {
  const { example } = input;
  const type = mediaTypeOf(input);
  if (example === undefined || type === "multipart/form-data") return null;
  // JSON's own strings have quotes.
  const text = /[/+]json$/.test(type) ? JSON.stringify(example) : textOf(example);
  return isPlain(text) ? { text, type } : null;
}

function dataFlags(input: AboutContent | undefined, body: ExampleCall["body"]): string[] {
  if (body !== null) {
    return ["-H", quotedWord(`content-type: ${body.type}`), "--data-raw", quotedWord(body.text)];
  }
  if (input === undefined || mediaTypeOf(input) !== "multipart/form-data") return ["-d", "data"];
  const parts = Object.entries(input.example as Record<string, unknown>).map(([name, value]) =>
    `${name}=${textOf(value)}`
  );
  if (!parts.every(isPlain)) return ["-F", "name=value"];
  return parts.flatMap((part) => ["--form-string", quotedWord(part)]);
}

const textOf = (value: unknown) => typeof value === "string" ? value : JSON.stringify(value);

/** A terminal takes control characters that are pasted for its keys: Ctrl-C, and a command. */
const isPlain = (text: string) => !/[^\P{Cc}\n]/u.test(text);
