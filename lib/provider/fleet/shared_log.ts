/** What all nodes of a fleet are to know, in the order in which it was written; schema/shared.ts */
import type { Database } from "./database.ts";

/** What a node would have written. */
export interface SharedRow {
  readonly kind: string;
  readonly key: string;
  /** JSON; null: it is no more. */
  readonly value: string | null;
  /** What it has to be until then, null: nothing. Absent: it is written where there is nothing. */
  readonly was?: string | null;
  /** It may go when there are too many such, unless another row keeps it. */
  readonly loose?: boolean;
  /** The key of a loose row that stays for the sake of this one. */
  readonly keeps?: string;
}

export interface Change {
  readonly seq: number;
  readonly kind: string;
  readonly key: string;
  readonly value: string | null;
}

export interface Page {
  /** Which log it is: a database that was made anew has another. */
  readonly log: string;
  /** Of the last change that there is. */
  readonly head: number;
  /** In their order. */
  readonly changes: readonly Change[];
}

interface PageRow {
  readonly log: string;
  readonly head: string;
  readonly seq: string | null;
  readonly kind: string;
  readonly key: string;
  readonly value: string | null;
}

const PAGE = `
  SELECT h.log, h.seq AS head, r.seq, r.kind, r.key, r.value FROM shared_head h
  LEFT JOIN LATERAL (
    SELECT seq, kind, key, value FROM shared_rows WHERE seq > $1 ORDER BY seq LIMIT $2
  ) r ON true ORDER BY r.seq
`;

const LACKED = `
  SELECT x->>0 AS kind, x->>1 AS key FROM jsonb_array_elements($1::text::jsonb) AS x
  WHERE NOT EXISTS (SELECT FROM shared_rows r WHERE r.kind = x->>0 AND r.key = x->>1)
`;

const SEEN = `
  SELECT min((facts->>'seen')::int8) AS seen FROM sessions
  WHERE NOT reaped AND until >= now() AND id <> $1
`;

export class SharedLog {
  /** @param looseMost loose rows that are kept */
  constructor(private readonly database: Database, private readonly looseMost: number) {}

  /** Which log it is. @throws KhachapuriError `database_unavailable` */
  async id(): Promise<string> {
    const [head] = await this.database.ask<{ log: string }>(
      "UPDATE shared_head SET log = coalesce(log, gen_random_uuid()::text) RETURNING log",
    );
    return head!.log;
  }

  /**
   * Writes rows, all or none; they are on disk when this resolves, on that of a standby, too, where
   * there is one.
   * @returns a number by which all of them are read; null: one is not any more what it was
   * @throws KhachapuriError `database_unavailable`
   */
  async share(rows: readonly SharedRow[]): Promise<number | null> {
    const [told] = await this.database.ask<{ head: string | null }>(
      "SELECT share_1($1::text::jsonb, $2) AS head",
      [JSON.stringify(rows), this.looseMost],
    );
    return told!.head === null ? null : Number(told!.head);
  }

  /**
   * What was changed after a number, as it is now: at most `most` of it.
   * @throws KhachapuriError `database_unavailable`
   */
  async read(after: number, most: number): Promise<Page> {
    const rows = await this.database.ask<PageRow>(PAGE, [String(after), most]);
    const { log, head } = rows[0]!;
    const changes = rows.flatMap(({ seq, kind, key, value }) =>
      seq === null ? [] : [{ seq: Number(seq), kind, key, value }]
    );
    return { log, head: Number(head), changes };
  }

  /**
   * Of some rows those that the log has nothing of, as changes that it tells of no more.
   * @throws KhachapuriError `database_unavailable`
   */
  async lacked(rows: readonly Pick<SharedRow, "kind" | "key">[]): Promise<Change[]> {
    const lacked = await this.database.ask<Pick<Change, "kind" | "key">>(LACKED, [
      JSON.stringify(rows.map(({ kind, key }) => [kind, key])),
    ]);
    return lacked.map(({ kind, key }) => ({ seq: 0, kind, key, value: null }));
  }

  /** All of a kind of which there is little, in the order in which it came. */
  async ofKind(kind: string): Promise<Omit<Change, "kind" | "seq">[]> {
    return await this.database.ask(
      "SELECT key, value FROM shared_rows WHERE kind = $1 AND value IS NOT NULL ORDER BY seq",
      [kind],
    );
  }

  /**
   * Up to which number all others that live have read; who has no word on it shares nothing.
   * @param session of this node
   */
  async seenElsewhere(session: number): Promise<number> {
    const [told] = await this.database.ask<{ seen: string | null }>(SEEN, [session]);
    return Number(told!.seen ?? Infinity);
  }
}
