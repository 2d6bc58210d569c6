import assert from "node:assert/strict";
import { readShort as read, type Relay, streamOf } from "./relay.ts";
import { ShortTimer } from "./short_timer.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

async function readShort(relay: Relay) {
  const timer = new ShortTimer();
  return await read(relay, timer).finally(() => timer.close());
}

/** A program that has not ended. */
const running = new Promise<never>(() => {});

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
  const text = new Response(streamOf(relay, running) as ReadableStream<Uint8Array<ArrayBuffer>>)
    .text();
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
  const text = await new Response(
    streamOf(relay, running) as ReadableStream<Uint8Array<ArrayBuffer>>,
  )
    .text();
  assert.equal(text.length, 120_000);
});

Deno.test("a failure reaches whoever reads, early or late", async () => {
  const early = output();
  early.fail(new Error("cut off"));
  await assert.rejects(readShort(early.relay), /cut off/);
  const late = output();
  late.say("a");
  assert.equal(await readShort(late.relay), null);
  const reader = streamOf(late.relay, running).getReader();
  assert.deepEqual((await reader.read()).value, bytesOf("a"));
  late.fail(new Error("cut off"));
  await assert.rejects(reader.read(), /cut off/);
});

Deno.test("a caller that reads no more is cut off once the program has ended", async () => {
  const { relay, say } = output();
  const gone = Promise.withResolvers<void>();
  relay.cancel = () => Promise.resolve(gone.resolve());
  say("begun");
  const ended = Promise.withResolvers<void>();
  const reader = streamOf(relay, ended.promise, 1).getReader();
  assert.deepEqual((await reader.read()).value, bytesOf("begun"));
  ended.resolve();
  await gone.promise;
  await assert.rejects(reader.read(), /reads too slowly/);
});

Deno.test("a caller that has read everything is not cut off", async () => {
  const { relay, end } = output();
  relay.cancel = () => Promise.reject(new Error("cut off"));
  end();
  const reader = streamOf(relay, Promise.resolve(), 1).getReader();
  assert.equal((await reader.read()).done, true);
});

Deno.test("cutting a caller off fails nothing when its run cannot be ended in order", async () => {
  const { relay, say } = output();
  relay.cancel = () => Promise.reject(new Error("the ledger cannot be written"));
  say("begun");
  const reader = streamOf(relay, Promise.resolve(), 1).getReader();
  assert.deepEqual((await reader.read()).value, bytesOf("begun"));
  await assert.rejects(reader.read(), /reads too slowly/);
});

Deno.test("an answer that is being cut off is never told to be whole", async () => {
  const { relay, say, end } = output();
  const cutting = Promise.withResolvers<void>();
  const accounts = Promise.withResolvers<void>();
  relay.cancel = () => {
    // As the program's output does, which gives up what was not read.
    end();
    cutting.resolve();
    return accounts.promise;
  };
  say("begun");
  const reader = streamOf(relay, Promise.resolve(), 1).getReader();
  assert.deepEqual((await reader.read()).value, bytesOf("begun"));
  await cutting.promise;
  const rest = assert.rejects(reader.read(), /reads too slowly/);
  accounts.resolve();
  await rest;
});
