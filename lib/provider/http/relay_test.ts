import assert from "node:assert/strict";
import { readShort as read, type Relay } from "./relay.ts";
import { ShortTimer } from "./short_timer.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

async function readShort(relay: Relay) {
  const timer = new ShortTimer();
  return await read(relay, timer).finally(() => timer.close());
}

/** What is left of an answer. */
async function restOf(relay: Relay): Promise<string> {
  let text = "";
  for (let chunk; (chunk = await relay.read()) !== null;) text += new TextDecoder().decode(chunk);
  return text;
}

/** A program's output under the test's control. */
function output() {
  const waiting: PromiseWithResolvers<Uint8Array | null>[] = [];
  const next = (index: number) => waiting[index] ??= Promise.withResolvers();
  let asked = 0;
  let again: Uint8Array[] = [];
  let pending: Promise<Uint8Array | null> | null = null;
  const relay: Relay = {
    isComplete: () => false,
    async read() {
      const chunk = again.shift();
      if (chunk) return chunk;
      const under = pending;
      pending = null;
      return await (under ?? next(asked++).promise);
    },
    putBack(chunks, under) {
      again = chunks;
      pending = under;
    },
    cancel: () => Promise.resolve(),
    ended: new Promise<never>(() => {}),
  };
  let said = 0;
  return {
    relay,
    say: (text: string) => next(said++).resolve(bytesOf(text)),
    end: () => next(said++).resolve(null),
    fail: (error: Error) => next(said++).reject(error),
  };
}

Deno.test("an answer that is soon over comes in one piece", async () => {
  const { relay, say, end } = output();
  say("khacha");
  say("puri");
  end();
  assert.deepEqual(await readShort(relay), bytesOf("khachapuri"));
});

Deno.test("an empty answer is an empty piece", async () => {
  const { relay, end } = output();
  end();
  assert.deepEqual(await readShort(relay), new Uint8Array(0));
});

Deno.test("what takes longer is streamed, with nothing lost and nothing twice", async () => {
  const { relay, say, end } = output();
  say("first ");
  assert.equal(await readShort(relay), null);
  const text = restOf(relay);
  say("second ");
  say("third");
  end();
  assert.equal(await text, "first second third");
});

Deno.test("what is large is streamed, with nothing lost", async () => {
  const { relay, say, end } = output();
  const part = "x".repeat(40_000);
  for (const _ of [1, 2, 3]) say(part);
  end();
  assert.equal(await readShort(relay), null);
  assert.equal((await restOf(relay)).length, 120_000);
});

Deno.test("a failure reaches whoever reads, early or late", async () => {
  const early = output();
  early.fail(new Error("cut off"));
  await assert.rejects(readShort(early.relay), /cut off/);
  const late = output();
  late.say("a");
  assert.equal(await readShort(late.relay), null);
  assert.deepEqual(await late.relay.read(), bytesOf("a"));
  late.fail(new Error("cut off"));
  await assert.rejects(late.relay.read(), /cut off/);
});
