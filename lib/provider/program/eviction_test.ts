import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bestRatio,
  cycle,
  evicting,
  hitRatio,
  lru,
  type Trace,
  usualTraces,
} from "../../../worlds/eviction.ts";
import { Eviction } from "./eviction.ts";

const MOST = 64;
const LENGTH = 20_000;

Deno.test("a cycle of more than there is room for still finds most of that room", () => {
  for (const times of [1.004, 1.25, 2, 4]) {
    const trace: Trace = cycle(Math.ceil(MOST * times), LENGTH);
    const share = hitRatio(evicting(MOST), trace) / bestRatio(trace, MOST);
    assert.ok(share > 0.85, `${times} times as many: ${share} of what is best`);
    assert.equal(hitRatio(lru(MOST), trace), 0, "the control: the longest unused goes");
  }
});

Deno.test("on no usual trace does it come far behind giving up the longest unused", () => {
  for (const [name, trace] of Object.entries(usualTraces(MOST, LENGTH))) {
    const [ours, others] = [hitRatio(evicting(MOST), trace), hitRatio(lru(MOST), trace)];
    const best = bestRatio(trace, MOST);
    // Where all that is called changes soon, what stays is outlived: that is its price.
    assert.ok(ours >= 0.75 * others, `${name}: ${ours}, longest unused ${others}, best ${best}`);
    assert.ok(ours >= 0.6 * best, `${name}: ${ours} of ${best}`);
  }
});

type Step = { what: "use" | "rest" | "leave" | "room"; key: number };
const anyStep = fc.record<Step>({
  what: fc.constantFrom("use", "use", "use", "rest", "rest", "leave", "room"),
  key: fc.integer({ min: 0, max: 30 }),
});

Deno.test("whatever comes, what is in use is never given up, and something is that is not", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.array(anyStep), (most, steps) => {
    const eviction = new Eviction<number>(most);
    /** Uses under way, of what is kept. */
    const kept = new Map<number, number>();
    for (const { what, key } of steps) {
      const uses = kept.get(key);
      if (what === "use") {
        eviction.use(key);
        kept.set(key, (uses ?? 0) + 1);
      } else if (what === "rest") {
        eviction.rest(key);
        if (uses !== undefined && uses > 0) kept.set(key, uses - 1);
      } else if (what === "leave") {
        eviction.leave(key);
        kept.delete(key);
      } else {
        const victim = eviction.victim();
        const isFree = [...kept.values()].some((uses) => uses === 0);
        assert.equal(victim !== null, isFree);
        if (victim === null) continue;
        assert.equal(kept.get(victim), 0);
        eviction.leave(victim);
        kept.delete(victim);
      }
      assert.equal(eviction.size(), kept.size);
      assert.ok(eviction.remembered() <= 2 * most, "what it remembers is bounded");
    }
  }));
});

Deno.test("of what is all in use one more is kept, until a use is over", () => {
  const eviction = new Eviction<string>(2);
  for (const key of ["one", "two", "three"]) eviction.use(key);
  assert.equal(eviction.victim(), null);
  eviction.rest("two");
  assert.equal(eviction.victim(), "two");
  eviction.use("two");
  assert.equal(eviction.victim(), null);
});
