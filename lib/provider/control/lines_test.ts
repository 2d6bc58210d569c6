import assert from "node:assert/strict";
import { linesOver } from "./lines.ts";

async function pair(use: (one: Deno.Conn, other: Deno.Conn) => Promise<void>): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const [other, one] = await Promise.all([listener.accept(), Deno.connect({ port })]);
  await use(one, other);
  for (const end of [one, other]) {
    try {
      end.close();
    } catch { /* closed by the test */ }
  }
}

Deno.test("values come as they were sent, however they are cut", () =>
  pair(async (one, other) => {
    const lines = linesOver(other);
    const bytes = new TextEncoder().encode('{"word":"ხაჭაპური"}\n[1]\n"rest');
    for (const byte of bytes) await one.write(Uint8Array.of(byte));
    assert.deepEqual(await lines.next(), { word: "ხაჭაპური" });
    assert.deepEqual(await lines.next(), [1]);
    one.close();
    assert.equal(await lines.next(), null);
    lines.close();
    lines.close();
  }));

Deno.test("a line without an end is not kept for ever", () =>
  pair(async (one, other) => {
    const reading = linesOver(other, 1_000).next();
    await linesOver(one).send("x".repeat(5_000)).catch(() => {});
    await one.write(new Uint8Array(5_000).fill(120)).catch(() => {});
    assert.equal(await reading.catch((error) => error.name), "x".repeat(5_000));
    const endless = linesOver(other, 1_000).next();
    await one.write(new Uint8Array(5_000).fill(120)).catch(() => {});
    await assert.rejects(endless, /longer than 1000/);
  }));
