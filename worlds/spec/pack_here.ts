/** Writes the sample program into a folder and packs it, as this process happens to be started. */
import { packForDeployment } from "../../lib/client/packed_program.ts";
import { SAMPLE_TREE, USUAL, writeTree } from "./program_tree.ts";

const [dir] = Deno.args as [string];
// Modes are those that the process's umask leaves.
const mask = Deno.umask();
await writeTree(dir, SAMPLE_TREE, { ...USUAL, modes: [0o777 & ~mask, 0o666 & ~mask] });
const { cid } = await packForDeployment(dir, false, { entrypoint: "./main", env: {} });
await Deno.stdout.write(new TextEncoder().encode(cid));
