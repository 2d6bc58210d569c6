/** A folder that CAR files are written to, for who publishes them from there. */
import { join } from "node:path";
import { type Block, type CID, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { fileError, makeFolders } from "../../files.ts";
import { carBytes, readCar, writeCar } from "../../ipfs/car.ts";
import type { Dag } from "../../ipfs/dag.ts";
import { DAG_VISITS_MAX } from "../../limits.ts";
import { quotedWord } from "../../shell_word.ts";
import { assembleDag } from "./assemble_dag.ts";
import type { Destination } from "./destination.ts";

export function carFolder(dir: string): Destination {
  return {
    name: dir,
    flags: `--out ${quotedWord(dir)}`,
    reach: "files",
    order: "first",
    async publish(dag, { onSent }) {
      const path = carPath(dir, formatCid(dag.root));
      await makeFolders(dir, 0o777);
      await writeFile(path, writeCar(dag));
      await assertReadable(path, dag);
      onSent(carBytes(dag));
    },
  };
}

/** Where the CAR of a cid is in such a folder. */
export function carPath(dir: string, cid: string): string {
  return join(dir, `${cid}.car`);
}

/**
 * The DAG in such a folder, every block checked.
 * @throws KhachapuriError `not_found`; as `readCar`
 */
export async function readCarFolder(dir: string, root: CID, bytesMax: number): Promise<Dag> {
  const blocks = await readBlocks(carPath(dir, formatCid(root)), bytesMax);
  return await assembleDag(root, blocks, bytesMax);
}

async function readBlocks(path: string, bytesMax: number): Promise<Block[]> {
  try {
    const file = await Deno.open(path);
    const limits = { bytesMax, blocksMax: DAG_VISITS_MAX };
    return await Array.fromAsync(readCar(file.readable, limits));
  } catch (error) {
    throw await fileError(error, path, "read");
  }
}

async function writeFile(path: string, car: Uint8Array): Promise<void> {
  try {
    await Deno.writeFile(path, car);
  } catch (error) {
    throw await fileError(error, path, "written");
  }
}

/** A full disk shows late. */
async function assertReadable(path: string, dag: Dag): Promise<void> {
  const blocks = await readBlocks(path, carBytes(dag));
  if (blocks.length === dag.blocks.length) return;
  throw new KhachapuriError("file_unusable", `${path} does not hold what was written to it`);
}
