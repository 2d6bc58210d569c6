import assert from "node:assert/strict";
import { slotsFor } from "../../limits_of_slots.ts";
import { slotRoom } from "./slot_room.ts";

const GIB = 2 ** 30;

Deno.test("slots follow from processors and memory, within bounds", () => {
  const at = (processors: number, gib: number, memoryMb = 512) =>
    slotsFor({ processors, memoryBytes: gib * GIB }, memoryMb);
  assert.equal(at(2, 64), 64);
  assert.equal(at(2, 4), 16);
  assert.equal(at(2, 4, 64), 64);
  assert.equal(at(1, 0.5), 4);
  assert.equal(at(128, 4_096), 1_024);
});

Deno.test("what is configured is taken as it is", () => {
  assert.equal(slotRoom({ concurrency: 3, memoryMb: 512 }), 3);
  const machine = {
    processors: navigator.hardwareConcurrency,
    memoryBytes: Deno.systemMemoryInfo().total,
  };
  assert.equal(slotRoom({ memoryMb: 512 }), slotsFor(machine, 512));
});
