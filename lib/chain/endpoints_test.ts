import assert from "node:assert/strict";
import { type Hex, keccak256, pad } from "viem";
import { blockAt, callAt, connected, logsOf } from "../../worlds/chain/rpc_chain.ts";
import {
  NODE_CHAIN_ID,
  NodeError,
  type RpcNode,
  startRpcNode,
} from "../../worlds/chain/rpc_node.ts";
import { KhachapuriError } from "../errors.ts";
import { Endpoints } from "./endpoints.ts";
import type { RpcCall } from "./rpc_answer.ts";

const receiptOf = (hash: Hex): RpcCall => ({ method: "eth_getTransactionReceipt", params: [hash] });
const countAt = (tag: string): RpcCall => ({
  method: "eth_getTransactionCount",
  params: [`0x${"c0".repeat(20)}`, tag],
});
const send = (raw: Hex): RpcCall => ({ method: "eth_sendRawTransaction", params: [raw] });

const states = (endpoints: Endpoints) => endpoints.status().map(({ state }) => state);
const tooMany = () => new Response("slow down", { status: 429 });

function isUnavailable(message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof KhachapuriError, String(error));
    assert.equal(error.code, "chain_unavailable");
    assert.match(error.message, message);
    assert.doesNotMatch(Deno.inspect(error), /secret/);
    return true;
  };
}

/** Asks until this endpoint is up again; each question that it misses has it looked at. */
async function isBack(endpoints: Endpoints, index: number): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (states(endpoints)[index] === "up") return;
    await endpoints.request(callAt(5));
  }
  assert.fail("it did not come back");
}

Deno.test("what two say alike is believed, and each is asked once", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, c, endpoints } = await connected(3, stack);
  assert.equal(await endpoints.request(callAt(7)), pad("0x7"));
  assert.equal(await endpoints.request(callAt("latest")), pad("0xa"));
  for (const node of [a, b]) assert.deepEqual(node.asked, ["eth_chainId", "eth_call", "eth_call"]);
  assert.deepEqual(c.asked, ["eth_chainId"]);
});

Deno.test("a lie about money is an error that names both, never an answer", async (t) => {
  for (const lies of [0, 1]) {
    await t.step(`endpoint ${lies} lies`, async () => {
      await using stack = new AsyncDisposableStack();
      const { nodes, a, b, endpoints } = await connected(2, stack);
      nodes[lies]!.valueAt = () => pad("0xffff");
      const named = new RegExp(`endpoints ${a.origin} and ${b.origin} disagree on`);
      for (const call of [callAt(7), callAt("latest"), logsOf(1, 5)]) {
        await assert.rejects(endpoints.request(call), isUnavailable(named), call.method);
      }
      const many = endpoints.callMany(
        [{ to: "0x1", data: "0x" }, { to: "0x2", data: "0x" }],
        "0x7",
      );
      await assert.rejects(many, isUnavailable(/disagree on 2 calls at block 7/));
      assert.deepEqual(endpoints.status().map(({ disagreements }) => disagreements), [4, 4]);
      assert.deepEqual(states(endpoints), ["up", "up"]);
    });
  }
});

Deno.test("a lie about a block, its time or a receipt is not believed either", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  const hash = keccak256("0x01");
  for (const node of [a, b]) node.mined.set(hash, 4);
  const truth = await endpoints.request(blockAt(7));
  assert.deepEqual((truth as { number: Hex }).number, "0x7");
  assert.ok(await endpoints.request(receiptOf(hash)));
  b.mined.set(hash, 5);
  await assert.rejects(endpoints.request(receiptOf(hash)), isUnavailable(/disagree/));
  b.timeOf = () => 4_000_000_000;
  await assert.rejects(endpoints.request(blockAt(7)), isUnavailable(/disagree/));
  await assert.rejects(endpoints.request(blockAt("latest")), isUnavailable(/disagree/));
  Object.assign(b, { timeOf: a.timeOf, fork: "another" });
  await assert.rejects(endpoints.request(blockAt(7)), isUnavailable(/disagree/));
});

