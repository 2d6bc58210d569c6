/** What a view says of a payer, of one block. */
import assert from "node:assert/strict";
import { type Address, type Hex, type PublicClient, zeroAddress } from "viem";
import { Payers } from "./payers.ts";

const PAYER: Address = `0x${"ab".repeat(20)}`;
const SIGNER: Address = `0x${"cd".repeat(20)}`;
const PROVIDER: Address = `0x${"99".repeat(20)}`;
const ESCROW: Address = `0x${"ee".repeat(20)}`;
const [OWN, LEVEL, NEW]: [Hex, Hex, Hex] = [
  `0x${"01".repeat(32)}`,
  `0x${"02".repeat(32)}`,
  `0x${"03".repeat(32)}`,
];
const ALLOWANCE = {
  credits: 20n,
  thawingCredits: 4n,
  pricePerCredit: 7n,
  signer: zeroAddress as Address,
  epoch: 3,
  epochEnd: 99n,
};

interface Situation {
  allowance?: Partial<typeof ALLOWANCE>;
  /** The lanes to read, with the counter that the ledger knew; null where it knew none. */
  lanes: ReadonlyMap<Hex, bigint | null>;
  settledHere: bigint;
  /** The escrow's counters. */
  consumed: ReadonlyMap<Hex, bigint>;
}

/** The view that is read, and the blocks at which. */
async function viewIn({ allowance, lanes, settledHere, consumed }: Situation) {
  const blocks: (bigint | string | undefined)[] = [];
  const client = {
    getBlock({ blockTag }: { blockTag: string }) {
      blocks.push(blockTag);
      return Promise.resolve({ number: 50n });
    },
    readContract({ blockNumber, functionName, args }: {
      blockNumber: bigint;
      functionName: string;
      args: unknown[];
    }) {
      blocks.push(blockNumber);
      assert.deepEqual(args.slice(0, 2), [PAYER, PROVIDER]);
      if (functionName === "allowance") return Promise.resolve({ ...ALLOWANCE, ...allowance });
      return Promise.resolve(consumed.get(args[2] as Hex) ?? 0n);
    },
  } as unknown as PublicClient;
  const payers = new Payers({
    client,
    escrow: ESCROW,
    provider: PROVIDER,
    ledger: {
      knows: () => true,
      basis(payer, lane, block) {
        assert.deepEqual([payer, lane, block], [PAYER, OWN, 50n]);
        return Promise.resolve({ lanes, settledHere });
      },
    },
    finality: "safe",
    now: () => 1_234,
  });
  return { view: await payers.view(PAYER, OWN, 0), blocks };
}

Deno.test("a view is all of one block, the one that the finality policy trusts", async () => {
  const { view, blocks } = await viewIn({
    lanes: new Map([[OWN, null], [NEW, 2n]]),
    settledHere: 0n,
    consumed: new Map([[OWN, 5n], [NEW, 2n]]),
  });
  assert.deepEqual(blocks, ["safe", 50n, 50n, 50n]);
  const { credits, thawingCredits, pricePerCredit, epoch, epochEnd } = ALLOWANCE;
  assert.deepEqual(view, {
    block: 50n,
    at: 1_234,
    credits,
    thawingCredits,
    pricePerCredit,
    signer: PAYER,
    epoch,
    epochEnd,
    settled: new Map([[OWN, 5n], [NEW, 2n]]),
    ceiling: 16n,
  });
});

Deno.test("a settlement leaves the ceiling as it is, whether we have heard of it or not", async () => {
  const before = { lanes: new Map([[OWN, 6n], [LEVEL, 1n]]), settledHere: 3n };
  const unheard = new Map([[OWN, 6n], [LEVEL, 1n]]);
  const { view: first } = await viewIn({ ...before, consumed: unheard });
  assert.equal(first.ceiling, 20n - 4n + 3n);
  const settled = new Map([[OWN, 8n], [LEVEL, 4n]]);
  const { view: second } = await viewIn({
    ...before,
    allowance: { credits: 20n - 5n },
    consumed: settled,
  });
  assert.equal(second.ceiling, first.ceiling);
  const heard = { lanes: new Map([[OWN, 8n], [LEVEL, 4n]]), settledHere: 3n + 5n };
  const { view: third } = await viewIn({
    ...heard,
    allowance: { credits: 20n - 5n },
    consumed: settled,
  });
  assert.equal(third.ceiling, first.ceiling);
});

Deno.test("what the escrow had taken on a lane that we did not know adds nothing", async () => {
  const { view } = await viewIn({
    lanes: new Map([[OWN, null]]),
    settledHere: 0n,
    consumed: new Map([[OWN, 1_000n]]),
  });
  assert.equal(view.ceiling, 16n);
});

Deno.test("who may sign is the signer that the allowance pins, else the payer", async () => {
  const situation = { lanes: new Map([[OWN, null]]), settledHere: 0n, consumed: new Map() };
  assert.equal((await viewIn(situation)).view.signer, PAYER);
  assert.equal((await viewIn({ ...situation, allowance: { signer: SIGNER } })).view.signer, SIGNER);
});
