/** One file, and what goes with it, as `multipart/form-data` (RFC 7578) of known size. */

export interface MultipartFile {
  /** The field it is the value of. */
  field: string;
  name: string;
  contentType: string;
  bytes: number;
  parts: Iterable<Uint8Array>;
}

export interface Multipart {
  contentType: string;
  bytes: number;
  parts: Iterable<Uint8Array>;
  /** How many of the file's bytes are among the first `sent` of all. */
  ofFile(sent: number): number;
}

/**
 * The form with the plain fields first, as a server that streams wants to know them before the
 * file. No name or value may hold a quote or a line break.
 */
export function multipart(
  fields: Readonly<Record<string, string>>,
  file: MultipartFile,
): Multipart {
  const boundary = `khachapuri-${crypto.randomUUID()}`;
  const plain = Object.entries(fields).map(([name, value]) =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  );
  const head = `--${boundary}\r\n` +
    `content-disposition: form-data; name="${file.field}"; filename="${file.name}"\r\n` +
    `content-type: ${file.contentType}\r\n\r\n`;
  const before = encode(plain.join("") + head);
  const after = encode(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    bytes: before.length + file.bytes + after.length,
    parts: {
      *[Symbol.iterator]() {
        yield before;
        yield* file.parts;
        yield after;
      },
    },
    ofFile: (sent) => Math.min(Math.max(sent - before.length, 0), file.bytes),
  };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
