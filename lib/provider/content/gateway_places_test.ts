import assert from "node:assert/strict";
import { CONTENT_ANSWERS_MAX, NETWORK_CONTENT_ANSWERS_MAX } from "../../limits_of_content.ts";
import { GatewayPlaces } from "./gateway_places.ts";

Deno.test("a network has its own places, and takes none of another's", () => {
  const places = new GatewayPlaces();
  const taken = Array.from(
    { length: NETWORK_CONTENT_ANSWERS_MAX },
    (_, host) => places.take(`203.0.113.${host}`),
  );
  assert.throws(() => places.take("203.0.113.200"), { code: "rate_limited", retryAfterSeconds: 1 });
  places.take("198.51.100.1")();
  assert.equal(places.taken, NETWORK_CONTENT_ANSWERS_MAX);
  taken[0]!();
  taken[0]!();
  assert.equal(places.taken, NETWORK_CONTENT_ANSWERS_MAX - 1, "given back once");
  places.take("203.0.113.200");
});

Deno.test("all networks together have no more than there are", () => {
  const places = new GatewayPlaces();
  for (let network = 0; network < CONTENT_ANSWERS_MAX; network++) places.take(`8.8.${network}.1`);
  assert.throws(() => places.take("9.9.9.9"), { code: "overloaded", retryAfterSeconds: 1 });
});
