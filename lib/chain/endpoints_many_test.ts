import assert from "node:assert/strict";
import { type Hex, numberToHex, pad, type RpcRequestError } from "viem";
import { connected } from "../../worlds/chain/rpc_chain.ts";

Deno.test("many calls go in batches of a hundred; one that takes none gets them singly", async () => {
  await using stack = new AsyncDisposableStack();
  const { a, b, endpoints } = await connected(2, stack);
  const calls = Array.from({ length: 250 }, () => ({ to: "0x1" as Hex, data: "0x" as Hex }));
  b.instead = (all) => all.length > 1 ? new Response("no batches", { status: 500 }) : null;
  const before = [a.requests(), b.requests()];
  const answers = await endpoints.callMany(calls, "0x5");
  assert.deepEqual(answers, calls.map(() => ({ data: pad("0x5") })));
  assert.equal(a.requests() - before[0]!, 3);
  assert.equal(b.requests() - before[1]!, 251);
  await endpoints.callMany(calls, "0x5");
  assert.equal(b.requests() - before[1]!, 501, "it is not tried again");
  assert.deepEqual(endpoints.status().map(({ state }) => state), ["up", "up"]);
});

Deno.test("a batch has the noes of the chain in their places", async () => {
  await using stack = new AsyncDisposableStack();
  const { nodes, endpoints } = await connected(2, stack);
  for (const node of nodes) {
    node.instead = (calls) =>
      calls.length === 1 ? null : Response.json(
        calls.toReversed().map(({ id }) =>
          id === 1
            ? { id, error: { code: 3, message: "execution reverted", data: "0xabcd" } }
            : { id, result: pad(numberToHex(id)) }
        ),
      );
  }
  const calls = [0, 1, 2].map(() => ({ to: "0x1" as Hex, data: "0x" as Hex }));
  const [first, second, third] = await endpoints.callMany(calls, "0x5");
  assert.deepEqual([first, third], [{ data: pad("0x0") }, { data: pad("0x2") }]);
  assert.deepEqual("error" in second! && (second.error as RpcRequestError).data, "0xabcd");
});
