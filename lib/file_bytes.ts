/** Bytes out of a file and into it, all of them: the system may give or take fewer at a time. */

/** Reads from where the file stands. @returns how many bytes: fewer than wanted at its end */
export async function fill(file: Pick<Deno.FsFile, "read">, bytes: Uint8Array): Promise<number> {
  for (let filled = 0;;) {
    const read = filled < bytes.length ? await file.read(bytes.subarray(filled)) : null;
    if (read === null) return filled;
    filled += read;
  }
}

/** Writes them where the file stands. @throws what the disk refuses them with */
export async function writeAll(
  file: Pick<Deno.FsFile, "write">,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}
