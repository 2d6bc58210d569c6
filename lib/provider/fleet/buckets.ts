/** Token buckets (lib/token_bucket.ts) that all nodes take from, by the database's clock. */
import type { Database } from "./database.ts";

export interface SharedBucket {
  readonly key: string;
  /** Tokens at most. */
  readonly size: number;
  /** Tokens that come back in a second. */
  readonly perSecond: number;
}

export interface Lacking {
  /** Which of those that were asked for has no token. */
  readonly index: number;
  /** Until it has one. */
  readonly waitSeconds: number;
}

/**
 * Takes a token of each, or of none. A lost connection may cost a second one.
 * @returns null: they are taken
 * @throws KhachapuriError `database_unavailable`
 */
export async function takeTokens(
  database: Database,
  buckets: readonly SharedBucket[],
): Promise<Lacking | null> {
  const [row] = await database.ask<{ lacking: [number, number] | null }>(
    "SELECT take_1($1::text::jsonb) AS lacking",
    [toJson(buckets)],
  );
  const lacking = row!.lacking;
  return lacking === null ? null : { index: lacking[0], waitSeconds: lacking[1] };
}

/** What took the tokens came to nothing. @throws KhachapuriError `database_unavailable` */
export async function giveTokensBack(
  database: Database,
  buckets: readonly SharedBucket[],
): Promise<void> {
  await database.ask("SELECT give_token_back_1($1::text::jsonb)", [toJson(buckets)]);
}

function toJson(buckets: readonly SharedBucket[]): string {
  return JSON.stringify(buckets.map(({ key, size, perSecond }) => [key, size, perSecond]));
}
