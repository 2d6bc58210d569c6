/** What a fleet's nodes agree on by name. */
import type { Database } from "./database.ts";

/** @returns undefined: nobody set it @throws KhachapuriError `database_unavailable` */
export async function readSetting(database: Database, key: string): Promise<unknown> {
  const [row] = await database.ask<{ value: unknown }>(
    "SELECT value FROM settings WHERE key = $1",
    [key],
  );
  return row?.value;
}

/** @throws KhachapuriError `database_unavailable` */
export async function writeSetting(database: Database, key: string, value: unknown): Promise<void> {
  await database.ask(
    `INSERT INTO settings (key, value) VALUES ($1, $2::text::jsonb)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    [key, JSON.stringify(value)],
  );
}

/**
 * A secret that all nodes have: whoever is first brings it.
 * @throws KhachapuriError `database_unavailable`; what `make` throws
 */
export async function sharedSecret(
  database: Database,
  key: string,
  make: () => Uint8Array | Promise<Uint8Array>,
): Promise<Uint8Array> {
  const known = await readSetting(database, key);
  if (typeof known === "string") return Uint8Array.fromBase64(known);
  await database.ask(
    "INSERT INTO settings (key, value) VALUES ($1, to_jsonb($2::text)) ON CONFLICT DO NOTHING",
    [key, (await make()).toBase64()],
  );
  return Uint8Array.fromBase64(await readSetting(database, key) as string);
}
