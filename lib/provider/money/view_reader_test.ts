/** One block, one question: what a view is made of, on the chain in memory. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";
import { FAKE_ESCROW, fakeChain, rpcError } from "../../../worlds/chain/fake_chain.ts";
import type { Basis } from "../ledger/ledger.ts";
import { ViewReader, type ViewReaderOptions } from "./view_reader.ts";

const PROVIDER = anvilAccount(1).address;
const [ANNA, BERT] = [anvilAccount(3).address, anvilAccount(4).address];
const lane = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;

function open(bases: Record<string, Basis> = {}, changes: Partial<ViewReaderOptions> = {}) {
  const fake = fakeChain(PROVIDER);
  for (const payer of [ANNA, BERT]) fake.allow(payer, 2n, 10n);
  const asked: string[] = [];
  fake.intercept = ({ method }) => Promise.resolve(void asked.push(method));
  const blocks: bigint[] = [];
  const reader = new ViewReader({
    chain: fake.chain,
    escrow: FAKE_ESCROW,
    provider: PROVIDER,
    ledger: {
      knows: (payer, id) => typeof bases[payer]?.lanes.get(id!) === "bigint",
      basis: (payer, id) =>
        Promise.resolve(bases[payer] ?? { lanes: new Map([[id, null]]), settledHere: 0n }),
    },
    finality: "latest",
    onBlock: ({ number }) => void blocks.push(number),
    now: () => 7,
    ...changes,
  });
  return { fake, asked, blocks, reader };
}

Deno.test("a view of any number of lanes takes two requests, all of one block, which is told", async () => {
  const lanes = new Map(Array.from({ length: 1_000 }, (_, n) => [lane(n), 0n]));
  const { reader, asked, blocks } = open({ [ANNA]: { lanes, settledHere: 4n } });
  const [view] = await reader.newest([{ payer: ANNA, lane: lane(0) }]);
  assert.deepEqual(asked, ["eth_getBlockByNumber", "eth_call"]);
  assert.deepEqual(blocks, [2n]);
  const terms = { credits: 10n, thawingCredits: 0n, thawEnd: 0n, pricePerCredit: 2n, signer: ANNA };
  const rest = { epoch: 0, epochEnd: 0n, settled: new Map(), ceiling: 14n };
  assert.deepEqual(view, { block: 2n, at: 7, ...terms, ...rest });
});

Deno.test("those who ask together share the block and the request, and lanes of one payer a view", async () => {
  const { reader, asked } = open();
  const [one, other, berts] = await reader.newest([
    { payer: ANNA, lane: lane(1) },
    { payer: ANNA, lane: lane(2) },
    { payer: BERT, lane: lane(1) },
  ]);
  assert.equal(asked.length, 2);
  assert.equal(one, other);
  assert.deepEqual([...one!.settled.keys()], [lane(1), lane(2)]);
  assert.deepEqual([berts!.signer, [...berts!.settled.keys()]], [BERT, [lane(1)]]);
});

Deno.test("what the escrow is ahead of the ledger counts as taken here", async () => {
  const lanes = new Map([[lane(1), 3n], [lane(2), null]]);
  const { reader } = open({ [ANNA]: { lanes, settledHere: 3n } });
  const [view] = await reader.asOf([{ payer: ANNA, lane: lane(2) }], 2n);
  // The ledger knew of three, at this block the escrow has taken none.
  assert.deepEqual([view!.ceiling, [...view!.settled]], [10n, [[lane(2), 0n]]]);
});

Deno.test("what the payer takes back is promised to nobody", async () => {
  const { fake, reader } = open();
  fake.revoke(ANNA, 4n);
  await fake.mine();
  const [view] = await reader.newest([{ payer: ANNA, lane: lane(1) }]);
  assert.deepEqual([view!.credits, view!.thawingCredits, view!.ceiling], [10n, 4n, 6n]);
  assert.equal(view!.thawEnd, fake.allowanceOf(ANNA).thawEnd);
  assert.ok(view!.thawEnd > 0n);
});

Deno.test("counters of lanes are read at a block, in one request", async () => {
  const { reader, asked } = open();
  const lanes = [1, 2, 3].map((n) => ({ payer: ANNA, lane: lane(n) }));
  assert.deepEqual(await reader.counters(lanes, 1n), [0n, 0n, 0n]);
  assert.deepEqual(asked, ["eth_call"]);
});

Deno.test("a chain that does not answer is unavailable, and nothing was charged", async () => {
  const { fake, reader } = open();
  fake.intercept = () => Promise.reject(rpcError("down"));
  await assert.rejects(reader.newest([{ payer: ANNA, lane: lane(1) }]), {
    code: "chain_unavailable",
    retryAfterSeconds: 5,
  });
});
