/** Writes zip files for tests, wrong ones above all. */
import { deflateSync } from "fflate";
import { crc32 } from "node:zlib";

/** One entry; every lie is a field of its own. */
export interface SampleEntry {
  name: string;
  data?: string;
  mode?: number;
  flags?: number;
  method?: number;
  /** Compressed bytes in place of the true ones. */
  packed?: Uint8Array;
  declaredSize?: number;
  crc?: number;
  localName?: string;
  localMethod?: number;
  /** An extra field by id and size. */
  extra?: [id: number, size: number];
  descriptor?: "signed" | "plain" | "lie";
}

/** Lies about the archive as a whole. */
export interface SampleLies {
  offsets?: number[];
  count?: number;
  comment?: string;
  /** Bytes between the last entry and the directory. */
  gap?: number;
}

type Field = [value: number, bytes: 2 | 4];

function record(fields: readonly Field[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, field) => sum + field[1], 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [value, size] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** An archive of `entries`, as honest as they are. */
export function sampleZip(
  entries: readonly SampleEntry[],
  lies: SampleLies = {},
): Uint8Array<ArrayBuffer> {
  const locals: Uint8Array[] = [];
  const centrals: Uint8Array[] = [];
  let offset = 0;
  for (const [index, entry] of entries.entries()) {
    const { local, central } = writeEntry(entry, lies.offsets?.[index] ?? offset);
    locals.push(local);
    centrals.push(central);
    offset += local.length;
  }
  const start = offset + (lies.gap ?? 0);
  const directory = concat(centrals);
  const count = lies.count ?? entries.length;
  const comment = new TextEncoder().encode(lies.comment ?? "");
  const end = record([
    [0x06054b50, 4],
    [0, 4],
    [count, 2],
    [count, 2],
    [directory.length, 4],
    [start, 4],
    [comment.length, 2],
  ]);
  return concat([...locals, new Uint8Array(lies.gap ?? 0), directory, end, comment]);
}

function writeEntry(
  entry: SampleEntry,
  offset: number,
): { local: Uint8Array; central: Uint8Array } {
  const data = new TextEncoder().encode(entry.data ?? "content");
  const method = entry.method ?? 0;
  const packed = entry.packed ?? (method === 8 ? deflateSync(data) : data);
  const flags = (entry.flags ?? 0) | (entry.descriptor ? 8 : 0);
  const sizes: Field[] = [
    [entry.crc ?? crc32(data), 4],
    [packed.length, 4],
    [entry.declaredSize ?? data.length, 4],
  ];
  const zeros: Field[] = [[0, 4], [0, 4], [0, 4]];
  const name = encodeName(entry.name, flags);
  const localName = encodeName(entry.localName ?? entry.name, flags);
  const [id, size] = entry.extra ?? [0, 0];
  const extra = entry.extra
    ? concat([record([[id, 2], [size, 2]]), new Uint8Array(size)])
    : new Uint8Array();
  const head = (used: number, fields: Field[], text: Uint8Array): Field[] => [
    [20, 2],
    [flags, 2],
    [used, 2],
    [0, 4],
    ...fields,
    [text.length, 2],
  ];
  const local = concat([
    record([
      [0x04034b50, 4],
      ...head(entry.localMethod ?? method, entry.descriptor ? zeros : sizes, localName),
      [0, 2],
    ]),
    localName,
    packed,
    descriptorOf(entry, sizes),
  ]);
  const central = concat([
    record([
      [0x02014b50, 4],
      [0x0314, 2],
      ...head(method, sizes, name),
      [extra.length, 2],
      [0, 2],
      [0, 2],
      [0, 2],
      [((entry.mode ?? 0o100644) << 16) >>> 0, 4],
      [offset, 4],
    ]),
    name,
    extra,
  ]);
  return { local, central };
}

function descriptorOf({ descriptor }: SampleEntry, sizes: Field[]): Uint8Array {
  if (!descriptor) return new Uint8Array();
  if (descriptor === "plain") return record(sizes);
  const told = descriptor === "signed" ? sizes : sizes.map(([value]): Field => [value + 1, 4]);
  return record([[0x08074b50, 4], ...told]);
}

/** Latin-1 without the UTF-8 flag, so that a name can be neither. */
function encodeName(name: string, flags: number): Uint8Array {
  if ((flags & 0x800) !== 0) return new TextEncoder().encode(name);
  return Uint8Array.from(name, (char) => char.charCodeAt(0));
}
