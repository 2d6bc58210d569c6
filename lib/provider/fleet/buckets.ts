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

export interface Leased {
  readonly taken: number;
  /** Until there is one more. */
  readonly waitSeconds: number;
}

/**
 * Takes up to so many tokens of one, for a node to give out. A lost connection may cost as many.
 * @throws KhachapuriError `database_unavailable`
 */
export async function leaseTokens(
  database: Database,
  { key, size, perSecond }: SharedBucket,
  wanted: number,
): Promise<Leased> {
  const [row] = await database.ask<{ taken: number; wait: number }>(
    "SELECT taken, wait FROM lease_tokens_1($1, $2, $3, $4)",
    [key, size, perSecond, wanted],
  );
  return { taken: row!.taken, waitSeconds: row!.wait };
}

/** Of those that were leased some were not given out. @throws as `leaseTokens` */
export async function returnTokens(
  database: Database,
  { key, perSecond }: SharedBucket,
  count: number,
): Promise<void> {
  await database.ask("SELECT give_tokens_1($1, $2, $3)", [key, perSecond, count]);
}

function toJson(buckets: readonly SharedBucket[]): string {
  return JSON.stringify(buckets.map(({ key, size, perSecond }) => [key, size, perSecond]));
}