Deno.test("of three the one that says otherwise is outvoted and counted", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, endpoints } = await connected(3, stack);
  a.valueAt = () => pad("0xffff");
  assert.equal(await endpoints.request(callAt(7)), pad("0x7"));
  assert.deepEqual(endpoints.status().map(({ disagreements }) => disagreements), [1, 0, 0]);
});

Deno.test("a refusal is said alike too; one that is made up is not believed", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  const refuse = (message: string, data?: Hex) => () => {
    throw new NodeError(3, message, data);
  };
  a.valueAt = refuse("execution reverted", "0x12345678");
  b.valueAt = refuse("VM execution error", "0x12345678");
  await assert.rejects(endpoints.request(callAt(7)), { data: "0x12345678" });
  b.valueAt = refuse("execution reverted", "0x87654321");
  await assert.rejects(endpoints.request(callAt(7)), isUnavailable(/disagree/));
  b.valueAt = () => pad("0x7");
  await assert.rejects(endpoints.request(callAt(7)), isUnavailable(/disagree/));
});

Deno.test("the latest block is the slower one's, so that what is read next is there", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  a.head = 12;
  b.head = 11;
  assert.equal(await endpoints.request({ method: "eth_blockNumber", params: [] }), "0xb");
  assert.equal((await endpoints.request(blockAt("latest")) as { number: Hex }).number, "0xb");
  assert.equal(await endpoints.request(callAt("latest")), pad("0xb"));
  assert.deepEqual(endpoints.status().map(({ disagreements }) => disagreements), [0, 0]);
});

Deno.test("one that lags is waited for: its silence is no vote, and no block is gone", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  a.head = 12;
  b.head = 11;
  b.mined.set(keccak256("0x01"), 11);
  for (const call of [callAt(12), blockAt(12)]) {
    await assert.rejects(endpoints.request(call), isUnavailable(/lags behind: it cannot tell/));
  }
  assert.equal(await endpoints.request(receiptOf(keccak256("0x01"))), null, "not for both yet");
  for (const call of [callAt(12), blockAt(12), logsOf(10, 12)]) {
    b.head = 11;
    let asked = 0;
    b.instead = ([{ method }]) => {
      if (method === call.method && ++asked === 2) b.head = 12;
      return null;
    };
    assert.ok(await endpoints.request(call), call.method);
    assert.equal(asked, 2);
  }
  const logs = await endpoints.request(logsOf(10, 12)) as unknown[];
  assert.equal(logs.length, 3);
  assert.deepEqual(endpoints.status().map(({ disagreements }) => disagreements), [0, 0]);
});

Deno.test("one whose newest block is old rests while the other's is young", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  a.head = 110;
  a.timeOf = b.timeOf = (block) => Math.floor(Date.now() / 1_000) - 2 * (110 - block);
  assert.equal((await endpoints.request(blockAt("latest")) as { number: Hex }).number, "0x6e");
  assert.deepEqual(states(endpoints), ["up", "resting"]);
  assert.match(endpoints.status()[1]!.trouble!, /newest block is 10/);
});

Deno.test("one that calls older blocks final is not left behind", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  a.head = 110;
  a.timeOf = b.timeOf = (block) => Math.floor(Date.now() / 1_000) - 2 * (110 - block);
  const final = { method: "eth_getBlockByNumber", params: ["finalized", false] };
  assert.equal((await endpoints.request(final) as { number: Hex }).number, "0xa");
  assert.deepEqual(states(endpoints), ["up", "up"]);
});

Deno.test("one that claims a head far ahead does not have the other called old", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  a.head = 1_000_000;
  b.timeOf = a.timeOf = (block) => Math.floor(Date.now() / 1_000) + 2 * (block - 10);
  assert.equal((await endpoints.request(blockAt("latest")) as { number: Hex }).number, "0xa");
  assert.deepEqual(states(endpoints), ["up", "up"]);
});

