import assert from "node:assert/strict";
import { machineFigures } from "./machine_figures.ts";

const HOST = { launcher: "bwrap", runUid: null } as const;
const OPENED = 200;
/** What else this process opens and closes meanwhile: pipes to the helper, a test before. */
const OTHERS = 20;

Deno.test("the helper sees how many descriptors its provider has, and what it may have", async () => {
  const before = await machineFigures(HOST);
  assert.ok(before.openDescriptors > 3, String(before.openDescriptors));
  assert.ok(before.descriptorsMax >= before.openDescriptors);
  const files = Array.from({ length: OPENED }, () => Deno.openSync("/dev/null"));
  try {
    const { openDescriptors } = await machineFigures(HOST);
    const more = openDescriptors - before.openDescriptors;
    assert.ok(Math.abs(more - OPENED) < OTHERS, `${more} more`);
  } finally {
    for (const file of files) file.close();
  }
});
