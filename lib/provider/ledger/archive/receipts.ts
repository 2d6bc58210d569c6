/** Charges with a receipt in the archive, each found by the reservation that it ended. */
import type { DatabaseSync } from "node:sqlite";
import { Lru } from "../../../lru.ts";
import { isReceipted, type StoredRow } from "../codec.ts";
import { prepared } from "../prepared.ts";
import { segmentFrom } from "./archiver.ts";
import type { Party } from "./block_codec.ts";
import { archiveDir } from "./schema.ts";
import { SegmentFile } from "./segment_file.ts";

/** Parties that are remembered, some 300 bytes each. */
const PARTIES_KEPT = 100_000;

/** Those of files in which receipts were found lately, by their paths. */
export class KnownParties {
  readonly #files = new Lru<string, readonly Party[]>(
    PARTIES_KEPT,
    undefined,
    ({ length }) => length,
  );

  get(path: string): readonly Party[] | undefined {
    return this.#files.get(path);
  }

  note(path: string, parties: readonly Party[]): void {
    if (parties.length <= PARTIES_KEPT) this.#files.set(path, parties);
  }
}

/**
 * The row of the charge that ended a reservation. Reservations are numbered as they come, so few
 * blocks can have it, and each takes some milliseconds; the parties of a file, 3 ms for a thousand
 * and 100 ms for 30 thousand of them, are read once while they are remembered.
 * @param path of the ledger that the database is
 * @returns undefined when the archive has no receipt of it
 */
export function archivedReceipt(
  database: DatabaseSync,
  path: string,
  reservation: number,
  known: KnownParties,
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
    const parties = known.get(segment.path);
    using file = new SegmentFile(segment.path, segment.headBytes, parties);
    if (!parties) known.note(segment.path, file.parties);
    for (const place of places) {
      const charge = file.block(place).find(({ row }) =>
        row.reservation === reservation && isReceipted(row)
      );
      if (charge) return charge.row;
    }
  }
  return undefined;
}
