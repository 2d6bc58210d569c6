/** The key that a release is signed with: read from its file, opened by a password. */
import { isLocked, openSecretKey, type SigningKey } from "./sign.ts";
import { stop } from "../print.ts";

/** Where a password is taken from before anybody is asked. */
export const PASSWORD_VARIABLE = "MINISIGN_PASSWORD";

/** Reads the key in a file; asks for its password where it has one. */
export async function readSigningKey(path: string): Promise<SigningKey> {
  try {
    const text = await Deno.readTextFile(path);
    const password = isLocked(text) ? await passwordOf(path) : "";
    return openSecretKey(text, password);
  } catch (thrown) {
    stop([`release: ${path}: ${thrown instanceof Error ? thrown.message : thrown}`]);
  }
}

/** The variable, a terminal that does not show it, or the first line of the input. */
async function passwordOf(path: string): Promise<string> {
  const given = Deno.env.get(PASSWORD_VARIABLE);
  if (given !== undefined) return given;
  const isAsked = Deno.stdin.isTerminal();
  if (isAsked) {
    await Deno.stderr.write(new TextEncoder().encode(`password of ${path}: `));
    Deno.stdin.setRaw(true, { cbreak: true });
  }
  try {
    return await firstLine();
  } finally {
    if (isAsked) {
      Deno.stdin.setRaw(false);
      await Deno.stderr.write(new TextEncoder().encode("\n"));
    }
  }
}

async function firstLine(): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for (const chunk = new Uint8Array(256);;) {
    const size = await Deno.stdin.read(chunk);
    if (size === null) return text;
    text += decoder.decode(chunk.subarray(0, size), { stream: true });
    const end = text.search(/[\r\n]/);
    if (end >= 0) return text.slice(0, end);
  }
}
