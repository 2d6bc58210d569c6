/** How transactions get into blocks of the chain in memory, and what its endpoints may do. */
import assert from "node:assert/strict";
import { encodeFunctionData, type Hex, type LocalAccount, parseGwei } from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import { signPermit, UINT64_MAX } from "../../lib/permit.ts";
import { anvilAccount } from "./anvil.ts";
import { FAKE_ESCROW, type FakeChain, fakeChain } from "./fake_chain.ts";

const [PROVIDER, PAYER] = [anvilAccount(1), anvilAccount(4)];
const [ONE, TWO] = [anvilAccount(2), anvilAccount(3)];
const LANE: Hex = `0x${"1a".repeat(32)}`;
const GWEI = parseGwei("1");

interface Offer {
  by?: LocalAccount;
  nonce?: number;
  /** Gwei for a unit of gas; all of it may be tip. */
  fee?: bigint;
  gas?: bigint;
}

/** A chain whose blocks come when told; a unit of gas costs a gwei. */
function market(): FakeChain {
  const fake = fakeChain(PROVIDER.address);
  Object.assign(fake, { isMining: false, baseFee: () => GWEI, now: 1_000n });
  fake.allow(PAYER.address, 5n, 100n);
  return fake;
}

/** Sends `consume` of the lane's next credit. */
async function offer(fake: FakeChain, { by = ONE, nonce = 0, fee = 2n, gas = 90_000n }: Offer) {
  const permit = await signPermit(PAYER, { chainId: 31_337, escrow: FAKE_ESCROW }, {
    ...{ payer: PAYER.address, provider: PROVIDER.address, lane: LANE, price: 5n },
    ...{ credits: 100n, deadline: UINT64_MAX, epoch: 0 },
  });
  const data = encodeFunctionData({ abi: escrowAbi, functionName: "consume", args: [5n, permit] });
  const raw = await by.signTransaction({
    ...{ type: "eip1559", chainId: 31_337, to: FAKE_ESCROW, data, nonce, gas },
    ...{ maxFeePerGas: fee * GWEI, maxPriorityFeePerGas: fee * GWEI },
  });
  return await fake.chain.public.sendRawTransaction({ serializedTransaction: raw });
}

const refusedWith = (words: string) => (error: Error) => {
  assert.ok(error.message.includes(words), error.message);
  return true;
};

const statuses = (fake: FakeChain) =>
  fake.blocks.head.mined.map(({ transaction, status }) => [transaction.from, status]);

Deno.test("a block takes the dearest first, and each account's in the order of their nonces", async () => {
  const fake = market();
  await offer(fake, { nonce: 1, fee: 9n });
  await offer(fake, { nonce: 0, fee: 3n });
  await offer(fake, { by: TWO, fee: 5n });
  await fake.mine();
  const [one, two] = [ONE.address, TWO.address];
  assert.deepEqual(statuses(fake), [[two, "0x1"], [one, "0x1"], [one, "0x1"]]);
  assert.equal(fake.consumed(PAYER.address, LANE), 3n);
});

Deno.test("what pays less than the base fee waits until that falls", async () => {
  const fake = market();
  fake.baseFee = () => 1_000n * GWEI;
  await offer(fake, {});
  await fake.mine();
  assert.deepEqual([statuses(fake), fake.mempool.length], [[], 1]);
  fake.baseFee = () => GWEI;
  await fake.mine();
  assert.equal(fake.mempool.length, 0);
});

Deno.test("a node takes a second form for a tenth more, and says what it does not take", async () => {
  const fake = market();
  await offer(fake, { fee: 100n });
  await assert.rejects(offer(fake, { fee: 100n }), refusedWith("already known"));
  await assert.rejects(
    offer(fake, { fee: 109n }),
    refusedWith("replacement transaction underpriced"),
  );
  await offer(fake, { fee: 110n });
  await fake.mine();
  await assert.rejects(offer(fake, { fee: 200n }), refusedWith("nonce too low"));
  fake.setCoin(TWO.address, 90_000n * GWEI);
  await assert.rejects(offer(fake, { by: TWO, fee: 2n }), refusedWith("insufficient funds"));
  assert.equal(fake.consumed(PAYER.address, LANE), 1n);
});

Deno.test("with too little gas all of it is paid for, and nothing is done", async () => {
  const fake = market();
  const before = fake.coinOf(ONE.address);
  await offer(fake, { gas: 40_000n });
  await fake.mine();
  assert.deepEqual(statuses(fake), [[ONE.address, "0x0"]]);
  assert.equal(before - fake.coinOf(ONE.address), 40_000n * 2n * GWEI);
  assert.equal(fake.consumed(PAYER.address, LANE), 0n);
});

Deno.test("blocks come by time, and a block is full when its gas is used", async () => {
  const fake = fakeChain(PROVIDER.address, { blockGas: 100_000n });
  fake.allow(PAYER.address, 5n, 100n);
  Object.assign(fake, { isMining: false, now: 1_000n, blockSeconds: 12n });
  await offer(fake, { nonce: 0 });
  await offer(fake, { nonce: 1 });
  fake.advance(24n);
  const counts = fake.blocks.list.slice(-2).map((
    { mined, timestamp },
  ) => [mined.length, timestamp]);
  assert.deepEqual(counts, [[1, 1_012n], [1, 1_024n]]);
});

Deno.test("an endpoint may lag, stand, lose and hide; another one tells the truth", async () => {
  const fake = market();
  const { chain, faults } = fake.endpoint("other");
  const heads = () =>
    Promise.all([chain, fake.chain].map((one) => one.public.getBlockNumber({ cacheTime: 0 })));
  faults.lag = 1n;
  assert.deepEqual(await heads(), [0n, 1n]);
  Object.assign(faults, { lag: 0n, standsAt: fake.height() });
  await fake.mine();
  assert.deepEqual(await heads(), [1n, 2n]);
  const logs = () => chain.public.getLogs({ fromBlock: 0n });
  assert.equal((await logs()).length, 1);
  faults.hidesEvents = true;
  assert.equal((await logs()).length, 0);
  faults.loses = ({ method }) => method === "eth_getLogs";
  await assert.rejects(logs(), refusedWith("lost"));
  faults.garbles = ({ method }) => method === "eth_blockNumber";
  await assert.rejects(heads());
});
