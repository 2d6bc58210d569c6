/**
 * The CARs of ipfs/gateway-conformance (its folder `fixtures`), read, and served by a provider's
 * gateway: every block and every file as the reference libraries have them. They are no part of
 * this tree: KHACHAPURI_CONFORMANCE names the folder that they are in. What they are made for is
 * rebuilt in gateway_cases_test.ts, which always runs.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readCar } from "../lib/ipfs/car.ts";
import { askGateway } from "../worlds/ipfs/asked_gateway.ts";
import { assertServed } from "../worlds/ipfs/gateway_conformance.ts";
import { blocksOfCar, KeptBlocks } from "../worlds/ipfs/kept_blocks.ts";

const FOLDER = Deno.env.get("KHACHAPURI_CONFORMANCE");
const UNBOUNDED = { bytesMax: 1e9, blocksMax: 1e6 };

if (FOLDER === undefined) {
  Deno.test({
    name: "the CARs of ipfs/gateway-conformance: KHACHAPURI_CONFORMANCE names no folder of them",
    ignore: true,
    fn() {},
  });
} else {
  Deno.test("the CARs of ipfs/gateway-conformance are read and served", async (t) => {
    const paths = await carsBelow(FOLDER);
    const compared = { blocks: 0, files: 0, broken: 0 };
    for (const path of paths) {
      await t.step(path.slice(FOLDER.length + 1), async () => {
        const car = await Deno.readFile(path);
        const { roots, blocks } = await blocksOfCar(car);
        assert.deepEqual(await Array.fromAsync(readCar(streamOf(car), UNBOUNDED)), blocks);
        const served = await assertServed(askGateway(new KeptBlocks(blocks)), roots[0]!);
        for (const what of ["blocks", "files", "broken"] as const) compared[what] += served[what];
      });
    }
    assert.ok(paths.length >= 26, `${paths.length} CARs are there`);
    assert.ok(compared.files >= 88 && compared.broken > 0, JSON.stringify(compared));
  });
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Blob([bytes as BlobPart]).stream();
}

async function carsBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) found.push(...await carsBelow(path));
    else if (name.endsWith(".car")) found.push(path);
  }
  return found.sort();
}