Deno.test("an endpoint out of order rests, the other is used alone, and it comes back", async (t) => {
  const out: Record<string, () => Response> = {
    "429": tooMany,
    "500": () => new Response("oops", { status: 500 }),
    "401": () => new Response("no key", { status: 401 }),
    "a limit in an answer": () =>
      Response.json({ jsonrpc: "2.0", id: 1, error: { code: -32_005, message: "limit exceeded" } }),
    "HTML": () => new Response("<html>maintenance</html>"),
    "no result": () => Response.json({ jsonrpc: "2.0", id: 1 }),
    "null": () => Response.json(null),
    "a result of no call": () => Response.json({ jsonrpc: "2.0", id: 1, result: { a: 1 } }),
  };
  for (const [name, answer] of Object.entries(out)) {
    await t.step(name, async () => {
      await using stack = new AsyncDisposableStack();
      const { a, b, clock, endpoints } = await connected(2, stack);
      a.instead = answer;
      assert.equal(await endpoints.request(callAt(7)), pad("0x7"));
      assert.deepEqual(states(endpoints), ["resting", "up"]);
      const asked = a.requests();
      assert.equal(await endpoints.request(callAt(7)), pad("0x7"));
      assert.equal(a.requests(), asked, "it is left alone");
      a.instead = () => null;
      clock.ms += 1_001;
      await isBack(endpoints, 0);
      b.valueAt = () => pad("0xffff");
      await assert.rejects(endpoints.request(callAt(7)), isUnavailable(/disagree/));
    });
  }
});

Deno.test("one that is down at the start does not stop it, and is known before it is used", async () => {
  await using stack = new AsyncDisposableStack();
  const nodes = [0, 1].map(() => stack.use(startRpcNode()));
  const [a, b] = nodes as [RpcNode, RpcNode];
  const clock = { ms: 0 };
  await a.stop();
  const endpoints = new Endpoints(nodes.map(({ url }) => url), {
    timeoutMs: 2_000,
    pausesMs: [],
    now: () => clock.ms,
  });
  assert.equal(await endpoints.identify(), NODE_CHAIN_ID);
  assert.deepEqual(states(endpoints), ["resting", "up"]);
  assert.equal(await endpoints.request(callAt(7)), pad("0x7"));
  // It comes back as a node of another chain, and then as the right one.
  a.chainId = 1;
  a.start();
  clock.ms += 60_000;
  for (let i = 0; i < 1_000 && !endpoints.status()[0]!.trouble!.includes("chain 1"); i++) {
    assert.equal(await endpoints.request(callAt(7)), pad("0x7"));
  }
  assert.deepEqual(endpoints.status()[0], {
    origin: a.origin,
    state: "resting",
    disagreements: 0,
    trouble: `it is chain 1, not ${NODE_CHAIN_ID}`,
  });
  assert.deepEqual(new Set(a.asked), new Set(["eth_chainId"]));
  await b.stop();
  for (let i = 0; i < 2; i++) await assert.rejects(endpoints.request(callAt(7)));
  assert.deepEqual(new Set(a.asked), new Set(["eth_chainId"]), "not even when it is the only one");
  b.start();
  a.chainId = NODE_CHAIN_ID;
  clock.ms += 60_000;
  await endpoints.request(callAt(7));
  await isBack(endpoints, 0);
});

Deno.test("endpoints of two chains are refused at the start", async () => {
  await using stack = new AsyncDisposableStack();
  const [a, b] = [stack.use(startRpcNode()), stack.use(startRpcNode())];
  b.chainId = 5;
  const endpoints = new Endpoints([a.url, b.url], { timeoutMs: 2_000 });
  await assert.rejects(endpoints.identify(), {
    code: "invalid_config",
    message: `${a.origin} is chain 31337, ${b.origin} is chain 5`,
  });
});

