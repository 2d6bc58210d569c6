/** Asks the provider that runs on this machine to do something. */
import * as v from "valibot";
import { KhachapuriError, knownCode } from "../../errors.ts";
import { parseShape } from "../../shape.ts";
import { controlPath } from "./control_path.ts";
import { type LineConnection, linesOver } from "./lines.ts";

const failedShape = v.object({
  failed: v.object({ code: v.string(), message: v.string(), hints: v.array(v.string()) }),
});
const doneShape = v.object({ done: v.unknown() });
const progressShape = v.object({ progress: v.string() });

const answerShape = v.union([failedShape, doneShape, progressShape]);

/**
 * Has the provider with its books in `book` do `verb`.
 * @param onProgress hears each line of progress before the end
 * @returns what it answers; null when no provider runs there
 * @throws KhachapuriError what the provider refused it with; `provider_unavailable` when it ended
 * before it answered
 */
export async function askControl(
  book: string,
  verb: string,
  body: unknown = null,
  onProgress: (line: string) => void = () => {},
): Promise<{ done: unknown } | null> {
  const lines = await connectControl(book);
  if (lines === null) return null;
  try {
    await lines.send({ verb, body });
    for (;;) {
      const answer = parseShape(answerShape, await lines.next(), "answer", "provider_unavailable");
      if ("failed" in answer) throw failureOf(answer.failed);
      if ("done" in answer) return { done: answer.done };
      onProgress(answer.progress);
    }
  } finally {
    lines.close();
  }
}

/** A connection to that provider; null when none runs. @throws Deno.errors.PermissionDenied */
export async function connectControl(book: string): Promise<LineConnection | null> {
  const path = await controlPath(book);
  if (path === null) return null;
  const connection = await Deno.connect({ transport: "unix", path }).catch((error) => {
    const isNobody = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.ConnectionRefused;
    if (isNobody) return null;
    throw error;
  });
  return connection && linesOver(connection);
}

/** What a provider refused something with. */
export function failureOf({ code, message, hints }: v.InferOutput<typeof failedShape>["failed"]) {
  return new KhachapuriError(knownCode(code) ?? "internal", message, { hints });
}
