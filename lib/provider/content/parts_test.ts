import assert from "node:assert/strict";
import { join } from "node:path";
import { carOfBytes, openPushWorld, OTHER, OWNER } from "../../../worlds/content/push_world.ts";
import { parseCid } from "../../cid.ts";
import { Leisure } from "../../leisure.ts";
import { CarIntake, takingInto } from "./car_intake.ts";
import { takeFrom } from "./parts.ts";

const CAR = carOfBytes(200 * 1024);
const PART = { root: CAR.root, owner: OWNER };

Deno.test("what a killed process left is checked before it counts as here", async () => {
  await using world = await openPushWorld();
  const bytes = CAR.bytes.slice(0, 150_000);
  bytes[100_000]! ^= 1;
  const path = join(world.dir, `${CAR.root}.${OWNER}.part`);
  await Deno.writeFile(path, bytes);
  await world.reopen();
  const verified = await world.parts.verified(PART, CAR.bytes.length);
  assert.ok(verified > 50_000 && verified < 100_000, String(verified));
  assert.equal((await Deno.stat(path)).size, verified);
  assert.equal(await world.parts.verified({ ...PART, owner: OTHER }, CAR.bytes.length), 0);
});

Deno.test("the oldest is given up first, and only an owner's where it is about the owner", async () => {
  await using world = await openPushWorld();
  const parts = [OWNER, OTHER, OWNER].map((owner, seed) => ({
    root: carOfBytes(9, seed).root,
    owner,
  }));
  for (const part of parts) {
    (await world.kept.files.openPart(part)).close();
    world.parts.put(part, 5_000);
    world.clock.advance(1_000);
  }
  assert.equal(world.parts.diskBytes(), 3 * 8_192);
  assert.equal(world.parts.diskBytes(OTHER), 8_192);
  await world.parts.giveUp(() => world.parts.diskBytes(OWNER) <= 8_192, OWNER);
  assert.deepEqual(parts.map((part) => world.parts.has(part)), [false, true, true]);
  await world.parts.giveUp(() => false, OTHER);
  assert.deepEqual(parts.map((part) => world.parts.has(part)), [false, false, true]);
  world.parts.take(parts[2]!);
  assert.equal(world.parts.diskBytes(), 0, "it is somebody's who goes on with it");
});

Deno.test("what a file has at its beginning is taken as if it came", async () => {
  await using world = await openPushWorld();
  using file = await world.kept.files.openPart(PART);
  await file.write(CAR.bytes);
  const intake = new CarIntake(parseCid(CAR.root), CAR.bytes.length);
  const leisure = new Leisure();
  await takeFrom(file, CAR.bytes.length, takingInto(intake, leisure));
  assert.ok((await leisure.steps(intake.end())).length > 3);
});
