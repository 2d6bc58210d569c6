import assert from "node:assert/strict";
import { inFolder } from "../../../worlds/home.ts";
import { Ballast } from "./ballast.ts";

const BYTES = 100_000;
const sizeOf = (path: string) => Deno.statSync(path).size;

Deno.test("a ballast takes its room, gives it up once, and takes it again", async () => {
  await inFolder((dir) => {
    const path = `${dir}/ballast`;
    const ballast = new Ballast(path, BYTES);
    assert.deepEqual([ballast.isGivenUp(), sizeOf(path)], [false, BYTES]);
    assert(Deno.statSync(path).blocks! * 512 >= BYTES, "it is no hole");
    assert.equal(ballast.giveUp(), true);
    assert.deepEqual([ballast.isGivenUp(), sizeOf(path)], [true, 0]);
    assert.equal(ballast.giveUp(), false, "there is nothing more to be had");
    assert.equal(ballast.restore(), true);
    assert.deepEqual([ballast.isGivenUp(), sizeOf(path)], [false, BYTES]);
    return Promise.resolve();
  });
});

Deno.test("one of an earlier start is kept as it is, and a torn one filled", async () => {
  await inFolder((dir) => {
    const path = `${dir}/ballast`;
    new Ballast(path, BYTES);
    const before = Deno.statSync(path).mtime!.getTime();
    new Ballast(path, BYTES);
    assert.equal(Deno.statSync(path).mtime!.getTime(), before);
    Deno.truncateSync(path, 1);
    new Ballast(path, BYTES);
    assert.equal(sizeOf(path), BYTES);
    return Promise.resolve();
  });
});

Deno.test("one that was left is its next owner's: nothing is taken or given up any more", async () => {
  await inFolder((dir) => {
    const path = `${dir}/ballast`;
    const [before, left] = [new Ballast(path, BYTES), new Ballast(path, BYTES)];
    left.giveUp();
    for (const ballast of [before, left]) ballast.leave();
    const next = new Ballast(path, BYTES);
    assert.equal(next.giveUp(), true);
    assert.deepEqual([left.isGivenUp(), left.restore(), sizeOf(path)], [false, true, 0]);
    next.restore();
    assert.deepEqual([before.giveUp(), sizeOf(path)], [false, BYTES]);
    return Promise.resolve();
  });
});
