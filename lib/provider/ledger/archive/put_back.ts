/** The way back to a release that knows no archive. */
import type { DatabaseSync } from "node:sqlite";
import { COLUMNS } from "../codec.ts";
import { prepared } from "../prepared.ts";
import { inTransaction } from "../../../transaction.ts";
import { segmentAfter } from "./archiver.ts";
import { archiveDir, bordersOf } from "./schema.ts";
import { SegmentFile } from "./segment_file.ts";
import type { Rest } from "./span_index.ts";

/**
 * Puts all rows of the archive back into the table, whose index begins anew with the next upkeep.
 * Its files are left over from then on. Where rows have gone by the policy none is put back: the
 * rest would be of no use to the release of before, which starts from all of them. No provider may
 * be running; after a crash it goes on.
 * @param path of the ledger that the database is
 */
export async function putBack(database: DatabaseSync, path: string, rest: Rest): Promise<void> {
  const borders = bordersOf(database);
  if (borders === null || borders.dropped > 0) return;
  const insert = prepared(
    database,
    `INSERT OR IGNORE INTO journal (seq, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  for (let after = 0;;) {
    const segment = segmentAfter(database, archiveDir(path), after, "rows");
    if (segment === null) break;
    using file = new SegmentFile(segment.path, segment.headBytes);
    for (const place of segment.places) {
      inTransaction(database, () => {
        for (const { row: { seq, at, kind, payer, lane, ...row } } of file.block(place)) {
          const { reservation, deployment, amount, detail } = row;
          insert.run(seq, at, kind, payer, lane, reservation, deployment, amount, detail);
        }
      });
      await rest();
    }
    after = segment.last;
  }
  inTransaction(database, () =>
    database.exec(`
      DELETE FROM segments; DELETE FROM spans; DELETE FROM span_parties; DELETE FROM parties;
      DELETE FROM receipted_up_to; DELETE FROM receipted;
      UPDATE indexing SET up_to = 0, open = '[]'
    `));
}
