import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import { isOwnerRequestValid, parseOwnerRequest } from "../spec/owner_request.ts";
import { fetchStates } from "./deployment_states.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const AT = {
  chainId: 8_453,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
} as const;
const PROVIDER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const WHERE = { address: PROVIDER, webDomain: "https://p.test", ...AT } as const;

const INSTANCE = {
  instance: 1,
  state: "frozen",
  since: 5,
  memoryBytes: null,
  requests: 7,
  inFlight: 0,
  tunnels: 0,
};

function ask(answer: Response) {
  const asked: { url: string; body: unknown }[] = [];
  const fetch = ((url: string, { body }: RequestInit) => {
    asked.push({ url, body: JSON.parse(String(body)) });
    return Promise.resolve(answer);
  }) as typeof globalThis.fetch;
  return { asked, states: fetchStates(account, WHERE, { now: () => 1_000_999, fetch }) };
}

const RUN = { at: 5, status: 502, exit: 3, signal: null, limit: null, reason: "it exited with 3" };

Deno.test("what is told of each comes by cid; what is new is left out, what is old is not made up", async () => {
  const server = { instances: [{ ...INSTANCE, cores: 1 }], restarts: 2 };
  const next = { price: "2000", at: "2030-01-01T00:00:00Z" };
  const tariff = { price: "1000", next, areTermsTaken: true, termsUntil: null };
  const { states } = ask(Response.json({
    owner: account.address,
    deployments: [
      { cid: "bafya", id: "0x11", tariff, lastRun: { ...RUN, more: 1 }, cannotRun: null, server },
      {
        cid: "bafyb",
        tariff: { price: "2000", next: null },
        lastRun: null,
        cannotRun: { message: "no", hints: [] },
        server: null,
      },
      { cid: "bafyc", id: "0x33" },
    ],
  }));
  assert.deepEqual(Object.fromEntries(await states), {
    bafya: {
      lastRun: RUN,
      cannotRun: null,
      tariff: { price: 1_000n, next: { price: 2_000n, at: 1_893_456_000n } },
      server: { instances: [INSTANCE], restarts: 2 },
    },
    bafyb: {
      lastRun: null,
      cannotRun: "no",
      tariff: { price: 2_000n, next: null },
      server: null,
    },
    bafyc: { lastRun: undefined, cannotRun: null, tariff: null, server: null },
  });
});

Deno.test("the question is the owner's, for all that it has there", async () => {
  const { asked, states } = ask(Response.json({ deployments: [] }));
  assert.equal((await states).size, 0);
  assert.equal(asked[0]!.url, "https://p.test/deployments");
  const request = parseOwnerRequest(asked[0]!.body);
  const question = { action: "deployments", provider: PROVIDER, ...AT } as const;
  assert.equal(request.subject, "");
  assert.ok(await isOwnerRequestValid(request, question, 1_000n));
  assert.ok(!await isOwnerRequestValid(request, { ...question, action: "logs" }, 1_000n));
});

Deno.test("an answer that is no list is the provider's failure", async () => {
  for (const text of ["hello", "{}", '{"deployments":[{"cid":"a","server":{}}]}']) {
    await assert.rejects(ask(new Response(text)).states, { code: "provider_unavailable" });
  }
});
