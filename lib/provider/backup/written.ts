/** A stream's bytes in a file, all of them on the disk. */

/**
 * @param see hears each chunk
 * @throws Deno.errors of the file, and what the stream fails with
 */
export async function writeAll(
  file: Deno.FsFile,
  stream: ReadableStream<Uint8Array>,
  see: (chunk: Uint8Array) => void = () => {},
): Promise<void> {
  for await (const chunk of stream) {
    see(chunk);
    for (let written = 0; written < chunk.length;) {
      written += await file.write(chunk.subarray(written));
    }
  }
  await file.sync();
}
