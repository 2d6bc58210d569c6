/** The archive that a kernel unpacks as its first root: cpio, "newc" (initramfs-buffer-format). */

export interface Entry {
  /** Relative, without a dot; a folder stands before what is in it. */
  path: string;
  /** null: a folder. Files can be executed. */
  bytes: Uint8Array | null;
}

const [FOLDER, PROGRAM] = [0o040755, 0o100755];
const TRAILER = "TRAILER!!!";

/** Not compressed. */
export function initramfs(entries: readonly Entry[]): Uint8Array {
  const parts = entries.map(({ path, bytes }, index) =>
    member(path, index + 1, bytes === null ? FOLDER : PROGRAM, bytes ?? new Uint8Array())
  );
  const all = [...parts, member(TRAILER, 0, 0, new Uint8Array())];
  const archive = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of all) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}

/** Header and name, then the content, each filled up to four bytes. */
function member(path: string, inode: number, mode: number, bytes: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(`${path}\0`);
  const [links, owner, time, device, check] = [1, 0, 0, 0, 0];
  const fields = [inode, mode, owner, owner, links, time, bytes.length]
    .concat(device, device, device, device, name.length, check);
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  const begin = fill(head.length + name.length);
  const result = new Uint8Array(begin + fill(bytes.length));
  result.set(new TextEncoder().encode(head));
  result.set(name, head.length);
  result.set(bytes, begin);
  return result;
}

const fill = (length: number) => Math.ceil(length / 4) * 4;
