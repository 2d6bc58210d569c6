/** A file that a command makes. */
import { KhachapuriError } from "../errors.ts";
import { fileError } from "../files.ts";
import { writeAll } from "../provider/backup/written.ts";

/**
 * Has a file written of its user's own; it is under its name only when it is whole.
 * @throws KhachapuriError `invalid_input` where there is one; as `named`
 */
export async function inNewFile<Result>(
  path: string,
  make: (write: (bytes: ReadableStream<Uint8Array>) => Promise<void>) => Promise<Result>,
): Promise<Result> {
  if (await Deno.lstat(path).then(() => true, () => false)) {
    throw new KhachapuriError("invalid_input", `${path} is there already`, {
      hints: ["name another file: none is written over"],
    });
  }
  const partial = `${path}.partial`;
  const opened = Deno.open(partial, { create: true, truncate: true, write: true, mode: 0o600 });
  const file = await opened.catch(async (error) => {
    throw await fileError(error, path, "written");
  });
  try {
    const result = await make((bytes) => writeAll(file, bytes));
    file.close();
    await Deno.rename(partial, path);
    return result;
  } catch (error) {
    await Deno.remove(partial).catch(() => {});
    throw await fileError(error, path, "written");
  }
}
