import assert from "node:assert/strict";
import { judgeError, meaningOf } from "./rpc_answer.ts";

Deno.test("an error says of the endpoint, or of the chain, what nodes mean by it", () => {
  const cases: [ReturnType<typeof judgeError>, number, string, number?][] = [
    ["answer", 3, "execution reverted: limit exceeded"],
    ["answer", -32_000, "execution reverted"],
    ["answer", -32_000, "nonce too low"],
    ["answer", -32_000, "insufficient funds for gas * price + value"],
    ["answer", -32_000, "already known"],
    ["answer", -32_000, "replacement transaction underpriced"],
    ["out of order", 429, "Your app has exceeded its compute units per second capacity"],
    ["out of order", -32_005, "daily request count exceeded, request rate limited"],
    ["out of order", -32_007, "50/second request limit reached"],
    ["out of order", -32_016, "over rate limit"],
    ["out of order", -32_000, "no", 503],
    ["out of order", -32_000, "no", 429],
    ["out of order", -32_000, "Unauthorized", 401],
    ["behind", -32_000, "header not found"],
    ["behind", -32_001, "Resource not found."],
    ["unable", -32_000, "missing trie node 1234 (path ) state 0x12 is not available"],
    ["behind", -32_000, "Unknown block"],
    ["behind", -32_000, "block not found: 0x12"],
    ["behind", -32_602, "BlockOutOfRangeError: block height is 5 but requested was 10"],
    ["unable", -32_000, "historical state 0xab is not available"],
    ["unable", -32_601, "the method eth_getBlockByNumber does not exist/is not available"],
    ["unable", -32_603, "Internal error"],
    ["unable", -32_005, "query returned more than 10000 results"],
    ["unable", -32_600, "block range is too wide"],
    ["unable", -32_000, "exceed maximum block range: 5000"],
    ["unable", -32_000, "out of gas"],
    ["unable", -32_000, "execution aborted (timeout = 5s)"],
    ["unable", -32_000, "no", 413],
  ];
  for (const [kind, code, message, status] of cases) {
    assert.equal(judgeError({ code, message }, status), kind, message);
  }
  assert.equal(judgeError({ code: -32_603, message: "VM", data: "0x01" }), "answer");
});

const HASH = `0x${"ab".repeat(32)}`;
const log = (logIndex: string, rest: object = {}) => ({
  address: "0xAA",
  topics: [HASH],
  data: "0x",
  blockNumber: "0x1",
  blockHash: HASH,
  transactionHash: HASH,
  logIndex,
  ...rest,
});

Deno.test("what two nodes mean alike has one text, however each words it", () => {
  const logs = (...result: unknown[]) => meaningOf({ method: "eth_getLogs" }, result);
  const one = logs(log("0x1"), log("0x02"));
  assert.equal(logs(log("0x2", { address: "0xaa", blockTimestamp: "0x5" }), log("0x1")), one);
  for (
    const other of [{ data: "0x01" }, { topics: [] }, { address: "0xab" }, { blockHash: "0x" }]
  ) {
    assert.notEqual(logs(log("0x1"), log("0x2", other)), one);
  }
  const receipt = (rest: object = {}) =>
    meaningOf({ method: "eth_getTransactionReceipt" }, {
      transactionHash: HASH,
      blockHash: HASH,
      blockNumber: "0x1",
      status: "0x1",
      logs: [log("0x1")],
      ...rest,
    });
  assert.equal(receipt({ contractAddress: null, l1Fee: "0x5" }), receipt());
  for (
    const other of [{ status: "0x0" }, { logs: [] }, { blockNumber: "0x2" }, { gasUsed: "0x2" }]
  ) {
    assert.notEqual(receipt(other), receipt());
  }
  const code = (result: unknown) => meaningOf({ method: "eth_getCode" }, result);
  assert.equal(code("0xABCD"), code("0xabcd"));
  const balance = (result: unknown) => meaningOf({ method: "eth_getBalance" }, result);
  assert.equal(balance("0x05"), balance("0x5"));
});

Deno.test("what is no answer to the method is told from one", () => {
  const cases: [string, unknown][] = [
    ["eth_call", null],
    ["eth_call", { a: 1 }],
    ["eth_call", "abc"],
    ["eth_getBalance", "0x"],
    ["eth_getBlockByNumber", {}],
    ["eth_getBlockByNumber", { number: "0x1", hash: null, timestamp: "0x1" }],
    ["eth_getTransactionReceipt", { logs: [] }],
    ["eth_getLogs", null],
    ["eth_getLogs", [{ ...log("0x1"), topics: null }]],
  ];
  for (const [method, result] of cases) {
    assert.throws(() => meaningOf({ method }, result), /is none/, `${method} ${result}`);
  }
  assert.equal(meaningOf({ method: "eth_getBlockByNumber" }, null), "none");
});
