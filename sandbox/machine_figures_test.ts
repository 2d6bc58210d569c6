import assert from "node:assert/strict";
import { machineFigures } from "./machine_figures.ts";

const HOST = { launcher: "bwrap", runUid: null } as const;

Deno.test("the helper sees how many descriptors its provider has, and what it may have", async () => {
  const before = await machineFigures(HOST, "/tmp");
  assert.ok(before.openDescriptors > 3, String(before.openDescriptors));
  assert.ok(before.descriptorsMax >= before.openDescriptors);
  const files = Array.from({ length: 20 }, () => Deno.openSync("/dev/null"));
  try {
    const { openDescriptors } = await machineFigures(HOST, "/tmp");
    const more = openDescriptors - before.openDescriptors;
    assert.ok(more >= 20 && more < 30, `${more} more`);
  } finally {
    for (const file of files) file.close();
  }
});

Deno.test("the room on a path's disk is told, and nothing where there is no such path", async () => {
  const { diskFreeBytes, diskBytes } = await machineFigures(HOST, "/tmp");
  assert.ok(diskFreeBytes > 0 && diskFreeBytes <= diskBytes);
  const nowhere = await machineFigures(HOST, "/nowhere/at/all");
  assert.ok(Number.isNaN(nowhere.diskFreeBytes) && Number.isNaN(nowhere.diskBytes));
  assert.ok(nowhere.openDescriptors > 3);
});
