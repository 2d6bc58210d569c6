import assert from "node:assert/strict";
import { openCallWorld } from "../../../worlds/calls.ts";

Deno.test("an answer is readable to the pages that its owner signed, given again to another one too", async () => {
  const origins = ["https://a.example", "https://b.example"];
  using world = await openCallWorld({ spec: { cors: { origins } } });
  const readerOf = async (origin: string, key?: string) => {
    const headers = { origin };
    const answer = await world.call(key === undefined ? { headers } : { headers, lane: "a", key });
    assert.equal(await answer.text(), "hello\n");
    return answer.headers.get("access-control-allow-origin");
  };
  assert.equal(await readerOf(origins[0]!), origins[0]);
  assert.equal(await readerOf("https://evil.example"), null);
  assert.equal(await readerOf(origins[0]!, "k"), origins[0]);
  assert.equal(await readerOf(origins[1]!, "k"), origins[1]);
  assert.equal(world.holds.length, 3, "the last one was given again");
  await world.assertNothingTaken();
});
