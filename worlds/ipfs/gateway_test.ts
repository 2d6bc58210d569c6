import assert from "node:assert/strict";
import { CarReader } from "@ipld/car";
import { formatCid } from "../../lib/cid.ts";
import { importFile } from "../../lib/ipfs/dag.ts";
import { publish } from "../../lib/ipfs/publish.ts";
import { startGateway } from "./gateway.ts";

const BYTES = new Uint8Array(1_000).map((_, i) => i % 50);
const DAG = importFile(BYTES, { chunkBytes: 50, widthMax: 5 });

Deno.test("a gateway with a folder still has its blocks after a restart", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const before = await startGateway({ dir });
    await publish(DAG, { kubo: { url: before.kuboUrl } });
    await before.stop();
    await using after = await startGateway({ dir });
    const url = `${after.url}/ipfs/${formatCid(DAG.root)}?format=raw`;
    const response = await fetch(url);
    assert.equal(response.headers.get("content-type"), "application/vnd.ipld.raw");
    assert.deepEqual(await response.bytes(), DAG.blocks[0]!.bytes);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a CAR has the blocks that scope, duplicates and the store allow", async () => {
  await using gateway = await startGateway();
  await gateway.put(DAG.blocks);
  const count = async (query: string, accept = "application/vnd.ipld.car") => {
    const url = `${gateway.url}/ipfs/${formatCid(DAG.root)}?${query}`;
    const response = await fetch(url, { headers: { accept } });
    const car = await CarReader.fromBytes(await response.bytes());
    return (await Array.fromAsync(car.blocks())).length;
  };
  assert.equal(await count("format=car&dag-scope=block"), 1);
  assert.equal(await count("format=car&dag-scope=entity"), DAG.blocks.length);
  // 20 equal leaves below 4 equal nodes below the root, each as often as it is visited.
  assert.equal(await count("dag-scope=all", "application/vnd.ipld.car; dups=y"), 25);
  await gateway.remove(DAG.blocks.at(-1)!.cid);
  assert.equal(await count("format=car"), DAG.blocks.length - 1);
});

Deno.test("what a gateway does not do has its status", async () => {
  await using gateway = await startGateway();
  const status = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${gateway.url}${path}`, init);
    await response.body?.cancel();
    return response.status;
  };
  const cid = formatCid(DAG.root);
  assert.equal(await status(`/ipfs/${cid}?format=raw`), 404);
  assert.equal(await status(`/ipfs/${cid}`), 406);
  assert.equal(await status("/ipfs/nonsense?format=raw"), 400);
  assert.equal(await status("/elsewhere"), 404);
  assert.equal(await status("/api/v0/version"), 405);
  assert.equal(await status("/api/v0/version", { method: "POST" }), 200);
  assert.equal(await status(`/api/v0/block/get?arg=${cid}`, { method: "POST" }), 500);
  assert.equal(await status("/api/v0/shutdown", { method: "POST" }), 404);
});
