/**
 * Rows of the journal that the operating system has and SQLite has not yet, in a file beside the
 * ledger. To append a line takes a fraction of what a commit takes (`deno task bench payments`,
 * rows "nothing run"), and no end of this process can undo it either. When the disk is written the
 * rows go into the table, in one transaction, and the file is empty again.
 */
import { isMissing } from "../../files.ts";
import type { Row } from "./codec.ts";

/** Rows that were handed over together. */
interface Batch {
  /** Of the first; the others' follow. */
  readonly seq: number;
  readonly rows: readonly Row[];
}

/** Where it is, of the ledger at `path`. */
function pathBeside(path: string): string {
  return `${path}-handed-over`;
}

export class HandedOver {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();
  #isEmpty = false;

  /** Opens (or makes) the file of the ledger at `path`; it names payers, and permits may be in it. */
  constructor(path: string) {
    const options = { create: true, append: true, mode: 0o600 };
    this.#file = Deno.openSync(pathBeside(path), options);
  }

  /** @throws Error when the rows can't be written, or could not be read again */
  append({ seq, rows }: Batch): void {
    if (!rows.every(([at]) => Number.isFinite(at))) throw new Error("a row has no time");
    this.#isEmpty = false;
    const line = this.#encoder.encode(`${JSON.stringify([seq, rows])}\n`);
    for (let written = 0; written < line.length;) {
      written += this.#file.writeSync(line.subarray(written));
    }
  }

  /** What it holds is in the table. */
  clear(): void {
    if (this.#isEmpty) return;
    this.#file.truncateSync(0);
    this.#isEmpty = true;
  }

  close(): void {
    this.#file.close();
  }
}

/**
 * What a life before, or the one that goes on, has handed over and not put into the table, whose
 * newest row is `newest`. What is in both was put there just before an end; what does not follow on
 * the table was torn off it by a loss of power, and so was a line that is not whole.
 */
export function handedOver(text: string, newest: number): Batch | null {
  const rows: Row[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const batch = batchIn(line);
    if (batch?.seq !== newest + rows.length + 1) break;
    for (const row of batch.rows) rows.push(row);
  }
  return rows.length === 0 ? null : { seq: newest + 1, rows };
}

/** What the file of the ledger at `path` holds; "" when there is none. */
export function handedOverText(path: string): string {
  try {
    return Deno.readTextFileSync(pathBeside(path));
  } catch (error) {
    if (isMissing(error)) return "";
    throw error;
  }
}

function batchIn(line: string): Batch | null {
  try {
    const [seq, rows] = JSON.parse(line);
    return { seq, rows };
  } catch {
    return null;
  }
}
