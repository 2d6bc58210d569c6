/** What names of ENS and DNS pointed to last, on disk: an outage may last longer than a process. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CidText } from "../../cid.ts";
import { PAID_NAMES_REMEMBERED_MAX } from "../../limits_of_names.ts";
import type { OutsideName } from "../http/name_text.ts";

export interface StoredResolution extends OutsideName {
  readonly cid: CidText;
  /** Since when it is known to point there, Unix ms. */
  readonly since: number;
  /** When that was looked at last, Unix ms. */
  readonly checkedAt: number;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS resolutions (
    kind TEXT NOT NULL, name TEXT NOT NULL, cid TEXT NOT NULL, since INTEGER NOT NULL,
    checkedAt INTEGER NOT NULL, PRIMARY KEY (kind, name)
  ) STRICT;
`;

export class ResolutionStore {
  readonly #put: StatementSync;
  readonly #drop: StatementSync;

  constructor(private readonly database: DatabaseSync) {
    database.exec(SCHEMA);
    this.#put = database.prepare("INSERT OR REPLACE INTO resolutions VALUES (?, ?, ?, ?, ?)");
    this.#drop = database.prepare("DELETE FROM resolutions WHERE kind = ? AND name = ?");
  }

  /** The ones looked at lately come last; what is beyond the bound is forgotten. */
  all(): StoredResolution[] {
    this.database.exec(
      `DELETE FROM resolutions WHERE rowid NOT IN (
        SELECT rowid FROM resolutions ORDER BY checkedAt DESC LIMIT ${PAID_NAMES_REMEMBERED_MAX}
      )`,
    );
    const rows = this.database.prepare("SELECT * FROM resolutions ORDER BY checkedAt").all();
    return rows.map((row) => ({ ...row }) as unknown as StoredResolution);
  }

  put({ kind, name, cid, since, checkedAt }: StoredResolution): void {
    this.#put.run(kind, name, cid, since, checkedAt);
  }

  drop({ kind, name }: OutsideName): void {
    this.#drop.run(kind, name);
  }
}
