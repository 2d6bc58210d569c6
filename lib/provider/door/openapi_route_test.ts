import assert from "node:assert/strict";
import { openRouteWorld } from "../../../worlds/routes.ts";

Deno.test("the document is JSON for pages of every origin, and is sent to nobody who has it", async () => {
  using world = await openRouteWorld();
  const body = new TextEncoder().encode('{"paths":{"/a":{}}}\n');
  world.parts.openapi = { current: () => ({ body, etag: '"one"' }) };
  const answer = await world.ask("/openapi.json");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  assert.equal(answer.headers.get("cache-control"), "no-cache");
  assert.deepEqual(Object.keys((await answer.json()).paths), ["/a"]);
  const etag = answer.headers.get("etag")!;
  for (const known of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
    const again = await world.ask("/openapi.json", { headers: { "if-none-match": known } });
    assert.deepEqual([again.status, await again.text()], [304, ""], known);
    assert.equal(again.headers.get("etag"), etag);
  }
  const other = await world.ask("/openapi.json", { headers: { "if-none-match": '"x"' } });
  assert.equal(other.status, 200);
});
