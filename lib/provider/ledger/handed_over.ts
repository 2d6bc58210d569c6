/**
 * Rows of the journal that the operating system has and SQLite has not yet, in a file beside the
 * ledger. To write a line takes a fraction of what a commit takes (`deno task bench payments`, rows
 * "nothing run"), and no end of this process can undo it either. When the disk is written the rows
 * go into the table, in one transaction, and the lines that follow take the place of theirs: a file
 * that neither grows nor shrinks is written fastest.
 */
import { crc32 } from "node:zlib";
import { isMissing } from "../../files.ts";
import type { Row } from "./codec.ts";

/** Rows that were handed over together. */
interface Batch {
  /** Of the first; the others' follow. */
  readonly seq: number;
  readonly rows: readonly Row[];
}

const ENCODER = new TextEncoder();
/** Between a batch and its checksum, a number of 32 bits in digits. */
const SEPARATOR = " ";
const CHECKSUM_BYTES = 12;

/** Where it is, of the ledger at `path`. */
function pathBeside(path: string): string {
  return `${path}-handed-over`;
}

export class HandedOver {
  readonly #file: Deno.FsFile;
  /** A line is made in it, and one that takes more in a larger one. */
  #bytes = new Uint8Array(4_096);

  /** Opens (or makes) the file of the ledger at `path`, its user's alone: it may hold permits. */
  constructor(path: string) {
    const options = { create: true, write: true, mode: 0o600 };
    this.#file = Deno.openSync(pathBeside(path), options);
  }

  /** @throws Error when the rows can't be written, or could not be read again */
  append({ seq, rows }: Batch): void {
    if (!rows.every(([at]) => Number.isFinite(at))) throw new Error("a row has no time");
    const line = this.#lineOf(JSON.stringify([seq, rows]));
    let written = 0;
    try {
      while (written < line.length) written += this.#file.writeSync(line.subarray(written));
    } catch (error) {
      // A disk that fills takes a part of it: what is written next stands in its place.
      this.#file.seekSync(-written, Deno.SeekMode.Current);
      throw error;
    }
  }

  /** What it holds is in the table. */
  rewind(): void {
    this.#file.seekSync(0, Deno.SeekMode.Start);
  }

  /** What it holds is in the table, and on the disk. */
  clear(): void {
    this.#file.truncateSync(0);
    this.rewind();
  }

  close(): void {
    this.#file.close();
  }

  /** A line of earlier may show through behind the last one: its checksum tells. */
  #lineOf(json: string): Uint8Array {
    const most = 3 * json.length + CHECKSUM_BYTES;
    if (this.#bytes.length < most) this.#bytes = new Uint8Array(2 * most);
    const bytes = this.#bytes;
    const { written } = ENCODER.encodeInto(json, bytes);
    const checksum = `${SEPARATOR}${crc32(bytes.subarray(0, written))}\n`;
    const end = ENCODER.encodeInto(checksum, bytes.subarray(written));
    return bytes.subarray(0, written + end.written);
  }
}

/**
 * What a life before, or the one that goes on, has handed over and not put into the table, whose
 * newest row is `newest`. What does not follow on the table is of earlier, and in it; or it was
 * torn off by a loss of power, as a line was that is not whole.
 */
export function handedOver(text: string, newest: number): Batch | null {
  const rows: Row[] = [];
  for (const line of text.split("\n")) {
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
  const end = line.lastIndexOf(SEPARATOR);
  const json = line.slice(0, Math.max(end, 0));
  if (end < 0 || line.slice(end + 1) !== String(crc32(json))) return null;
  const [seq, rows] = JSON.parse(json);
  return { seq, rows };
}
