/** A file that holds one token, for its user alone. */
import { KhachapuriError } from "../errors.ts";
import { fileError } from "../files.ts";

/**
 * The token, without the line's end.
 * @throws KhachapuriError `not_found`; `insecure_key_file` when others can read it;
 *   `invalid_config` when it holds something else
 */
export async function readToken(path: string): Promise<string> {
  const token = (await readPrivate(path)).trim();
  // What a header field can carry; a token is never quoted.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new KhachapuriError("invalid_config", `${path} does not hold one token, and nothing else`);
}

async function readPrivate(path: string): Promise<string> {
  try {
    using file = await Deno.open(path);
    const { mode } = await file.stat();
    if (((mode ?? 0o777) & 0o077) === 0) return await new Response(file.readable).text();
  } catch (error) {
    throw await fileError(error, path, "read");
  }
  throw new KhachapuriError("insecure_key_file", `others can read the token in ${path}`, {
    hints: [`chmod 600 ${path}`],
  });
}
