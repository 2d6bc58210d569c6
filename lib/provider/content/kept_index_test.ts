import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import type { Hex } from "viem";
import { OTHER, OWNER } from "../../../worlds/content/push_world.ts";
import { turnsDuring } from "../../../worlds/event_turns.ts";
import { inFolder } from "../../../worlds/home.ts";
import type { CidText } from "../../cid.ts";
import { KEPT_USES_MAX } from "../../limits_of_content.ts";
import { KeptIndex } from "./kept_index.ts";

const ROOT = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" as CidText;
const FILE = { root: ROOT, bytes: 5_000, diskBytes: 8_192 };
const digest = new Uint8Array(32).fill(7);
const PLACES = [{ digest: digest.toHex(), offset: 60, length: 10 }];

async function add(index: KeptIndex): Promise<void> {
  const id = index.newId();
  await index.addBlocks(id, PLACES);
  index.addRoot({ id, ...FILE }, OWNER, 1_000);
}

function withIndex(work: (index: KeptIndex, path: string) => Promise<void>): Promise<void> {
  return inFolder(async (dir) => {
    const path = join(dir, "content.db");
    const index = new KeptIndex(path);
    try {
      await work(index, path);
    } finally {
      index.close();
    }
  });
}

Deno.test("what is kept for two goes when the second gives it up", () =>
  withIndex(async (index) => {
    await add(index);
    const kept = index.find(ROOT)!;
    index.protect(kept, OTHER, 2_000);
    assert.deepEqual(
      index.ofOwner(OTHER),
      Object.assign(Object.create(null), { bytes: 8_192, roots: 1 }),
    );
    assert.deepEqual(index.placeOf(digest)?.offset, 60);
    const [first, second] = index.keepers();
    assert.deepEqual([first!.owner, second!.owner], [OWNER, OTHER], "longest unprotected first");
    assert.equal(index.release(first!), false);
    assert.ok(index.find(ROOT));
    assert.equal(index.release(second!), true);
    assert.equal(index.find(ROOT), null);
    assert.equal(index.placeOf(digest), null);
    assert.equal(index.ofOwner(OTHER).bytes, 0);
  }));

Deno.test("blocks whose root was never written are found by nobody, and gone at the next start", () =>
  withIndex((index, path) => {
    const database = new DatabaseSync(path);
    database.prepare("INSERT INTO blocks VALUES (?, 1, 0, 1)").run(digest);
    assert.equal(index.placeOf(digest), null);
    new KeptIndex(path).close();
    assert.equal(database.prepare("SELECT count(*) AS rows FROM blocks").get()!.rows, 0);
    database.close();
    return Promise.resolve();
  }));

Deno.test("others have their turn while very many blocks are noted, and dropped", () =>
  withIndex(async (index) => {
    const places = Array.from({ length: 4_000 }, (_, at) => {
      return { digest: (at * 7_919).toString(16).padStart(64, "0"), offset: at, length: 1 };
    });
    const id = index.newId();
    const noted = await turnsDuring(() => index.addBlocks(id, places));
    index.addRoot({ id, ...FILE }, OWNER, 1_000);
    const last = places.at(-1)!;
    assert.equal(index.placeOf(Uint8Array.fromHex(last.digest))?.offset, last.offset);
    const dropped = await turnsDuring(() => index.dropBlocks(id));
    assert.equal(index.placeOf(Uint8Array.fromHex(last.digest)), null);
    for (const turns of [noted, dropped]) assert.ok(turns >= 4_000 / 256, `${turns} turns`);
  }));

Deno.test("the newest uses are remembered, of each owner its own", () =>
  withIndex(async (index) => {
    await add(index);
    const kept = index.find(ROOT)!;
    for (let at = 0; at < KEPT_USES_MAX + 5; at++) {
      const id: Hex = `0x${at.toString(16)}`;
      index.noteUse(kept, { owner: OWNER, id }, at);
    }
    const [keeper] = index.keepers();
    const uses = index.usesOf(keeper!).map(({ id }) => Number(id)).sort((a, b) => a - b);
    assert.equal(uses.length, KEPT_USES_MAX);
    assert.equal(uses[0], 5);
    assert.deepEqual(index.usesOf({ id: kept.id, owner: OTHER }), []);
  }));

Deno.test("a nonce is new once, until it ran out and was forgotten", () =>
  withIndex((index) => {
    const nonce: Hex = `0x${"ab".repeat(32)}`;
    assert.equal(index.hasNonce(nonce), false);
    assert.equal(index.addNonce(nonce, 100n), true);
    assert.equal(index.addNonce(nonce, 100n), false);
    index.forgetNonces(100n);
    assert.ok(index.hasNonce(nonce), "it may still be used");
    index.forgetNonces(101n);
    assert.equal(index.hasNonce(nonce), false);
    return Promise.resolve();
  }));

Deno.test("what holds a block is found for those who have it kept", () =>
  withIndex(async (index) => {
    await add(index);
    assert.deepEqual(index.keptWith(digest, OWNER).map(({ root }) => root), [ROOT]);
    assert.deepEqual(index.keptWith(digest, OTHER), []);
    assert.equal(index.isKeeper(OWNER, ROOT), true);
    assert.equal(index.isKeeper(OTHER, ROOT), false);
  }));
