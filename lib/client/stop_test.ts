import assert from "node:assert/strict";
import type { Address } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { isStopSigned, parseStopRequest } from "../spec/stop.ts";
import type { OwnDeployment } from "./deployments_file.ts";
import { stopAt } from "./stop.ts";

const owner = privateKeyToAccount(generatePrivateKey());
const provider = {
  name: "paolo.test",
  address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" as const,
  chainId: 31_337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3" as const,
  webDomain: "https://paolo.test",
  price: 1_000n,
  epoch: 0,
};
const deployment: OwnDeployment = {
  cid: "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
  id: `0x${"12".repeat(32)}`,
  owner: owner.address,
  program: { cid: "bafy", private: false },
  createdAt: "2026-01-01T00:00:00.000Z",
  providers: [provider],
};

function answering(body: BodyInit, init: ResponseInit = {}) {
  const asked: { url: string; body: unknown }[] = [];
  const fetch = ((url: string, request: RequestInit) => {
    asked.push({ url, body: JSON.parse(String(request.body)) });
    return Promise.resolve(new Response(body, init));
  }) as typeof globalThis.fetch;
  return { asked, fetch };
}

Deno.test("a stop is signed for the provider, and only the owner can give it", async () => {
  const { asked, fetch } = answering("{}");
  await stopAt(owner, deployment, provider, "https://moved.test", { fetch });
  assert.equal(asked[0]!.url, "https://moved.test/stop");
  const { cid, signature } = parseStopRequest(asked[0]!.body);
  assert.equal(cid, deployment.cid);
  const { chainId, escrow } = provider;
  const at = { chainId, escrow };
  const signed = (address: Address) =>
    isStopSigned({ ...at, id: deployment.id, provider: address }, signature, owner.address);
  assert.ok(await signed(provider.address));
  assert.ok(!await signed(provider.escrow), "for another provider");
  const stranger = privateKeyToAccount(generatePrivateKey());
  await assert.rejects(stopAt(stranger, deployment, provider, "https://paolo.test", { fetch }), {
    code: "access_denied",
  });
  assert.equal(asked.length, 1);
});

Deno.test("a provider's refusal keeps its code and message", async () => {
  const refusal = JSON.stringify({ error: "access_denied", message: "not \x1bthe owner" });
  const { fetch } = answering(refusal, { status: 403 });
  await assert.rejects(stopAt(owner, deployment, provider, "https://p.test", { fetch }), {
    code: "access_denied",
    message: "https://p.test: not the owner",
  });
});
