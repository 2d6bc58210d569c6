import assert from "node:assert/strict";
import type { Hex } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";
import { FAKE_ESCROW, fakeChain } from "../../../worlds/chain/fake_chain.ts";
import type { ChainFact } from "../ledger/ledger.ts";
import { level, readAllowances } from "./counters.ts";

const [PROVIDER, ANNA, BERT] = [1, 4, 5].map((n) => anvilAccount(n).address);
const laneOf = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;

function open() {
  const fake = fakeChain(PROVIDER!);
  const requests: string[] = [];
  fake.intercept = ({ method }) => {
    requests.push(method);
    return Promise.resolve(undefined);
  };
  const facts: ChainFact[] = [];
  const ledger = {
    record: (some: readonly ChainFact[]) => Promise.resolve(void facts.push(...some)),
  };
  const site = { chain: fake.chain, escrow: FAKE_ESCROW, provider: PROVIDER! };
  return { fake, requests, facts, ledger, site };
}

Deno.test("the allowances of any number of payers take one request", async () => {
  const { fake, requests, site } = open();
  fake.allow(ANNA!, 5n, 7n);
  const held = await readAllowances(site, [ANNA!, BERT!]);
  assert.equal(held.get(ANNA!)!.credits, 7n);
  assert.equal(held.get(BERT!)!.credits, 0n);
  assert.deepEqual(requests, ["eth_call"]);
  assert.equal((await readAllowances(site, [])).size, 0);
  assert.equal(requests.length, 1);
});

Deno.test("lanes are brought level a thousand at a time, as of a block that is known", async () => {
  const { fake, requests, facts, ledger, site } = open();
  await fake.mine();
  const lanes = Array.from({ length: 1_001 }, (_, n) => ({ payer: ANNA!, lane: laneOf(n) }));
  await level(site, ledger, lanes);
  assert.deepEqual(requests, ["eth_blockNumber", "eth_call", "eth_blockNumber", "eth_call"]);
  assert.equal(facts.length, 1_001);
  assert.deepEqual(facts.at(-1), {
    fact: "level",
    payer: ANNA!,
    lane: laneOf(1_000),
    settled: 0n,
    block: fake.height(),
  });
  await level(site, ledger, []);
  assert.equal(requests.length, 4);
});

Deno.test("a chain that does not say its block is out of reach", async () => {
  const { fake, facts, ledger, site } = open();
  fake.intercept = () => Promise.reject(new Error("no"));
  const lanes = [{ payer: ANNA!, lane: laneOf(1) }];
  await assert.rejects(level(site, ledger, lanes), { code: "chain_unavailable" });
  assert.deepEqual(facts, []);
});

Deno.test("the allowance of one payer is read as well", async () => {
  const { fake, site } = open();
  fake.allow(ANNA!, 5n, 7n);
  assert.equal((await readAllowances(site, [ANNA!])).get(ANNA!)!.credits, 7n);
});
