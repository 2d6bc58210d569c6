import assert from "node:assert/strict";
import { createOutput, outputOf, streamOf } from "./output.ts";
import { STDOUT_WINDOW_BYTES } from "./protocol.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function open() {
  const credits: number[] = [];
  let cancelled = 0;
  const output = createOutput((more) => credits.push(more), () => cancelled += 1);
  return { output, credits, cancelled: () => cancelled };
}

Deno.test("chunks come in order, whether they are waited for or not, and then the end", async () => {
  const { output } = open();
  const early = output.read();
  output.receive(bytes("a"));
  output.receive(bytes("b"));
  assert.deepEqual(await early, bytes("a"));
  assert.deepEqual(await output.read(), bytes("b"));
  const last = output.read();
  output.end(null);
  assert.equal(await last, null);
  assert.equal(await output.read(), null);
});

Deno.test("what is kept is a copy", async () => {
  const { output } = open();
  const shared = bytes("same");
  output.receive(shared);
  shared.fill(0);
  assert.deepEqual(await output.read(), bytes("same"));
});

Deno.test("an error takes back what was not read, and stays", async () => {
  const { output } = open();
  output.receive(bytes("half an answer"));
  output.end(new Error("limit"));
  output.end(null);
  await assert.rejects(output.read(), /limit/);
  await assert.rejects(output.read(), /limit/);
  const waiting = open().output;
  const read = waiting.read();
  waiting.end(new Error("limit"));
  await assert.rejects(read, /limit/);
});

Deno.test("room is given back in steps as bytes are read, and not after the end", async () => {
  const { output, credits } = open();
  const step = STDOUT_WINDOW_BYTES / 4;
  for (let chunk = 0; chunk < 3; chunk++) output.receive(new Uint8Array(step - 1));
  assert.deepEqual(credits, []);
  await output.read();
  assert.deepEqual(credits, []);
  await output.read();
  assert.deepEqual(credits, [2 * (step - 1)]);
  output.end(null);
  output.receive(bytes("late"));
  await output.read();
  assert.equal(await output.read(), null);
  assert.equal(credits.length, 1);
});

Deno.test("cancelling ends a run that is going on, once, and whoever waits is let go", async () => {
  const { output, cancelled } = open();
  const read = output.read();
  await output.cancel();
  await output.cancel();
  assert.equal(await read, null);
  assert.equal(cancelled(), 1);
  const over = open();
  over.output.end(null);
  await over.output.cancel();
  assert.equal(over.cancelled(), 0);
});

Deno.test("an output and a web stream can stand for one another", async () => {
  const { output, cancelled } = open();
  output.receive(bytes("gamar"));
  output.receive(bytes("joba"));
  output.end(null);
  assert.equal(await new Response(streamOf(outputOf(streamOf(output)))).text(), "gamarjoba");
  const going = open();
  await streamOf(going.output).cancel();
  assert.equal(going.cancelled(), 1);
  assert.equal(cancelled(), 0);
});
