/**
 * What was signed and has got nowhere, `<home>/unpublished/CID.car`: nobody else has it, and
 * `publish` takes it from there to where it was to go.
 */
import { join } from "node:path";
import { type CID, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { fileError, isMissing, isTaken } from "../../files.ts";
import { createPrivateFile } from "../../home_file.ts";
import { writeCar } from "../../ipfs/car.ts";
import type { Dag } from "../../ipfs/dag.ts";
import { UNPUBLISHED_BYTES_MAX } from "../../limits_of_content.ts";
import { readDeployments } from "../deployments_file.ts";
import { carPath, readCarFolder } from "./car_folder.ts";

/** Keeps them, readable to the user alone; on disk when this resolves. */
export async function keepUnpublished(
  home: string,
  dags: readonly Dag[],
  bytesMax = UNPUBLISHED_BYTES_MAX,
): Promise<void> {
  for (const dag of dags) {
    const path = carPath(folderOf(home), formatCid(dag.root));
    try {
      await createPrivateFile(path, writeCar(dag));
    } catch (error) {
      // A program that is deployed again has the same cid, and its file the same bytes.
      if (!isTaken(error)) throw error;
    }
  }
  await sweepUnpublished(home, bytesMax);
}

/**
 * Every block checked; null where it is not kept.
 * @throws KhachapuriError as `readCarFolder`
 */
export async function readUnpublished(
  home: string,
  root: CID,
  bytesMax: number,
): Promise<Dag | null> {
  try {
    return await readCarFolder(folderOf(home), root, bytesMax);
  } catch (error) {
    if (error instanceof KhachapuriError && error.code === "not_found") return null;
    throw error;
  }
}

/** Removes what was published since, or stopped, and of the rest the oldest that is too much. */
export async function sweepUnpublished(
  home: string,
  bytesMax = UNPUBLISHED_BYTES_MAX,
): Promise<void> {
  const dir = folderOf(home);
  const sizes = await sizesIn(dir);
  const kept = new Set<string>();
  let bytes = 0;
  for (const deployment of (await readDeployments(home)).toReversed()) {
    const isWanted = deployment.unpublished &&
      deployment.providers.some(({ stoppedAt }) => stoppedAt === undefined);
    if (!isWanted) continue;
    const files = [deployment.cid, deployment.program.cid].map((cid) => carPath(dir, cid));
    const added = files.filter((path) => sizes.has(path) && !kept.has(path));
    bytes += added.reduce((sum, path) => sum + sizes.get(path)!, 0);
    if (bytes > bytesMax) break;
    for (const path of added) kept.add(path);
  }
  for (const path of sizes.keys()) if (!kept.has(path)) await remove(path);
}

function folderOf(home: string): string {
  return join(home, "unpublished");
}

/** By path; none where there is no such folder. */
async function sizesIn(dir: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  try {
    for await (const { name } of Deno.readDir(dir)) {
      const path = join(dir, name);
      sizes.set(path, (await Deno.lstat(path)).size);
    }
  } catch (error) {
    if (!isMissing(error)) throw await fileError(error, dir, "read");
  }
  return sizes;
}

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!isMissing(error)) throw await fileError(error, path, "removed");
  }
}
