import assert from "node:assert/strict";
import { join } from "node:path";
import { roomComplaints, ROOMS } from "./rooms.ts";
import { readSources } from "./tidy.ts";

const ROOT = join(import.meta.dirname!, "..");
const sources = await readSources(ROOT);

Deno.test("the provider's rooms import downwards only, types included", () => {
  assert.deepEqual(roomComplaints(sources), []);
});

Deno.test("every room exists", async () => {
  const folders = await Array.fromAsync(Deno.readDir(join(ROOT, "lib", "provider")));
  assert.deepEqual(
    folders.map(({ name }) => name).sort(),
    ROOMS.map(({ name }) => name).sort(),
  );
});

Deno.test("the order catches what goes up, sideways, or nowhere", () => {
  const file = (room: string, target: string) => ({
    path: `lib/provider/${room}/a.ts`,
    text: `import type { B } from "../${target}/b.ts";\n`,
  });
  assert.equal(roomComplaints([file("ledger", "money")]).length, 1);
  assert.equal(roomComplaints([file("money", "program")]).length, 1);
  assert.equal(roomComplaints([file("cellar", "ledger")]).length, 1);
  assert.equal(roomComplaints([file("money", "attic")]).length, 1);
  assert.deepEqual(roomComplaints([file("door", "call"), file("call", "ledger")]), []);
});
