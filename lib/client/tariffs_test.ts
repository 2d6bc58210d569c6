import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import { isOwnerRequestValid, parseOwnerRequest } from "../spec/owner_request.ts";
import { fetchTariffs } from "./tariffs.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const AT = {
  chainId: 8_453,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
} as const;
const PROVIDER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const WHERE = { address: PROVIDER, webDomain: "https://p.test", ...AT } as const;

function ask(answer: Response) {
  const asked: { url: string; body: unknown }[] = [];
  const fetch = ((url: string, { body }: RequestInit) => {
    asked.push({ url, body: JSON.parse(String(body)) });
    return Promise.resolve(answer);
  }) as typeof globalThis.fetch;
  return { asked, tariffs: fetchTariffs(account, WHERE, { now: () => 1_000_999, fetch }) };
}

Deno.test("what deployments pay comes by cid, as the provider says it to their owner", async () => {
  const next = { price: "2000", at: "2030-01-01T00:00:00Z" };
  const { asked, tariffs } = ask(Response.json({
    deployments: [
      { cid: "bafya", tariff: { price: "1000", next, areTermsTaken: true, termsUntil: null } },
      { cid: "bafyb", tariff: { price: "2000", next: null } },
      { cid: "bafyc", server: null },
    ],
  }));
  assert.deepEqual([...await tariffs], [
    ["bafya", { price: 1_000n, next: { price: 2_000n, at: 1_893_456_000n } }],
    ["bafyb", { price: 2_000n, next: null }],
  ]);
  assert.equal(asked[0]!.url, "https://p.test/deployments");
  const request = parseOwnerRequest(asked[0]!.body);
  const question = { action: "deployments", provider: PROVIDER, ...AT } as const;
  assert.ok(await isOwnerRequestValid(request, question, 1_000n));
});

Deno.test("an answer that is no list of them is the provider's failure", async () => {
  for (const text of ["hello", "{}", '{"deployments":[{"cid":"a","tariff":{"price":1}}]}']) {
    await assert.rejects(ask(new Response(text)).tariffs, { code: "provider_unavailable" });
  }
});
