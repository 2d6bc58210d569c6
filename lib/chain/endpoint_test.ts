import assert from "node:assert/strict";
import { startRpcNode } from "../../worlds/chain/rpc_node.ts";
import { Endpoint } from "./endpoint.ts";

function resting() {
  const clock = { ms: 5_000 };
  const endpoint = new Endpoint("http://127.0.0.1:1/secret", 1_000, () => clock.ms);
  /** How long it rests after it has failed now, seconds. */
  const fail = (): number => {
    endpoint.rest("it failed");
    return (endpoint.restUntil - clock.ms) / 1_000;
  };
  return { clock, endpoint, fail };
}

Deno.test("each rest is longer than the last, up to a minute", () => {
  const { clock, endpoint, fail } = resting();
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
    assert.equal(fail(), seconds);
    clock.ms = endpoint.restUntil;
  }
});

Deno.test("of many requests that fail together the first says how long it rests", () => {
  const { clock, endpoint, fail } = resting();
  assert.deepEqual([fail(), fail(), fail()], [1, 1, 1]);
  clock.ms += 500;
  assert.equal(fail(), 0.5);
  assert.equal(endpoint.isUp, false);
});

Deno.test("what fails soon after it came back rests longer, what held out begins anew", () => {
  const { clock, endpoint, fail } = resting();
  fail();
  clock.ms = endpoint.restUntil;
  endpoint.up(endpoint.rests);
  assert.equal(endpoint.isUp, true);
  assert.equal(fail(), 2);
  clock.ms = endpoint.restUntil;
  endpoint.up(endpoint.rests);
  clock.ms += 2_000;
  endpoint.up(endpoint.rests);
  assert.equal(fail(), 1);
});

Deno.test("an answer to what was asked before it failed does not bring it back", () => {
  const { endpoint, fail } = resting();
  const { rests } = endpoint;
  endpoint.up(rests);
  fail();
  endpoint.up(rests);
  assert.equal(endpoint.isUp, false);
});

Deno.test("a failure names the origin, not the key in the URL, nor what was asked", async () => {
  const closed = new Endpoint("http://user:secret@127.0.0.1:1/v2/secret", 1_000, Date.now);
  await using node = startRpcNode();
  const open = new Endpoint(node.url, 50, Date.now);
  const held = Promise.withResolvers<null>();
  const answers = [
    () => new Response("slow down", { status: 429 }),
    () => new Response("<html>"),
    () => Response.json({ id: 1, error: { code: -32_000, message: "no" } }, { status: 503 }),
    () => held.promise,
  ];
  const call = { method: "eth_call", params: ["secret-params"] };
  const failures = [await closed.ask(call).catch((error) => error)];
  for (const answer of answers) {
    node.instead = answer;
    failures.push(await open.ask(call).catch((error) => error));
  }
  held.resolve(null);
  for (const [index, failure] of failures.entries()) {
    assert.ok(failure instanceof Error);
    assert.doesNotMatch(Deno.inspect(failure), /secret/, `failure ${index}`);
    assert.match(failure.message, /127\.0\.0\.1/);
  }
});
