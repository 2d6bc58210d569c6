import assert from "node:assert/strict";
import { randomOf } from "../worlds/random.ts";
import { Heap, type Heaped } from "./heap.ts";

interface Entry extends Heaped {
  key: number;
}

Deno.test("a heap has the least entry first, whichever come and leave", () => {
  const random = randomOf(7).next;
  const heap = new Heap<Entry>((one, other) => one.key < other.key);
  const inside = new Set<Entry>();
  for (let step = 0; step < 5_000; step++) {
    if (inside.size === 0 || random() < 0.55) {
      const entry = { key: Math.floor(random() * 50), heapAt: -1 };
      heap.add(entry);
      inside.add(entry);
    } else {
      const all = [...inside];
      const entry = random() < 0.5 ? heap.first()! : all[Math.floor(random() * all.length)]!;
      assert.equal(heap.remove(entry), true);
      assert.equal(heap.remove(entry), false);
      inside.delete(entry);
    }
    assert.equal(heap.size, inside.size);
    const least = Math.min(...[...inside].map(({ key }) => key));
    assert.equal(heap.first()?.key ?? Infinity, least);
  }
});
