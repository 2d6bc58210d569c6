import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  type Car,
  carOfBytes,
  openPushWorld,
  OTHER,
  OWNER,
  pushOf,
} from "../../../worlds/content/push_world.ts";

const [ONE, TWO]: readonly Car[] = [carOfBytes(9_000, 1), carOfBytes(9_000, 2)];
const ID: Hex = "0x01";
const DAY = 24;

async function world() {
  const opened = await openPushWorld({ keepSeconds: 86_400 });
  const isKept = (car: Car) => opened.kept.index.find(car.root) !== null;
  const sweepFor = async (days: number) => {
    for (let hour = 0; hour < days * DAY; hour++) {
      opened.hours(1);
      await opened.retention.sweep();
    }
  };
  return Object.assign(opened, { isKept, sweepFor });
}

Deno.test("what a deployment uses is kept, what none does goes after its time", async () => {
  await using opened = await world();
  await opened.push(ONE!);
  await opened.push(TWO!);
  opened.kept.noteUse([ONE!.root], { owner: OWNER, id: ID });
  await opened.sweepFor(0.9);
  assert.deepEqual([opened.isKept(ONE!), opened.isKept(TWO!)], [true, true]);
  await opened.sweepFor(0.2);
  assert.deepEqual([opened.isKept(ONE!), opened.isKept(TWO!)], [true, false]);
  await opened.sweepFor(10);
  assert.ok(opened.isKept(ONE!));
  assert.deepEqual(await opened.files(), [`${ONE!.root}.car`]);
});

Deno.test("a deployment that was stopped needs it for as long again", async () => {
  await using opened = await world();
  await opened.push(ONE!);
  opened.kept.noteUse([ONE!.root], { owner: OWNER, id: ID });
  await opened.sweepFor(5);
  opened.stopped.add(ID);
  await opened.sweepFor(0.9);
  assert.ok(opened.isKept(ONE!));
  await opened.sweepFor(0.2);
  assert.ok(!opened.isKept(ONE!));
});

Deno.test("an owner that has nothing allowed any more has it kept for so long", async () => {
  await using opened = await world();
  await opened.push(ONE!);
  opened.kept.noteUse([ONE!.root], { owner: OWNER, id: ID });
  opened.allowed.set(OWNER, 0n);
  await opened.sweepFor(0.9);
  assert.ok(opened.isKept(ONE!));
  await opened.sweepFor(0.2);
  assert.ok(!opened.isKept(ONE!));
});

Deno.test("an owner that has little left has what came last kept for so long", async () => {
  await using opened = await world();
  await opened.push(TWO!);
  await opened.push(ONE!);
  opened.kept.noteUse([ONE!.root, TWO!.root], { owner: OWNER, id: ID });
  const { diskBytes } = opened.kept.index.find(ONE!.root)!;
  // A MiB for each USDC: room for one of them.
  opened.allowed.set(OWNER, BigInt(Math.ceil(diskBytes * 1_000_000 / 2 ** 20)));
  await opened.sweepFor(0.9);
  assert.deepEqual([opened.isKept(ONE!), opened.isKept(TWO!)], [true, true]);
  await opened.sweepFor(0.2);
  assert.deepEqual([opened.isKept(ONE!), opened.isKept(TWO!)], [false, true]);
  await opened.sweepFor(10);
  assert.ok(opened.isKept(TWO!));
  opened.allowed.set(OWNER, 1n);
  await opened.sweepFor(1.1);
  assert.ok(!opened.isKept(TWO!), "a base unit is good for no byte");
});

Deno.test("an owner that allows more again in time has it all kept", async () => {
  await using opened = await world();
  await opened.push(ONE!);
  opened.kept.noteUse([ONE!.root], { owner: OWNER, id: ID });
  opened.allowed.set(OWNER, 1n);
  await opened.sweepFor(0.9);
  opened.allowed.set(OWNER, 4_000_000n);
  await opened.sweepFor(0.9);
  opened.allowed.set(OWNER, 1n);
  await opened.sweepFor(0.9);
  assert.ok(opened.isKept(ONE!));
});

Deno.test("for want of room what an owner's allowance is not good for goes before its time", async () => {
  await using opened = await world();
  await opened.push(ONE!);
  await opened.push(TWO!, pushOf(TWO!, { owner: OTHER }));
  opened.kept.noteUse([ONE!.root], { owner: OWNER, id: ID });
  opened.kept.noteUse([TWO!.root], { owner: OTHER, id: ID });
  opened.allowed.set(OWNER, 1n);
  opened.hours(1.5);
  await opened.retention.makeRoom(() => opened.kept.count() === 0);
  assert.deepEqual([opened.isKept(ONE!), opened.isKept(TWO!)], [false, true]);
});

Deno.test("while nobody can say what is allowed, nothing counts as gone", async () => {
  await using opened = await world();
  await opened.push(ONE!);
  opened.kept.noteUse([ONE!.root], { owner: OWNER, id: ID });
  opened.allowed.set(OWNER, null);
  await opened.sweepFor(3);
  assert.ok(opened.isKept(ONE!));
});

Deno.test("another's deployment is no reason to keep it for its owner, its own is", async () => {
  await using opened = await world();
  await opened.push(ONE!);
  opened.kept.noteUse([ONE!.root], { owner: OTHER, id: ID });
  await opened.push(TWO!, pushOf(TWO!, { owner: OTHER }));
  opened.kept.noteUse([TWO!.root], { owner: OTHER, id: ID });
  await opened.sweepFor(1.1);
  assert.deepEqual([opened.isKept(ONE!), opened.isKept(TWO!)], [false, true]);
});

Deno.test("for want of room what is needed longest ago goes first, and nothing of this hour", async () => {
  await using opened = await world();
  await opened.push(ONE!);
  opened.hours(1.5);
  await opened.push(TWO!);
  await opened.retention.makeRoom(() => opened.kept.count() === 0);
  assert.deepEqual([opened.isKept(ONE!), opened.isKept(TWO!)], [false, true]);
  opened.hours(1.5);
  await opened.retention.makeRoom(() => true);
  assert.ok(opened.isKept(TWO!), "there was room");
});

Deno.test("what is pushed again while others are given up is kept for as long again", async () => {
  await using opened = await world();
  await opened.push(ONE!);
  await opened.push(TWO!);
  opened.hours(DAY + 1);
  // Both are seen to be over time; the second is pushed while the first is removed.
  await Promise.all([opened.retention.sweep(), opened.push(TWO!)]);
  assert.deepEqual([opened.isKept(ONE!), opened.isKept(TWO!)], [false, true]);
  await opened.sweepFor(1.1);
  assert.ok(!opened.isKept(TWO!));
});
