import assert from "node:assert/strict";
import { type Block, cidOf, RAW } from "../cid.ts";
import { writeCar } from "./car.ts";
import { type CarSection, carSections } from "./car_file.ts";

const block = (length: number, seed: number): Block => {
  const bytes = new Uint8Array(length).fill(seed);
  return { cid: cidOf(RAW, bytes), bytes };
};

async function sectionsOf(car: Uint8Array): Promise<CarSection[]> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, car);
    using file = await Deno.open(path);
    return await Array.fromAsync(carSections(file));
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("each block is where it is said to be, small ones and those longer than a read", async () => {
  const sizes = [0, 1, 100, 16_384, 16_300, 16_340, 1_000_000, 2 ** 21, 5];
  const blocks = sizes.map(block);
  const car = writeCar({ root: blocks[0]!.cid, blocks });
  const sections = await sectionsOf(car);
  assert.deepEqual(sections.map(({ cid }) => String(cid)), blocks.map(({ cid }) => String(cid)));
  for (const [index, { offset, length }] of sections.entries()) {
    assert.deepEqual(car.slice(offset, offset + length), blocks[index]!.bytes);
  }
});

Deno.test("what is no CAR of ours is refused", async () => {
  const car = writeCar({ root: block(1, 1).cid, blocks: [block(100, 1)] });
  const header = car.length - 100 - 37;
  const cases = [
    new Uint8Array(),
    new Uint8Array(100).fill(0xff),
    Uint8Array.of(0xff, 0xff, 0x7f),
    Uint8Array.of(...car.subarray(0, header), 0xff, 0xff, 0xff, 0xff, 0x7f),
    Uint8Array.of(...car.subarray(0, header), 1, 1),
    Uint8Array.of(...car.subarray(0, header), 0xff, 0xff, 0xff, 0x0f, ...block(0, 0).cid.bytes),
  ];
  for (const bytes of cases) await assert.rejects(sectionsOf(bytes), `${bytes.length} bytes`);
});
