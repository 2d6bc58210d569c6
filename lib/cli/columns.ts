/** Rows as a table for a terminal. */
import { printable } from "../client/provider_http.ts";

export type Column<Row> = readonly [title: string, textOf: (row: Row) => string];

/** A head, and a line for each row; columns in which nothing stands are left out. */
export function columnLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): string[] {
  const padded = columns.flatMap(([title, textOf]) => {
    const texts = rows.map((row) => printable(textOf(row)));
    if (texts.every((text) => text === "")) return [];
    const width = Math.max(title.length, ...texts.map((text) => text.length));
    return [[title, ...texts].map((text) => text.padEnd(width))];
  });
  return [undefined, ...rows].map((_, line) =>
    padded.map((column) => column[line]!).join("  ").trimEnd()
  );
}
