import assert from "node:assert/strict";
import { meter, sizeText } from "./meter.ts";

Deno.test("amounts are told in the unit that fits them", () => {
  assert.deepEqual([0, 999, 1_000, 12_345, 999_000, 5_200_000, 64e6].map(sizeText), [
    "0 bytes",
    "999 bytes",
    "1.0 kB",
    "12 kB",
    "999 kB",
    "5.2 MB",
    "64 MB",
  ]);
});

Deno.test("a line tells bytes, rate and places, ten times a second at most", () => {
  const lines: string[] = [];
  let now = 0;
  const tell = meter((line) => lines.push(line), () => now);
  const pending = ["paolo.eth", "pinata"];
  tell({ bytes: 0, bytesOfAll: 4_000_000, pending });
  for (const bytes of [1_000_000, 2_000_000]) {
    now += 50;
    tell({ bytes, bytesOfAll: 4_000_000, pending });
  }
  now += 900;
  tell({ bytes: 4_000_000, bytesOfAll: 4_000_000, pending: ["pinata"] });
  tell({ bytes: 4_000_000, bytesOfAll: 4_000_000, pending: [] });
  assert.deepEqual(lines, [
    "publishing 0 bytes of 4.0 MB (paolo.eth, pinata)",
    "publishing 2.0 MB of 4.0 MB, 20 MB/s (paolo.eth, pinata)",
    "reading back (pinata)",
  ]);
});
