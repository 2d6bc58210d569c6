import assert from "node:assert/strict";
import { allowanceOf, answeringChain } from "../../worlds/chain/escrow_answers.ts";
import { readSpending } from "./deployment_spending.ts";
import type { OwnDeployment } from "./deployments_file.ts";

const providerOn = (chainId: number, name: string) => ({
  name,
  address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" as const,
  chainId,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3" as const,
  webDomain: `https://${name}`,
  price: 1_000n,
  epoch: 0,
});

const deployment: OwnDeployment = {
  cid: "bafy",
  id: `0x${"12".repeat(32)}`,
  owner: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  program: { cid: "bafyprogram", private: false },
  createdAt: "2026-01-01T00:00:00.000Z",
  providers: [providerOn(31_337, "a.test"), providerOn(1, "b.test")],
};

Deno.test("each provider of a deployment has a row, with what is settled and what is left", async () => {
  const allowance = { ...allowanceOf(10n), thawingCredits: 4n, epoch: 2, epochEnd: 9n };
  const chain = answeringChain({ settled: 3n, allowance });
  const [here, elsewhere, ...others] = await readSpending(chain, [deployment]);
  assert.equal(here!.provider.name, "a.test");
  assert.deepEqual([here!.settled, here!.creditsLeft], [3n, 6n], "what thaws is not left");
  assert.equal(here!.signingEpoch, 3, "the one that begins when the bump takes effect");
  assert.equal(elsewhere!.signingEpoch, null);
  assert.equal(elsewhere!.provider.name, "b.test");
  assert.deepEqual([elsewhere!.settled, elsewhere!.creditsLeft], [null, null], "another chain");
  assert.deepEqual(others, []);
});
