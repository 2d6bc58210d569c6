import assert from "node:assert/strict";
import fc from "fast-check";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { allowanceOf } from "../../worlds/chain/escrow_answers.ts";
import { deploymentLane, recoverPermitSigner, UINT128_MAX, UINT64_MAX } from "../permit.ts";
import { parseRenewalRequest } from "../spec/renewal.ts";
import type { OwnDeployment } from "./deployments_file.ts";
import { permitNeed, type RenewalTarget, renewAt } from "./renewal.ts";

const [owner, signer] = [1, 2].map(() => privateKeyToAccount(generatePrivateKey()));
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
  owner: owner!.address,
  program: { cid: "bafy", private: false },
  createdAt: "2026-01-01T00:00:00.000Z",
  providers: [provider],
};

/** Where the provider is now: it moved, and its price rose. */
function target(changes: Partial<RenewalTarget["record"]> = {}): RenewalTarget {
  const { name, address } = provider;
  const record = { name, address, webDomain: "https://moved.test", price: 2_000n, ...changes };
  return { record, allowance: allowanceOf(10n) };
}

function answering(body: string, init: ResponseInit = {}) {
  const asked: { url: string; body: unknown }[] = [];
  const fetch = ((url: string, request: RequestInit) => {
    asked.push({ url, body: JSON.parse(String(request.body)) });
    return Promise.resolve(new Response(body, init));
  }) as typeof globalThis.fetch;
  return { asked, fetch };
}

Deno.test("the provider is given the owner's wide permit at its present price and epoch", async () => {
  const { asked, fetch } = answering("{}");
  const pending = { ...target(), allowance: { ...allowanceOf(10n), epoch: 4, epochEnd: 9n } };
  const terms = await renewAt(owner!, deployment, provider, pending, null, { fetch });
  assert.deepEqual(terms, { price: 2_000n, epoch: 5 });
  assert.equal(asked[0]!.url, "https://moved.test/permit");
  const { cid, permit } = parseRenewalRequest(asked[0]!.body);
  assert.equal(cid, deployment.cid);
  const { signature: _, ...unsigned } = permit;
  assert.deepEqual(unsigned, {
    payer: owner!.address,
    provider: provider.address,
    lane: deploymentLane(deployment.id),
    price: 2_000n,
    credits: UINT128_MAX,
    deadline: UINT64_MAX,
    epoch: 5,
  });
  assert.equal(await recoverPermitSigner(provider, permit), owner!.address);
});

Deno.test("a cap is what the permit allows, and no permit is signed below the price", async () => {
  const { asked, fetch } = answering("{}");
  const renew = (cap: bigint) => renewAt(owner!, deployment, provider, target(), cap, { fetch });
  assert.equal((await renew(2_500n)).price, 2_500n);
  assert.equal((await renew(2_000n)).price, 2_000n);
  await assert.rejects(renew(1_999n), { code: "payment_required", message: /charges 0\.002 USDC/ });
  assert.equal(asked.length, 2);
});

Deno.test("who signs is whom the escrow would believe", async () => {
  const { asked, fetch } = answering("{}");
  const pinned = { ...target(), allowance: { ...allowanceOf(10n), signer: signer!.address } };
  const renew = (account: typeof owner, at: RenewalTarget) =>
    renewAt(account!, deployment, provider, at, null, { fetch });
  await assert.rejects(renew(signer, target()), { code: "access_denied" });
  await assert.rejects(renew(owner, pinned), { code: "access_denied" });
  assert.equal(asked.length, 0);
  await renew(signer, pinned);
  const { permit } = parseRenewalRequest(asked[0]!.body);
  assert.equal(permit.payer, owner!.address);
  assert.equal(await recoverPermitSigner(provider, permit), signer!.address);
});

Deno.test("a permit goes to nobody else, and to nobody who could be overheard", async () => {
  const { asked, fetch } = answering("{}");
  const renew = (changes: Partial<RenewalTarget["record"]>) =>
    renewAt(owner!, deployment, provider, target(changes), null, { fetch });
  await assert.rejects(renew({ address: provider.escrow }), { code: "misdirected" });
  await assert.rejects(renew({ webDomain: "http://paolo.test" }), { code: "access_denied" });
  assert.equal(asked.length, 0);
});

Deno.test("a provider's refusal keeps its code and message", async () => {
  const said = JSON.stringify({ error: "stopped", message: "the owner has stopped it" });
  const { fetch } = answering(said, { status: 410 });
  await assert.rejects(renewAt(owner!, deployment, provider, target(), null, { fetch }), {
    code: "stopped",
    message: "https://moved.test: the owner has stopped it",
  });
});

Deno.test("a permit is needed when the old one does not pay, and where that is known", () => {
  const property = fc.property(
    fc.record({ price: fc.bigInt(0n, 3n), epoch: fc.nat(3) }),
    fc.record({
      price: fc.option(fc.bigInt(0n, 3n)),
      epoch: fc.option(fc.nat(3)),
    }),
    (permit, now) => {
      const need = permitNeed(permit, now);
      const isOver = now.epoch !== null && permit.epoch < now.epoch;
      const isCheap = now.price !== null && permit.price < now.price;
      assert.equal(need !== null, isOver || isCheap);
      if (need === "price") assert.ok(!isOver);
      assert.equal(permitNeed({ ...permit, stoppedAt: "2026-01-02T00:00:00.000Z" }, now), null);
    },
  );
  fc.assert(property);
});
