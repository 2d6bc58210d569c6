import assert from "node:assert/strict";
import fc from "fast-check";
import { importBytes } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced } from "ipfs-unixfs-importer/layout";
import { formatCid, isContentOf } from "../cid.ts";
import { importFile } from "./dag.ts";

const discard = { put: (cid: unknown) => cid } as unknown as Parameters<typeof importBytes>[1];

function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >> 9) * 7;
  return bytes;
}

Deno.test("importFile gives the CIDs of ipfs-unixfs-importer's profile unixfs-v1-2025", async () => {
  const mib = 1024 * 1024;
  for (const length of [0, 1, mib - 1, mib, mib + 1, 2 * mib, 5 * mib + 7]) {
    const bytes = patterned(length);
    const theirs = await importBytes(bytes, discard, {
      profile: "unixfs-v1-2025",
      // The importer takes the width from the layout alone.
      layout: balanced({ maxChildrenPerNode: 1024 }),
    });
    assert.equal(formatCid(importFile(bytes).root), theirs.cid.toString(), `${length} bytes`);
  }
});

Deno.test("importFile lays out several levels as ipfs-unixfs-importer does", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 0, maxLength: 600 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 2, max: 5 }),
      async (bytes, chunkBytes, widthMax) => {
        const theirs = await importBytes(bytes, discard, {
          profile: "unixfs-v1-2025",
          chunker: fixedSize({ chunkSize: chunkBytes }),
          layout: balanced({ maxChildrenPerNode: widthMax }),
        });
        const ours = importFile(bytes, { chunkBytes, widthMax });
        assert.equal(formatCid(ours.root), theirs.cid.toString());
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("importFile lists every block once, the root first, each true to its CID", () => {
  const bytes = new Uint8Array(1_000).fill(7);
  const { root, blocks } = importFile(bytes, { chunkBytes: 10, widthMax: 4 });
  assert.ok(blocks[0]!.cid.equals(root));
  assert.equal(new Set(blocks.map(({ cid }) => cid.toString())).size, blocks.length);
  for (const { cid, bytes } of blocks) assert.ok(isContentOf(cid, bytes));
  // 100 equal leaves, 25 equal parents, then 7, 2 and 1: one of each kind remains.
  assert.ok(blocks.length < 10, `${blocks.length} blocks`);
});
