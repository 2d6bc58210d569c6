/** Charges with a receipt in the archive, each found by the reservation that it ended. */
import type { DatabaseSync } from "node:sqlite";
import { isReceipted, type StoredRow } from "../codec.ts";
import { prepared } from "../prepared.ts";
import { segmentFrom } from "./archiver.ts";
import { archiveDir } from "./schema.ts";
import { SegmentFile } from "./segment_file.ts";

/**
 * The row of the charge that ended a reservation. Reservations are numbered as they come, so few
 * blocks can have it, and each takes less than a millisecond.
 * @param path of the ledger that the database is
 * @returns undefined when the archive has no receipt of it
 */
export function archivedReceipt(
  database: DatabaseSync,
  path: string,
  reservation: number,
): StoredRow | undefined {
  const rows = prepared(
    database,
    "SELECT * FROM segments WHERE last_receipt >= ? AND first_receipt <= ?",
  )
    .all(reservation, reservation);
  for (const found of rows) {
    const segment = segmentFrom(found, archiveDir(path));
    const places = segment.places.filter(([, , first, last]) =>
      first <= reservation && reservation <= last
    );
    if (places.length === 0) continue;
    using file = new SegmentFile(segment.path, segment.headBytes);
    for (const place of places) {
      const charge = file.block(place).find(({ row }) =>
        row.reservation === reservation && isReceipted(row)
      );
      if (charge) return charge.row;
    }
  }
  return undefined;
}
