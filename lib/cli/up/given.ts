/** What `up` hands to `init`, which runs as the provider's user and reads none of root's files. */
import * as v from "valibot";
import { readText } from "../../files.ts";
import { parseJson, parseShape } from "../../shape.ts";

const givenShape = v.strictObject({
  /** Fields of `provider` in config.json, to be laid over what is there; null strikes one out. */
  provider: v.optional(v.record(v.string(), v.unknown()), {}),
  /** A text of terms, in the place of the example. */
  terms: v.exactOptional(v.string()),
});

export type Given = v.InferOutput<typeof givenShape>;

/**
 * @param path of a file, `-` for stdin; undefined: nothing is given
 * @throws KhachapuriError `invalid_input`, or as `readText`
 */
export async function readGiven(path: string | undefined): Promise<Given> {
  if (path === undefined) return { provider: {} };
  const text = await readText(path === "-" ? "/dev/stdin" : path);
  return parseShape(givenShape, parseJson(text, path, "invalid_input"), path, "invalid_input");
}
