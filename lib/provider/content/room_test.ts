import assert from "node:assert/strict";
import type { Address } from "viem";
import { carOfBytes, openPushWorld, OTHER, OWNER } from "../../../worlds/content/push_world.ts";
import { OWNER_PUSHES_MAX, PUSHES_MAX } from "../../limits_of_content.ts";
import { bytesFor } from "./room.ts";

const KIB = 1024;

Deno.test("what is taken counts until it is freed, in whole blocks of the disk", async () => {
  await using world = await openPushWorld();
  const place = world.room.take(OWNER, 1, 100 * KIB);
  assert.equal(world.room.used(OWNER), 4 * KIB);
  assert.equal(world.room.used(OTHER), 0);
  assert.throws(() => world.room.take(OWNER, 97 * KIB, 100 * KIB), { code: "payment_required" });
  place.free();
  assert.equal(world.room.used(OWNER), 0);
  world.room.take(OWNER, 97 * KIB, 100 * KIB).free();
});

Deno.test("owners together have no more than the disk is for", async () => {
  await using world = await openPushWorld({ bytesMax: 100 * KIB });
  const place = world.room.take(OWNER, 60 * KIB, 2 ** 30);
  assert.throws(() => world.room.take(OTHER, 60 * KIB, 2 ** 30), { code: "overloaded" });
  place.free();
  world.room.take(OTHER, 60 * KIB, 2 ** 30).free();
});

Deno.test("few come at a time, of one owner and of all", async () => {
  await using world = await openPushWorld();
  const ownerOf = (index: number): Address => `0x${String(10 + index).repeat(20)}`;
  const places = Array.from({ length: OWNER_PUSHES_MAX }, () => world.room.take(OWNER, 1, 2 ** 30));
  assert.throws(() => world.room.take(OWNER, 1, 2 ** 30), /too many pushes/);
  for (let index = places.length; index < PUSHES_MAX; index++) {
    places.push(world.room.take(ownerOf(index), 1, 2 ** 30));
  }
  assert.throws(() => world.room.take(OTHER, 1, 2 ** 30), /too many pushes/);
  for (const place of places) place.free();
  world.room.take(OTHER, 1, 2 ** 30).free();
});

Deno.test("room is made of what broke off before of what is kept, and not in vain", async () => {
  await using world = await openPushWorld();
  await world.push(carOfBytes(50 * KIB));
  const part = { root: carOfBytes(9, 2).root, owner: OWNER };
  (await world.kept.files.openPart(part)).close();
  world.parts.put(part, 40 * KIB);
  world.hours(2);
  const allowed = 128 * KIB;
  await world.room.make(OWNER, 200 * KIB, allowed);
  assert.ok(world.parts.has(part), "so much is allowed to nobody");
  await world.room.make(OWNER, 60 * KIB, allowed);
  assert.equal(world.parts.has(part), false);
  assert.equal(world.kept.count(), 1);
  await world.room.make(OWNER, 100 * KIB, allowed);
  assert.equal(world.kept.count(), 0);
});

Deno.test("an owner may have so much for each USDC, and no more than anybody", () => {
  const policy = { bytesPerUsdc: 1_000, bytesPerOwnerMax: 5_000 };
  assert.deepEqual([0n, 1n, 1_500_000n, 9_000_000n].map((amount) => bytesFor(amount, policy)), [
    0,
    0,
    1_500,
    5_000,
  ]);
});
