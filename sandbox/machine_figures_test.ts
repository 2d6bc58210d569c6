import assert from "node:assert/strict";
import { machineFigures } from "./machine_figures.ts";

const HOST = { launcher: "bwrap", runUid: null } as const;

Deno.test("the helper sees how many descriptors its provider has, and what it may have", async () => {
  const before = await machineFigures(HOST);
  assert.ok(before.openDescriptors > 3, String(before.openDescriptors));
  assert.ok(before.descriptorsMax >= before.openDescriptors);
  const files = Array.from({ length: 20 }, () => Deno.openSync("/dev/null"));
  try {
    const { openDescriptors } = await machineFigures(HOST);
    const more = openDescriptors - before.openDescriptors;
    assert.ok(more >= 20 && more < 30, `${more} more`);
  } finally {
    for (const file of files) file.close();
  }
});
