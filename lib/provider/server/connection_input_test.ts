import assert from "node:assert/strict";
import { bytesOf, textOf } from "../../../worlds/scripted_server.ts";
import { ConnectionInput } from "./connection_input.ts";

/** An input of what `reads` gives, one after another, which notes the sizes of the buffers. */
function inputOf(reads: (string | null)[]) {
  const sizes: number[] = [];
  const input = new ConnectionInput({
    read(into) {
      sizes.push(into.length);
      const text = reads.shift();
      if (text === undefined) return Promise.reject(new Error("broke"));
      if (text === null) return Promise.resolve(null);
      const bytes = bytesOf(text.slice(0, into.length));
      into.set(bytes);
      return Promise.resolve(bytes.length);
    },
  });
  return { input, sizes };
}

Deno.test("nothing is read before somebody wants it, nor while something is left", async () => {
  const { input, sizes } = inputOf(["abc", "d", null]);
  assert.equal(sizes.length, 0);
  assert.equal(await input.fill(), true);
  assert.equal(await input.fill(), true);
  assert.equal(sizes.length, 1);
  input.take(1);
  assert.equal(textOf(input.rest), "bc");
  input.take(2);
  assert.equal(await input.fill(), true);
  assert.equal(textOf(input.rest), "d");
  input.take(1);
  assert.equal(await input.fill(), false);
  await assert.rejects(input.fill(), /broke/);
});

Deno.test("all who wait at once wait for the same bytes", async () => {
  const { input, sizes } = inputOf(["abc"]);
  assert.deepEqual(await Promise.all([input.fill(), input.fill()]), [true, true]);
  assert.equal(sizes.length, 1);
});

Deno.test("what is kept stays as it is while more is read", async () => {
  const large = "x".repeat(12_000);
  const { input } = inputOf(["abc", large, "y".repeat(16_000)]);
  const kept: Uint8Array[] = [];
  for (let count = 0; count < 3; count++) {
    await input.fill();
    const { rest } = input;
    input.take(rest.length);
    kept.push(input.kept(rest));
  }
  assert.deepEqual(kept.map(textOf), ["abc", large, "y".repeat(16_000)]);
});

Deno.test("of bytes with others behind them a copy is kept", async () => {
  const { input } = inputOf(["x".repeat(16_000), "y".repeat(16_000)]);
  await input.fill();
  const data = input.rest.subarray(0, 15_000);
  input.take(15_000);
  const kept = input.kept(data);
  assert.notEqual(kept.buffer, input.rest.buffer);
  input.take(1_000);
  await input.fill();
  assert.equal(textOf(kept), "x".repeat(15_000));
});

Deno.test("buffers are as large as what comes, within bounds", async () => {
  const much = "x".repeat(1 << 20);
  const { input, sizes } = inputOf([much, much, much, much, "a", "a", "a", "a", "a"]);
  for (let count = 0; count < 9; count++) {
    await input.fill();
    input.take(input.rest.length);
  }
  assert.deepEqual(sizes.map((size) => size / 1024), [16, 32, 64, 64, 64, 32, 16, 16, 16]);
});

Deno.test("a tunnel waits with a small buffer", async () => {
  const { input, sizes } = inputOf(["a", "x".repeat(1 << 20), "x".repeat(1 << 20)]);
  input.becomeTunnel();
  for (let count = 0; count < 3; count++) {
    await input.fill();
    input.take(input.rest.length);
  }
  assert.deepEqual(sizes, [2_048, 2_048, 4_096]);
});
