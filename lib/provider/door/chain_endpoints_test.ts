import assert from "node:assert/strict";
import { type EndpointsSeen, judgeEndpoint } from "./chain_endpoints.ts";

const NOW = 1_800_000_000;
const ORIGINS = ["https://a.test", "https://b.test"];

/** One endpoint or two whose newest blocks are so many seconds old; null: it is down. */
function seen(ages: (number | null)[], changes: Partial<EndpointsSeen> = {}): EndpointsSeen {
  return {
    chainId: 8_453,
    now: NOW,
    heads: ages.map((age, index) => ({
      origin: ORIGINS[index]!,
      block: age === null ? null : { number: 100n, time: NOW - age },
    })),
    statuses: ages.map((age, index) => ({
      origin: ORIGINS[index]!,
      state: age === null ? "resting" : "up",
      disagreements: 0,
      trouble: age === null ? "connection refused" : null,
    })),
    ...changes,
  };
}

const hintsOf = (of: EndpointsSeen, index = 0) => (judgeEndpoint(of, index).hints ?? []).join();

Deno.test("endpoints that are level and of our time are well", () => {
  for (const ages of [[2, 4], [0, 30], [-5, 25]]) {
    for (const index of [0, 1]) {
      const { detail, hints, advice } = judgeEndpoint(seen(ages), index);
      assert.equal(detail, `block 100, ${ages[index]} s old`);
      assert.deepEqual([hints, advice], [[], []]);
    }
  }
});

Deno.test("who has one endpoint is advised to list a second", () => {
  const { hints, advice } = judgeEndpoint(seen([2]), 0);
  assert.deepEqual(hints, []);
  assert.match(advice!.join(), /list a second one under "rpc", so that no single node decides/);
});

Deno.test("two at one host are told so", () => {
  const { heads, ...rest } = seen([2, 2]);
  const alike = { ...rest, heads: heads.map((head) => ({ ...head, origin: ORIGINS[0]! })) };
  assert.match(judgeEndpoint(alike, 1).advice!.join(), /same host/);
});

Deno.test("one that is down, behind, old or in the future is doubtful, and says why", () => {
  assert.match(judgeEndpoint(seen([null, 2]), 0).detail, /does not answer: connection refused/);
  assert.match(hintsOf(seen([null, 2])), /believed alone/);
  assert.match(hintsOf(seen([50, 2])), /^it is 48 s behind another one$/);
  assert.equal(hintsOf(seen([50, 2]), 1), "");
  assert.match(hintsOf(seen([31])), /its newest block is 31 s old: does the chain stand still/);
  assert.match(hintsOf(seen([-31])), /is 31 s ahead of this machine's clock: set the clock/);
});

Deno.test("a chain on a developer's machine may stand still", () => {
  assert.equal(hintsOf(seen([90_000], { chainId: 31_337 })), "");
  assert.notEqual(hintsOf(seen([90_000, 1], { chainId: 31_337 })), "");
});

Deno.test("a disagreement is told", () => {
  const both = seen([1, 1]);
  const statuses = both.statuses.map((status) => ({ ...status, disagreements: 3 }));
  assert.match(hintsOf({ ...both, statuses }), /disagreed 3 times/);
});
