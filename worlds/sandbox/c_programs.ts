/** Programs in C for sandboxes, statically linked: for this machine, or for another one. */
import { KhachapuriError } from "../../lib/errors.ts";
import { CROSS_KERNEL_HEADERS, crossCompile } from "../../sandbox/cross.ts";
import { type Machine, ownMachine } from "../../sandbox/machine.ts";

const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-static", "-Wall", "-Wextra", "-Werror"];

/**
 * @param sources absolute paths
 * @throws KhachapuriError `internal`, or what crossCompile throws, with what the compiler said
 */
export async function compileC(
  sources: readonly string[],
  machine: Machine = ownMachine(),
): Promise<Uint8Array<ArrayBuffer>> {
  const path = await Deno.makeTempFile();
  const isOwn = machine === ownMachine();
  const folders = isOwn
    ? [`/usr/include/${machine}-linux-gnu`, "/usr/include"]
    : [CROSS_KERNEL_HEADERS];
  const headers = folders.flatMap((folder) => ["-idirafter", folder]);
  const args = [...FLAGS, ...headers, "-o", path, ...sources];
  try {
    if (isOwn) await compileHere(args);
    else await crossCompile(["-mno-outline-atomics", ...args]);
    return await Deno.readFile(path);
  } finally {
    await Deno.remove(path);
  }
}

async function compileHere(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("musl-gcc", { args }).output();
  if (!success) throw new KhachapuriError("internal", new TextDecoder().decode(stderr));
}
