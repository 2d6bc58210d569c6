/** The flags of `deploy` for the public: what it may know of a deployment, and which pages read. */
import { KhachapuriError } from "../errors.ts";
import { readText } from "../files.ts";
import { type About, parseAbout } from "../spec/about.ts";
import { ANY_ORIGIN, type Cors, parseCors } from "../spec/cors.ts";
import { parseJson } from "../shape.ts";

export const PUBLIC_OPTIONS = {
  about: {
    type: "string",
    value: "FILE",
    json: true,
    description: "JSON of what anybody may know of it, for lists of what can be called",
  },
  cors: {
    type: "string",
    value: "ORIGIN",
    multiple: true,
    json: true,
    description: "web pages that may read its answers, * for all; repeat for several",
  },
} as const;

/** The values of `PUBLIC_OPTIONS` as parsed from the command line. */
export interface PublicFlags {
  about: string | undefined;
  cors: string[];
}

/** Whether a flag's value is itself what others name. */
export function isJsonText(text: string): boolean {
  return text.trimStart().startsWith("{");
}

/** @throws KhachapuriError `usage`; `not_found` and `invalid_input` for the file */
export async function publicChoices(
  { about, cors }: PublicFlags,
): Promise<{ about?: About; cors?: Cors }> {
  return {
    ...(about === undefined ? {} : { about: await aboutOf(about) }),
    ...(cors.length === 0 ? {} : { cors: corsOf(cors) }),
  };
}

async function aboutOf(text: string): Promise<About> {
  if (isJsonText(text)) return aboutIn(parseJson(text, "--about", "usage"), "--about");
  return aboutIn(parseJson(await readText(text), text, "invalid_input"), text);
}

function aboutIn(json: unknown, what: string): About {
  try {
    return parseAbout(json, what);
  } catch (error) {
    if (!(error instanceof KhachapuriError)) throw error;
    const hint = 'what it may say, with an example: docs/developer.md, "Being found, and read"';
    throw error.toldWith({ hints: [...error.hints, hint] });
  }
}

function corsOf(texts: readonly string[]): Cors {
  const [first] = texts;
  if (!texts.some(isJsonText)) {
    return parseCors({ origins: texts.includes(ANY_ORIGIN) ? wildcard(texts) : texts }, "--cors");
  }
  if (texts.length === 1) return parseCors(parseJson(first!, "--cors", "usage"), "--cors");
  throw new KhachapuriError("usage", "--cors: an object says all of it, and stands alone", {
    hints: ["list its origins in it"],
  });
}

/** @throws KhachapuriError `usage` */
function wildcard(texts: readonly string[]): typeof ANY_ORIGIN {
  if (texts.length === 1) return ANY_ORIGIN;
  throw new KhachapuriError("usage", `--cors: ${ANY_ORIGIN} is every origin, and stands alone`);
}
