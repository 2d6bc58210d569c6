import assert from "node:assert/strict";
import { startGateway } from "../../worlds/ipfs/gateway.ts";
import { lie, startHostileGateway } from "../../worlds/ipfs/hostile_gateway.ts";
import { importFile } from "./dag.ts";
import { readBack } from "./read_back.ts";

Deno.test("readBack tells gateway by gateway who can deliver", async () => {
  const dag = importFile(new Uint8Array(1_000).fill(3));
  await using has = await startGateway();
  await has.put(dag.blocks);
  await using hasNot = await startGateway();
  await using lies = startHostileGateway(dag, lie);
  const gateways = [has.url, hasNot.url, lies.url];
  const results = await readBack(dag.root, { gateways, maxBytes: 1_000 });
  assert.deepEqual(results.map(({ gateway }) => gateway), gateways);
  const codes = results.map(({ error }) => error?.code ?? null);
  assert.deepEqual(codes, [null, "not_found", "ipfs_mismatch"]);
});
