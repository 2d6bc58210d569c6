import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import { manualClock } from "../../../worlds/clock.ts";
import type { CaAuthorization, CaOrder, CaSession } from "./ca_session.ts";
import type { Challenger } from "./challenge.ts";
import { conductOrder } from "./order.ts";
import { generateKey } from "./tls_folder.ts";

const ORDER: CaOrder = {
  url: "https://ca.example/order/1",
  status: "pending",
  finalize: "https://ca.example/finalize",
  authorizations: ["https://ca.example/authz/1"],
};
const challenge = {
  type: "http-01",
  url: "https://ca.example/challenge",
  status: "pending",
  token: "t".repeat(43),
};
const PENDING: CaAuthorization = {
  url: ORDER.authorizations[0]!,
  status: "pending",
  wildcard: false,
  identifier: { type: "dns", value: "a.example" },
  challenges: [challenge],
};

/** Orders at a CA that does what the test says; its shown proofs are told in order. */
async function order(more: Partial<CaSession>) {
  const told: string[] = [];
  const clock = manualClock();
  const challenger: Challenger = {
    present: ({ keyAuthorization }) => Promise.resolve(void told.push(`show ${keyAuthorization}`)),
    ready: () => Promise.resolve(),
    withdraw: () => Promise.resolve(void told.push("withdraw")),
  };
  const ca: CaSession = {
    account: () => Promise.resolve(""),
    newOrder: () => Promise.resolve(ORDER),
    order: () => Promise.resolve({ ...ORDER, status: "ready" }),
    authorization: () => Promise.resolve(PENDING),
    keyAuthorization: ({ token }) => Promise.resolve(`${token.slice(0, 1)}.k`),
    answer: () => Promise.resolve(void told.push("answer")),
    finalize: () => Promise.resolve({ ...ORDER, status: "valid" }),
    certificate: () => Promise.resolve("chain"),
    ...more,
  };
  const moving = setInterval(() => clock.advance(5_000), 1);
  const work = conductOrder({
    ca,
    names: ["a.example"],
    key: generateKey(),
    begunAt: null,
    noteBegun: (url) => Promise.resolve(void told.push(`begun ${url}`)),
    replaces: null,
    challengeOf: () => "http-01",
    challengers: { "http-01": challenger },
    clock,
    signal: new AbortController().signal,
    log: hearLog().log,
  });
  const outcome = await work.catch((error: Error) => error.message);
  clearInterval(moving);
  return { outcome, told };
}

Deno.test("an order is written down, shown, looked at and taken away before it is finalized", async () => {
  let looks = 0;
  const { outcome, told } = await order({
    authorization: () => Promise.resolve({ ...PENDING, status: looks++ > 2 ? "valid" : "pending" }),
  });
  assert.equal(outcome, "chain");
  assert.deepEqual(told, [`begun ${ORDER.url}`, "show t.k", "answer", "withdraw"]);
});

Deno.test("a CA that does not come to an end is waited for no longer than ten minutes", async () => {
  const looking = await order({});
  assert.equal(looking.outcome, "a.example: the CA does not look after 10 minutes");
  assert.equal(looking.told.at(-1), "withdraw");
  const valid = () => Promise.resolve({ ...PENDING, status: "valid" as const });
  const pending = await order({ authorization: valid, order: () => Promise.resolve(ORDER) });
  assert.equal(pending.outcome, "the order stays pending after 10 minutes");
});

Deno.test("what a CA should not ask for is not shown", async () => {
  const cases: [Partial<CaAuthorization>, RegExp][] = [
    [{ identifier: { type: "dns", value: "b.example" } }, /for another name/],
    [{ wildcard: true }, /for another name/],
    [{ challenges: [{ ...challenge, token: "../../etc/passwd" }] }, /token is none/],
    [{ challenges: [{ ...challenge, type: "dns-01" }] }, /takes dns-01, not http-01/],
    [{ status: "expired" }, /authorization is expired/],
  ];
  for (const [change, expected] of cases) {
    const { outcome, told } = await order({
      authorization: () => Promise.resolve({ ...PENDING, ...change }),
    });
    assert.match(outcome, expected);
    assert.deepEqual(told.slice(1), []);
  }
});

Deno.test("an order that fails says why in the CA's words", async () => {
  const error = { type: "urn:ietf:params:acme:error:badCSR", detail: "weak key" };
  const { outcome } = await order({
    authorization: () => Promise.resolve({ ...PENDING, status: "valid" }),
    finalize: () => Promise.resolve({ ...ORDER, status: "invalid", error }),
    order: () => Promise.resolve({ ...ORDER, status: "invalid", error }),
  });
  assert.match(outcome, /the order for a\.example failed: weak key \(badCSR\)/);
});
