/**
 * Where a provider listens for commands of its own machine: a unix socket in the folder of its
 * books, which nobody else may enter. A socket's path has 107 bytes at most (unix(7)): where the
 * folder's is longer the socket lies in a temporary folder, and a note in the book tells which.
 */
import { join } from "node:path";

const SOCKET_FILE = "control.sock";
const NOTE_FILE = "control.at";
const LONGEST_PATH_BYTES = 100;

/** Where a provider with its books in `book` may listen. */
export async function placeForControl(book: string): Promise<string> {
  const path = join(book, SOCKET_FILE);
  if (isShort(path)) return path;
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "khachapuri-control-" });
  const elsewhere = join(folder, SOCKET_FILE);
  await Deno.writeTextFile(join(book, NOTE_FILE), elsewhere, { mode: 0o600 });
  return elsewhere;
}

/** Where the provider whose books are in `book` listens, if it does; null: none can have. */
export async function controlPath(book: string): Promise<string | null> {
  const note = await Deno.readTextFile(join(book, NOTE_FILE)).catch(() => null);
  const path = note?.trim() || join(book, SOCKET_FILE);
  return isShort(path) ? path : null;
}

function isShort(path: string): boolean {
  return new TextEncoder().encode(path).length <= LONGEST_PATH_BYTES;
}
