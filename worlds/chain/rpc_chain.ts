/** Nodes of one small chain, connected to as the endpoints of one configuration. */
import assert from "node:assert/strict";
import { numberToHex } from "viem";
import { Endpoints } from "../../lib/chain/endpoints.ts";
import type { RpcCall } from "../../lib/chain/rpc_answer.ts";
import { NODE_CHAIN_ID, type RpcNode, startRpcNode } from "./rpc_node.ts";

const CONTRACT = `0x${"c0".repeat(20)}`;

export const callAt = (block: number | "latest"): RpcCall => ({
  method: "eth_call",
  params: [{ to: CONTRACT, data: "0x" }, block === "latest" ? block : numberToHex(block)],
});
export const blockAt = (block: number | "latest"): RpcCall => ({
  method: "eth_getBlockByNumber",
  params: [block === "latest" ? block : numberToHex(block), false],
});
export const logsOf = (from: number, to: number): RpcCall => ({
  method: "eth_getLogs",
  params: [{ fromBlock: numberToHex(from), toBlock: numberToHex(to) }],
});

/** So many nodes, and what is connected to them; its clock stands unless it is moved. */
export async function connected(count: number, stack: AsyncDisposableStack) {
  const nodes = Array.from({ length: count }, () => stack.use(startRpcNode()));
  const clock = { ms: Date.now() };
  const endpoints = new Endpoints(nodes.map(({ url }) => url), {
    timeoutMs: 2_000,
    pausesMs: [1, 1, 1],
    now: () => clock.ms,
  });
  assert.equal(await endpoints.identify(), NODE_CHAIN_ID);
  const [a, b, c] = nodes as [RpcNode, RpcNode, RpcNode];
  return { nodes, a, b, c, clock, endpoints };
}
