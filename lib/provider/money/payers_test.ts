import assert from "node:assert/strict";
import { type Address, type Hex, type PublicClient, zeroAddress } from "viem";
import { Payers } from "./payers.ts";

const LANE: Hex = `0x${"1a".repeat(32)}`;
const KNOWN: Address = `0x${"ab".repeat(20)}`;
const ALLOWANCE = {
  credits: 1n,
  thawingCredits: 0n,
  pricePerCredit: 1n,
  signer: zeroAddress,
};

const stranger = (index: number): Address => `0x${index.toString(16).padStart(40, "0")}`;

/** A chain that answers, or that keeps everybody waiting. */
function lookup(answers: boolean) {
  const world = { at: 0, reads: 0 };
  const client = {
    getBlock: () => {
      world.reads += 1;
      return answers ? Promise.resolve({ number: 1n }) : new Promise(() => {});
    },
    readContract: ({ functionName }: { functionName: string }) =>
      Promise.resolve(functionName === "allowance" ? ALLOWANCE : 0n),
  } as unknown as PublicClient;
  const payers = new Payers({
    client,
    escrow: zeroAddress,
    provider: zeroAddress,
    ledger: {
      knows: (payer, lane) => payer === KNOWN && lane === undefined,
      basis: (_payer, lane) => Promise.resolve({ lanes: new Map([[lane, null]]), settledHere: 0n }),
    },
    finality: "latest",
    now: () => world.at,
  });
  return { world, payers };
}

Deno.test("whoever has had no call yet is looked up so often a second, others always", async () => {
  const { world, payers } = lookup(true);
  for (let index = 0; index < 200; index++) await payers.view(stranger(index), LANE, 0);
  const refused = { code: "overloaded", retryAfterSeconds: 1 };
  await assert.rejects(payers.view(stranger(200), LANE, 0), refused);
  await payers.view(KNOWN, LANE, 0);
  world.at = 100;
  await payers.view(stranger(200), LANE, 0);
  await payers.view(stranger(201), LANE, 0);
  await assert.rejects(payers.view(stranger(202), LANE, 0), refused);
});

Deno.test("strangers that a slow chain keeps waiting do not keep others waiting", async () => {
  const { world, payers } = lookup(false);
  for (let index = 0; index < 64; index++) payers.view(stranger(index), LANE, 0);
  await assert.rejects(payers.view(stranger(64), LANE, 0), { code: "overloaded" });
  payers.view(KNOWN, LANE, 0);
  assert.equal(world.reads, 65);
});
