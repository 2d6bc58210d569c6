/** One honest endpoint and one that does as it likes, against every course of events. */
import assert from "node:assert/strict";
import { type Hex, numberToHex, pad } from "viem";
import { blockAt, callAt, connected, logsOf } from "../../worlds/chain/rpc_chain.ts";
import type { RpcNode } from "../../worlds/chain/rpc_node.ts";
import { randomOf, seededRandom } from "../../worlds/random.ts";

const tooMany = () => new Response("slow down", { status: 429 });

Deno.test("whatever one endpoint does, the honest one's chain is told, or nothing", async () => {
  const { seed } = seededRandom("endpoints");
  for (let round = 0; round < 60; round++) {
    const random = randomOf(seed + round);
    await using stack = new AsyncDisposableStack();
    const { a, b, clock, endpoints } = await connected(2, stack);
    const [honest, rogue] = random.chance(0.5) ? [a, b] : [b, a];
    const faults: ((node: RpcNode) => Response | null)[] = [
      tooMany,
      () => new Response("<html>"),
      () => Response.json({ id: 1, result: pad("0xbad") }),
      () => Response.json({ id: 1, result: null }),
      () => Response.json({ id: 1, error: { code: -32_000, message: "header not found" } }),
      () => Response.json({ id: 1, error: { code: 3, message: "revert", data: "0xbad0" } }),
      () => null,
    ];
    rogue.instead = ([{ method }]) => method === "eth_chainId" ? null : random.pick(faults)(rogue);
    rogue.valueAt = (block) => random.chance(0.5) ? pad("0xbad") : honest.valueAt(block);
    for (let step = 0; step < 20; step++) {
      clock.ms += random.between(0, 3_000);
      if (random.chance(0.3)) honest.head += 1;
      rogue.head = honest.head - random.between(-2, 3);
      const block = honest.head - random.between(1, 4);
      const call = random.pick([callAt(block), logsOf(block, block), blockAt(block)]);
      const told = await endpoints.request(call).catch((error) => error as Error);
      const where = `seed ${seed + round} step ${step} ${call.method}`;
      if (told instanceof Error) assert.match(told.message, /disagree|lags|HTTP|header/, where);
      else if (call.method === "eth_call") assert.equal(told, pad(numberToHex(block)), where);
      else if (Array.isArray(told)) assert.equal(told[0].data, pad(numberToHex(block)), where);
      else assert.equal((told as { number: Hex }).number, numberToHex(block), where);
    }
  }
});
