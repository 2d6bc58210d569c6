/** A database as it is at one moment, though a provider goes on writing it. */
import { backup, DatabaseSync } from "node:sqlite";
import { namedDatabase } from "../../files.ts";

const MAGIC = "SQLite format 3\0";

/** Whether a file is a database, by how it begins. */
export async function isDatabase(path: string): Promise<boolean> {
  using file = await Deno.open(path, { read: true });
  const head = new Uint8Array(MAGIC.length);
  const read = await file.read(head);
  return read === head.length && new TextDecoder().decode(head) === MAGIC;
}

/**
 * In one step, which reads one snapshot: between two, SQLite would begin again whenever the
 * provider writes, and under load never end. (Deno forbids VACUUM INTO, which attaches a database.)
 */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * @param to must not be there
 * @throws KhachapuriError `file_unusable` when it is damaged, or there is no room for the copy
 */
export async function copyDatabase(path: string, to: string): Promise<void> {
  const database = namedDatabase(path, () => new DatabaseSync(path, { readOnly: true }));
  try {
    await backup(database, to, { rate: ALL_PAGES });
  } catch (error) {
    namedDatabase(path, () => {
      throw error;
    });
  } finally {
    database.close();
  }
}
