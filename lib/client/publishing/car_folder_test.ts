import assert from "node:assert/strict";
import { join } from "node:path";
import { CarReader } from "@ipld/car";
import { inFolder } from "../../../worlds/home.ts";
import { formatCid } from "../../cid.ts";
import { importFile } from "../../ipfs/dag.ts";
import { carFolder, readCarFolder } from "./car_folder.ts";

const DAG = importFile(new Uint8Array(5_000).map((_, i) => i >> 4), {
  chunkBytes: 500,
  widthMax: 4,
});
const silent = { onSent() {} };

Deno.test("what is written there is a CAR of it, and reads back whole", () =>
  inFolder(async (parent) => {
    const dir = join(parent, "a folder/cars");
    const to = carFolder(dir);
    await to.publish(DAG, silent);
    assert.equal(to.flags, `--out '${dir}'`);
    const file = await Deno.readFile(join(dir, `${formatCid(DAG.root)}.car`));
    const [root] = await (await CarReader.fromBytes(file)).getRoots();
    assert.equal(String(root), String(DAG.root));
    assert.deepEqual(await readCarFolder(dir, DAG.root, 10_000), DAG);
  }));

Deno.test("files that are missing, cut off or changed are no content", () =>
  inFolder(async (dir) => {
    await assert.rejects(readCarFolder(dir, DAG.root, 10_000), { code: "not_found" });
    await carFolder(dir).publish(DAG, silent);
    const path = join(dir, `${formatCid(DAG.root)}.car`);
    const whole = await Deno.readFile(path);
    await Deno.truncate(path, whole.length - 10);
    await assert.rejects(readCarFolder(dir, DAG.root, 10_000), { code: "invalid_input" });
    await Deno.writeFile(path, whole.with(whole.length - 1, whole.at(-1)! ^ 1));
    await assert.rejects(readCarFolder(dir, DAG.root, 10_000), { code: "ipfs_mismatch" });
    await Deno.writeFile(path, whole);
    await assert.rejects(readCarFolder(dir, DAG.root, 1_000), { code: "invalid_input" });
  }));

Deno.test("a folder that can't be written to is said so", () =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(join(dir, "file"), "");
    await assert.rejects(carFolder(join(dir, "file/cars")).publish(DAG, silent), {
      code: "file_unusable",
    });
  }));
