import assert from "node:assert/strict";
import { isMoving, pinned, type Rule, ruleOf, wordsFor } from "./rpc_rule.ts";

Deno.test("what decides about money is asked of two, the rest of one", () => {
  const cases: [Rule, string, ...unknown[]][] = [
    ["agree", "eth_call", {}, "0x5"],
    ["agree", "eth_call", {}, "latest"],
    ["agree", "eth_call", {}],
    ["any", "eth_call", {}, "pending"],
    ["agree", "eth_getCode", "0x1", "latest"],
    ["agree", "eth_getStorageAt", "0x1", "0x0", "0x5"],
    ["agree", "eth_getLogs", {}],
    ["agree", "eth_getBlockByNumber", "0x5", false],
    ["agree", "eth_getBlockByNumber", "earliest", false],
    ["head", "eth_getBlockByNumber", "latest", false],
    ["head", "eth_getBlockByNumber", "safe", false],
    ["head", "eth_getBlockByNumber", "finalized", false],
    ["any", "eth_getBlockByNumber", "pending", false],
    ["all alike", "eth_getTransactionReceipt", "0x1"],
    ["least", "eth_getTransactionCount", "0x1", "latest"],
    ["most", "eth_getTransactionCount", "0x1", "pending"],
    ["agree", "eth_getTransactionCount", "0x1", "0x5"],
    ["height", "eth_blockNumber"],
    ["send", "eth_sendRawTransaction", "0x1"],
    ["any", "eth_estimateGas", {}],
    ["any", "eth_getTransactionByHash", "0x1"],
  ];
  for (const [rule, method, ...params] of cases) {
    assert.equal(ruleOf({ method, params }), rule, `${method} ${JSON.stringify(params)}`);
  }
});

Deno.test("only what means the latest block is pinned to one", () => {
  const cases: [string, unknown[], unknown[]][] = [
    ["eth_call", [{}], [{}, "0x7"]],
    ["eth_call", [{}, "latest"], [{}, "0x7"]],
    ["eth_call", [{}, "latest", { "0x1": {} }], [{}, "0x7", { "0x1": {} }]],
    ["eth_getStorageAt", ["0x1", "0x0", "latest"], ["0x1", "0x0", "0x7"]],
    ["eth_getLogs", [{ fromBlock: "earliest" }], [{ fromBlock: "earliest", toBlock: "0x7" }]],
    ["eth_getLogs", [{ topics: [] }], [{ topics: [], fromBlock: "0x7", toBlock: "0x7" }]],
  ];
  for (const [method, params, expected] of cases) {
    assert.equal(isMoving({ method, params }), true, JSON.stringify(params));
    assert.deepEqual(pinned({ method, params }, "0x7").params, expected);
  }
  const still: [string, ...unknown[]][] = [
    ["eth_call", {}, "0x5"],
    ["eth_getLogs", { fromBlock: "0x1", toBlock: "0x2" }],
    ["eth_getLogs", { blockHash: "0x1" }],
    ["eth_getBlockByHash", "0x1", false],
  ];
  for (const [method, ...params] of still) assert.equal(isMoving({ method, params }), false);
});

Deno.test("a message names the method, and the block where it is a number", () => {
  assert.equal(wordsFor({ method: "eth_call", params: [{}, "0x10"] }), "eth_call at block 16");
  assert.equal(wordsFor({ method: "eth_call", params: [{}, "latest"] }), "eth_call");
  const block = { method: "eth_getBlockByNumber", params: ["0x10", false] };
  assert.equal(wordsFor(block), "eth_getBlockByNumber at block 16");
  assert.equal(wordsFor({ method: "eth_getLogs", params: [{}] }), "eth_getLogs");
});
