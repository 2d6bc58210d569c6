import assert from "node:assert/strict";
import { join } from "node:path";
import {
  carOfBytes,
  openPushWorld,
  OTHER,
  OWNER,
  pushOf,
} from "../../../worlds/content/push_world.ts";
import { blockKey, cidOf, DAG_PB, parseCid, RAW } from "../../cid.ts";
import { readCar } from "../../ipfs/car.ts";

const CAR = carOfBytes(300 * 1024);
const LIMITS = { bytesMax: 2 ** 20, blocksMax: 100 };

Deno.test("every block is read by its cid, and none that is not kept", async () => {
  await using world = await openPushWorld();
  await world.push(CAR);
  const blocks = await Array.fromAsync(readCar(ReadableStream.from([CAR.bytes]), LIMITS));
  assert.ok(blocks.length > 4);
  for (const { cid, bytes } of blocks) assert.deepEqual(await world.kept.get(cid), bytes);
  const unknown = cidOf(RAW, new Uint8Array([1]));
  assert.equal(await world.kept.get(unknown), null);
  assert.equal(await world.kept.readFile(unknown, 100), null);
  // The same bytes under the other version are the same block.
  const zero = cidOf(DAG_PB, blocks[0]!.bytes).toV0();
  assert.equal(blockKey(zero), blockKey(blocks[0]!.cid));
  assert.deepEqual(await world.kept.get(zero), blocks[0]!.bytes);
});

Deno.test("what no deployment uses is read by its owner alone, and of that root alone", async () => {
  await using world = await openPushWorld();
  const other = carOfBytes(100 * 1024, 2);
  await world.push(CAR);
  await world.push(other, pushOf(other, { owner: OTHER }));
  const { kept } = world;
  const [root, others] = [parseCid(CAR.root), parseCid(other.root)];
  assert.equal(await kept.used.get(root), null);
  assert.equal(kept.ofOwner(OTHER, CAR.root), null);
  const own = kept.ofOwner(OWNER, CAR.root)!;
  assert.ok(await own.get(root));
  assert.equal(await own.get(others), null);
  kept.noteUse([CAR.root, other.root], { owner: OWNER, id: "0x01" });
  assert.ok(await kept.used.get(root));
  assert.equal(await kept.used.get(others), null, "another owner's deployment uses it, or none");
  for (const keeper of kept.index.keepers()) if (keeper.owner === OWNER) await kept.release(keeper);
  assert.equal(await kept.used.get(root), null);
});

Deno.test("a file larger than is wanted is refused with its size", async () => {
  await using world = await openPushWorld();
  await world.push(CAR);
  await assert.rejects(world.kept.readFile(parseCid(CAR.root), 1_000), {
    code: "invalid_input",
    data: { limitBytes: 1_000, fileBytes: 300 * 1024 },
  });
});

Deno.test("what the disk has changed is not served, and not kept any longer", async () => {
  await using world = await openPushWorld();
  await world.push(CAR);
  const path = join(world.dir, `${CAR.root}.car`);
  const bytes = await Deno.readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await Deno.writeFile(path, bytes);
  assert.equal(await world.kept.readFile(parseCid(CAR.root), 2 ** 20), null);
  assert.ok(world.lines.some((line) => line.includes("damaged")));
  assert.equal(world.kept.count(), 0);
  assert.equal(world.kept.bytes(), 0);
  assert.deepEqual(await world.files(), []);
  assert.ok((await world.push(CAR)).isNew, "it can be pushed anew");
});

Deno.test("a start goes by the book: files it does not know go, and rows without files", async () => {
  await using world = await openPushWorld();
  const other = carOfBytes(1_000, 2);
  await world.push(CAR);
  await world.push(other);
  await Deno.writeTextFile(join(world.dir, `${carOfBytes(10, 3).root}.car`), "not verified");
  await Deno.truncate(join(world.dir, `${other.root}.car`), 500);
  await world.reopen();
  assert.deepEqual(await world.files(), [`${CAR.root}.car`]);
  assert.equal(world.kept.count(), 1);
  assert.equal(await world.kept.get(parseCid(other.root)), null);
  assert.equal((await world.kept.readFile(parseCid(CAR.root), 2 ** 20))?.length, 300 * 1024);
});

Deno.test("of two owners that bring the same at once each has it kept", async () => {
  await using world = await openPushWorld();
  const receipts = await Promise.all([
    world.push(CAR),
    world.push(CAR, pushOf(CAR, { owner: OTHER })),
  ]);
  assert.equal(receipts.length, 2);
  assert.equal(world.kept.count(), 1);
  assert.deepEqual(world.kept.index.keepers().map(({ owner }) => owner).sort(), [OWNER, OTHER]);
  assert.deepEqual(await world.files(), [`${CAR.root}.car`]);
});
