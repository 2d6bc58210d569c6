import assert from "node:assert/strict";
import { Socket } from "node:net";
import { Message } from "./message.ts";

Deno.test("chunks that come together are one, and the end is behind them", async () => {
  const message = new Message(new Socket());
  for (const text of ["a", "b", "c"]) assert.ok(message.push(new TextEncoder().encode(text)));
  assert.equal(message.readableLength, 0);
  await Promise.resolve();
  assert.equal(String(message.read()), "abc");
  message.push(new TextEncoder().encode("d"));
  message.push(null);
  assert.equal(String(message.read()), "d");
  message.resume();
  await new Promise<void>((resolve) => message.once("end", resolve));
});

Deno.test("no more is asked for once as much waits as may, joined or not", () => {
  const message = new Message(new Socket());
  const half = new Uint8Array(message.readableHighWaterMark / 2);
  assert.ok(message.push(half));
  assert.ok(!message.push(half));
});
