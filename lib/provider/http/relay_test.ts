import assert from "node:assert/strict";
import { readShort, type Relay } from "./relay.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** What is left of an answer. */
async function restOf(relay: Relay): Promise<string> {
  let text = "";
  for (let chunk; (chunk = await relay.read()) !== null;) text += new TextDecoder().decode(chunk);
  return text;
}

/** A program's output: what it has printed so far, and whether it is over. */
function output(printed: string[], { isOver }: { isOver: boolean }): Relay {
  let left: Uint8Array[] = printed.map(bytesOf);
  return {
    isComplete: () => isOver,
    read: () => Promise.resolve(left.shift() ?? null),
    putBack: (chunks) => void (left = [...chunks, ...left]),
    cancel: () => Promise.resolve(),
    ended: new Promise<never>(() => {}),
  };
}

Deno.test("an answer that is over comes in one piece", async () => {
  const relay = output(["khacha", "puri"], { isOver: true });
  assert.deepEqual(await readShort(relay), bytesOf("khachapuri"));
});

Deno.test("an empty answer is an empty piece", async () => {
  assert.deepEqual(await readShort(output([], { isOver: true })), new Uint8Array(0));
});

Deno.test("what a program says before its end waits for nothing, and nothing is lost", async () => {
  const relay = output(["first ", "second"], { isOver: false });
  assert.equal(await readShort(relay), null);
  assert.equal(await restOf(relay), "first second");
});

Deno.test("what is large is streamed, with nothing lost and nothing twice", async () => {
  const relay = output(["a", "b", "c"].map((each) => each.repeat(40_000)), { isOver: true });
  assert.equal(await readShort(relay), null);
  const text = await restOf(relay);
  assert.deepEqual([text.length, text.replace(/(.)\1+/g, "$1")], [120_000, "abc"]);
});

Deno.test("a failure reaches whoever reads", async () => {
  const relay = output([], { isOver: true });
  relay.read = () => Promise.reject(new Error("cut off"));
  await assert.rejects(readShort(relay), /cut off/);
});
