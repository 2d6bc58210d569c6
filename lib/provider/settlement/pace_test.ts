import assert from "node:assert/strict";
import { backlogOf } from "./pace.ts";

Deno.test("while a further row is mined in time there is room, for who has few lanes longer", () => {
  const backlog = (rowSeconds: number, lanes: number) =>
    backlogOf({ mostSeconds: 120, rowSeconds }, lanes);
  assert.equal(backlog(60, 16), null);
  assert.equal(backlog(61, 16), 31);
  assert.equal(backlog(61, 15), null);
  assert.equal(backlog(120, 15), null);
  assert.equal(backlog(121, 0), 61);
});
