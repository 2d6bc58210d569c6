import assert from "node:assert/strict";
import { MemoryGauge } from "./memory_gauge.ts";

function gauge() {
  let asked = 0;
  const measured = {
    usage: () => Promise.resolve({ cpuMs: 0, memoryBytes: ++asked, processes: 1 }),
  };
  return { gauge: new MemoryGauge(measured), asked: () => asked };
}

Deno.test("an instance at work is measured every ten seconds", async () => {
  const { gauge: memory, asked } = gauge();
  assert.equal(memory.bytes, null);
  assert.equal(memory.whileAwake(0), 10_000);
  await Promise.resolve();
  assert.equal(memory.bytes, 1);
  assert.equal(memory.whileAwake(9_999), 10_000);
  assert.equal(asked(), 1);
  assert.equal(memory.whileAwake(10_000), 20_000);
  assert.equal(asked(), 2);
});

Deno.test("one that stands still is measured before, but not each time", () => {
  const { gauge: memory, asked } = gauge();
  memory.beforeFreeze(0);
  memory.beforeFreeze(999);
  assert.equal(asked(), 1);
  memory.beforeFreeze(1_000);
  assert.equal(asked(), 2);
});

Deno.test("one that is dead has no more than it had", async () => {
  const memory = new MemoryGauge({ usage: () => Promise.reject(new Error("dead")) });
  memory.whileAwake(0);
  await Promise.resolve();
  assert.equal(memory.bytes, null);
});
