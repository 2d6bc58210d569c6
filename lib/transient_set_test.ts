import assert from "node:assert/strict";
import fc from "fast-check";
import { type Transient, TransientSet } from "./transient_set.ts";

Deno.test("it holds what a Set would hold", () => {
  const step = fc.tuple(fc.constantFrom("add", "delete"), fc.nat({ max: 9 }));
  fc.assert(fc.property(fc.array(step), (steps) => {
    const members = Array.from({ length: 10 }, (): Transient => ({ place: -1 }));
    const [set, model] = [new TransientSet(), new Set<Transient>()];
    for (const [what, which] of steps) {
      const member = members[which]!;
      if (what === "add") {
        set.add(member);
        model.add(member);
      } else assert.equal(set.delete(member), model.delete(member));
      assert.equal(set.size, model.size);
      assert.deepEqual(new Set(set.all()), model);
      for (const each of members) assert.equal(set.has(each), model.has(each));
    }
  }));
});

Deno.test("it may change while its members are gone through", () => {
  const set = new TransientSet();
  const members = Array.from({ length: 3 }, (): Transient => ({ place: -1 }));
  for (const member of members) set.add(member);
  for (const member of set.all()) assert(set.delete(member));
  assert.equal(set.size, 0);
});