Deno.test("when both are down the chain is, and the first that is back is asked", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  await Promise.all([a.stop(), b.stop()]);
  await assert.rejects(endpoints.request(callAt(7)), { name: "HttpRequestError" });
  assert.deepEqual(states(endpoints), ["resting", "resting"]);
  b.start();
  assert.equal(await endpoints.request(callAt(7)), pad("0x7"));
  assert.deepEqual(states(endpoints), ["resting", "up"]);
});

Deno.test("a silent endpoint is given up after its time", async () => {
  await using stack = new AsyncDisposableStack();
  const [a, b] = [stack.use(startRpcNode()), stack.use(startRpcNode())];
  const endpoints = new Endpoints([a.url, b.url], { timeoutMs: 100 });
  await endpoints.identify();
  const held = Promise.withResolvers<null>();
  a.instead = () => held.promise;
  assert.equal(await endpoints.request(callAt(7)), pad("0x7"));
  assert.deepEqual(states(endpoints), ["resting", "up"]);
  held.resolve(null);
});

Deno.test("a transaction goes to all; one that takes it is enough", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  const hash = keccak256("0x02");
  const refuse = (message: string) => () => {
    throw new NodeError(-32_000, message);
  };
  assert.equal(await endpoints.request(send("0x02")), hash);
  const reached = Promise.withResolvers<Hex>();
  a.take = refuse("already known");
  b.take = (raw) => (reached.resolve(raw), keccak256(raw));
  assert.equal(await endpoints.request(send("0x02")), hash);
  assert.equal(await reached.promise, "0x02");
  a.instead = tooMany;
  b.take = refuse("insufficient funds for gas");
  await assert.rejects(endpoints.request(send("0x02")), { details: "insufficient funds for gas" });
});

Deno.test("a broadcast reaches the second also when the first only seems to take it", async () => {
  await using stack = new AsyncDisposableStack();
  const { b, endpoints } = await connected(2, stack);
  const reached = Promise.withResolvers<Hex>();
  b.take = (raw) => (reached.resolve(raw), keccak256(raw));
  await endpoints.request(send("0x03"));
  assert.equal(await reached.promise, "0x03");
});

Deno.test("used nonces are the lesser count, taken ones the greater", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  a.counts = { latest: 4, pending: 4 };
  b.counts = { latest: 3, pending: 6 };
  assert.equal(await endpoints.request(countAt("latest")), "0x3");
  assert.equal(await endpoints.request(countAt("pending")), "0x6");
});

Deno.test("what one endpoint alone refuses, or does not know, another one may tell", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  const estimate: RpcCall = { method: "eth_estimateGas", params: [{}] };
  const lookUp: RpcCall = { method: "eth_getTransactionByHash", params: ["0x01"] };
  const revert = { code: 3, message: "execution reverted", data: "0x12345678" };
  a.instead = ([{ id, method }]) =>
    Response.json({ id, ...method === "eth_estimateGas" ? { error: revert } : { result: null } });
  b.instead = ([{ id }]) => Response.json({ id, result: "0x5208" });
  assert.equal(await endpoints.request(estimate), "0x5208");
  assert.equal(await endpoints.request(lookUp), "0x5208");
  b.instead = a.instead;
  await assert.rejects(endpoints.request(estimate), { data: "0x12345678" });
  assert.equal(await endpoints.request(lookUp), null);
});

Deno.test("what one endpoint does not do another is asked, and neither rests", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  const refusal = { code: -32_005, message: "query returned more than 10000 results" };
  a.instead = ([{ id, method }]) =>
    method === "eth_getLogs" ? Response.json({ jsonrpc: "2.0", id, error: refusal }) : null;
  assert.equal((await endpoints.request(logsOf(1, 3)) as unknown[]).length, 3);
  b.instead = a.instead;
  await assert.rejects(endpoints.request(logsOf(1, 3)), { name: "RpcRequestError" });
  assert.deepEqual(states(endpoints), ["up", "up"]);
});
