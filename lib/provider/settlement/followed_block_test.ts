import assert from "node:assert/strict";
import { join } from "node:path";
import type { Hex } from "viem";
import { keepFollowedBlock, readFollowedBlock } from "./followed_block.ts";

const [ESCROW, PROVIDER] = ["ee", "aa"].map((byte): Hex => `0x${byte.repeat(20)}`) as [Hex, Hex];
const SUBJECT = { chainId: 1, escrow: ESCROW, provider: PROVIDER };
const BLOCK = { number: 12n, hash: `0x${"12".repeat(32)}` as Hex };

async function inDir(work: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  await work(join(dir, "followed.json")).finally(() => Deno.remove(dir, { recursive: true }));
}

Deno.test("the block that was kept last is read again, for what it was kept for", () =>
  inDir(async (path) => {
    assert.equal(await readFollowedBlock(path, SUBJECT), null);
    await keepFollowedBlock(path, SUBJECT, { ...BLOCK, number: 11n });
    await keepFollowedBlock(path, SUBJECT, BLOCK);
    assert.deepEqual(await readFollowedBlock(path, SUBJECT), BLOCK);
    for (const other of [{ chainId: 2 }, { escrow: PROVIDER }, { provider: ESCROW }]) {
      assert.equal(await readFollowedBlock(path, { ...SUBJECT, ...other }), null);
    }
  }));

Deno.test("a file that a loss of power left empty or torn is none", () =>
  inDir(async (path) => {
    for (const text of ["", "{", "null", '{"number":"12"}']) {
      await Deno.writeTextFile(path, text);
      assert.equal(await readFollowedBlock(path, SUBJECT), null);
    }
  }));
