import assert from "node:assert/strict";
import {
  type Address,
  decodeFunctionData,
  encodeErrorResult,
  encodeFunctionResult,
  getAddress,
  type Hex,
  keccak256,
  multicall3Abi,
  numberToHex,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import { escrowCall } from "./escrow_call.ts";
import { escrowAbi, usdcAbi } from "./abi.ts";
import type { ContractCall } from "./contract_call.ts";
import {
  createManyReader,
  decodeAggregate3,
  encodeAggregate3,
  MULTICALL3,
  type ReadsTransport,
} from "./multicall.ts";

const ESCROW = getAddress(`0x${"e5".repeat(20)}`);
const PAYER = getAddress(`0x${"a1".repeat(20)}`);

const lane = (index: number): Hex => keccak256(numberToHex(index));
const consumed = (index: number): ContractCall =>
  escrowCall(ESCROW, "consumed", [PAYER, PAYER, lane(index)]);
const credits = (index: number): Hex =>
  encodeFunctionResult({ abi: escrowAbi, functionName: "consumed", result: BigInt(index) });

/** Every lane's counter is its number; keeps what it was asked. */
function lanesChain(count: number, { hasMulticall = true } = {}) {
  const byLane = new Map(Array.from({ length: count }, (_, index) => [lane(index), index]));
  const asked: { method: string; params: readonly unknown[] }[] = [];
  const batches: { size: number; block: Hex }[] = [];
  const answer = (data: Hex): Hex => {
    const { args } = decodeFunctionData({ abi: escrowAbi, data });
    return credits(byLane.get((args as readonly Hex[])[2]!)!);
  };
  const transport: ReadsTransport = {
    request(call) {
      asked.push(call);
      if (call.method === "eth_getCode") return Promise.resolve(hasMulticall ? "0x01" : "0x");
      if (call.method === "eth_blockNumber") return Promise.resolve("0x64");
      const { to, data } = call.params[0] as { to: Address; data: Hex };
      assert.equal(to, MULTICALL3);
      const { args: [calls] } = decodeFunctionData({ abi: multicall3Abi, data }) as {
        args: readonly [readonly { target: Address; callData: Hex }[]];
      };
      const result = calls.map(({ target, callData }) => {
        assert.equal(target, ESCROW);
        return { success: true, returnData: answer(callData) };
      });
      return Promise.resolve(
        encodeFunctionResult({ abi: multicall3Abi, functionName: "aggregate3", result }),
      );
    },
    callMany(calls, block) {
      batches.push({ size: calls.length, block });
      return Promise.resolve(calls.map(({ data }) => ({ data: answer(data) })));
    },
  };
  return { asked, batches, readMany: createManyReader(transport, "https://rpc.example") };
}

Deno.test("a payer's 1,024 lanes and its allowance's worth of room are one eth_call", async () => {
  const { asked, readMany } = lanesChain(1_030);
  const read = await readMany<bigint>(Array.from({ length: 1_030 }, (_, i) => consumed(i)), 7n);
  assert.deepEqual(read, Array.from({ length: 1_030 }, (_, index) => BigInt(index)));
  assert.deepEqual(asked.map(({ method }) => method), ["eth_getCode", "eth_call"]);
  assert.equal(asked[1]!.params[1], "0x7");
  await readMany([consumed(0)]);
  assert.deepEqual(asked.slice(2).map(({ method }) => method), ["eth_call"]);
  assert.equal(asked[2]!.params[1], "latest");
});

Deno.test("what does not fit one request is cut, and all of it is as of one block", async () => {
  const { asked, readMany } = lanesChain(3_000);
  const read = await readMany<bigint>(Array.from({ length: 3_000 }, (_, i) => consumed(i)));
  assert.deepEqual(read, Array.from({ length: 3_000 }, (_, index) => BigInt(index)));
  const calls = asked.filter(({ method }) => method === "eth_call");
  assert.equal(calls.length, 3);
  assert.deepEqual(calls.map(({ params }) => params[1]), ["0x64", "0x64", "0x64"]);
  for (const { params } of calls) assert.ok(JSON.stringify(params).length < 800_000);
});

Deno.test("without Multicall3 the reads go in a batch, as of one block", async () => {
  const { asked, batches, readMany } = lanesChain(5, { hasMulticall: false });
  const calls = [0, 1, 2, 3, 4].map(consumed);
  assert.deepEqual(await readMany(calls), [0n, 1n, 2n, 3n, 4n]);
  assert.deepEqual(await readMany(calls, 9n), [0n, 1n, 2n, 3n, 4n]);
  assert.deepEqual(batches, [{ size: 5, block: "0x64" }, { size: 5, block: "0x9" }]);
  assert.deepEqual(asked.map(({ method }) => method), ["eth_getCode", "eth_blockNumber"]);
  assert.deepEqual(await readMany([]), []);
  assert.equal(asked.length, 2);
});

Deno.test("reading goes on after the chain could not say whether it has Multicall3", async () => {
  let isUp = false;
  const readMany = createManyReader({
    request: ({ method }) => {
      if (!isUp) return Promise.reject(new KhachapuriError("chain_unavailable", "down"));
      return Promise.resolve(method === "eth_getCode" ? "0x" : "0x1");
    },
    callMany: () => Promise.resolve([{ data: credits(3) }]),
  }, "https://rpc.example");
  await assert.rejects(readMany([consumed(0)]), { code: "chain_unavailable" });
  isUp = true;
  assert.deepEqual(await readMany([consumed(0)]), [3n]);
});

Deno.test("one refusal, or no contract, rejects the whole in our words", async () => {
  const refusal = encodeErrorResult({
    abi: escrowAbi,
    errorName: "InsufficientBalance",
    args: [1n, 2n],
  });
  const result = [
    { success: true, returnData: credits(1) },
    { success: false, returnData: refusal },
    { success: true, returnData: "0x" as Hex },
  ];
  const readMany = (from: number, to: number) =>
    createManyReader({
      request: ({ method }) =>
        Promise.resolve(
          method === "eth_getCode" ? "0x01" : encodeFunctionResult({
            abi: multicall3Abi,
            functionName: "aggregate3",
            result: result.slice(from, to),
          }),
        ),
      callMany: () => Promise.reject(new Error("not asked")),
    }, "https://rpc.example")([consumed(0), consumed(1)].slice(0, to - from));
  await assert.rejects(readMany(0, 2), (error: KhachapuriError) => {
    assert.equal(error.code, "chain_refused");
    assert.equal(error.data["reason"], "InsufficientBalance");
    assert.match(error.message, /you have 0.000001 USDC free/);
    return true;
  });
  await assert.rejects(readMany(2, 3), { code: "chain_refused", data: { reason: "NoContract" } });
  await assert.rejects(readMany(0, 3), { code: "chain_unavailable" });
});

Deno.test("aggregate3 is encoded as its ABI says, for every length of call and answer", () => {
  const targets = [0, 1, 31, 32, 33, 64, 100, 200].map((bytes) => ({
    to: bytes % 2 ? ESCROW : PAYER,
    data: `0x${"ab".repeat(bytes)}` as Hex,
  }));
  const { args } = decodeFunctionData({ abi: multicall3Abi, data: encodeAggregate3(targets) });
  assert.deepEqual(
    args[0],
    targets.map(({ to, data }) => ({ target: to, allowFailure: true, callData: data })),
  );
  const result = targets.map(({ data }) => ({ success: true, returnData: data }));
  const answer = encodeFunctionResult({
    abi: multicall3Abi,
    functionName: "aggregate3",
    result,
  });
  assert.deepEqual(
    decodeAggregate3(answer, targets.length),
    targets.map(({ data }) => ({ data })),
  );
});

Deno.test("an answer that is cut, or none of Multicall3's, is not read", () => {
  const answer = encodeFunctionResult({
    abi: multicall3Abi,
    functionName: "aggregate3",
    result: [{ success: true, returnData: credits(1) }, { success: true, returnData: credits(2) }],
  });
  for (let length = 2; length < answer.length; length += 64) {
    assert.throws(() => decodeAggregate3(answer.slice(0, length) as Hex, 2), /Multicall3/);
  }
  assert.throws(() => decodeAggregate3(answer, 1), /another number/);
  const wild = answer.replace(/0{62}20/, "f".repeat(64)) as Hex;
  assert.throws(() => decodeAggregate3(wild, 2), /Multicall3/);
});

Deno.test("reads of several contracts keep their order", async () => {
  const readMany = createManyReader({
    request: () => Promise.resolve("0x"),
    callMany: (calls) =>
      Promise.resolve(calls.map(({ to }) => ({ data: credits(to === ESCROW ? 1 : 2) }))),
  }, "https://rpc.example");
  const balance = { address: PAYER, abi: usdcAbi, functionName: "balanceOf", args: [PAYER] };
  assert.deepEqual(await readMany([consumed(0), balance, consumed(1)], 1n), [1n, 2n, 1n]);
});
