import assert from "node:assert/strict";
import { startGateway } from "../../../worlds/ipfs/gateway.ts";
import { lie, startHostileGateway } from "../../../worlds/ipfs/hostile_gateway.ts";
import { blockKey, cidOf, DAG_PB } from "../../cid.ts";
import { type Dag, importFile } from "../../ipfs/dag.ts";
import { encodeVarint } from "../../ipfs/varint.ts";
import { fetchDag } from "./fetch_dag.ts";

const FILE = importFile(new Uint8Array(3_000).map((_, i) => i * 7 >> 3), {
  chunkBytes: 100,
  widthMax: 5,
});

const bytesMax = 10_000;
const keysOf = ({ blocks }: Dag) => blocks.map(({ cid }) => blockKey(cid)).sort();

/** A folder with two names for one file, written by hand. */
function folderOf(file: Dag): Dag {
  const field = (number: number, value: Uint8Array | string) => {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    return [number << 3 | 2, ...encodeVarint(bytes.length), ...bytes];
  };
  const link = (name: string) =>
    field(2, Uint8Array.from([...field(1, file.root.bytes), ...field(2, name)]));
  const bytes = Uint8Array.from([...link("a"), ...link("b"), ...field(1, Uint8Array.from([8, 1]))]);
  const cid = cidOf(DAG_PB, bytes);
  return { root: cid, blocks: [{ cid, bytes }, ...file.blocks] };
}

Deno.test("files and folders come whole, each block once, from CARs and from single blocks", async () => {
  const folder = folderOf(FILE);
  for (const options of [{}, { withoutCar: true }, { withoutDuplicates: true }]) {
    await using gateway = await startGateway(options);
    await gateway.put(folder.blocks);
    for (const dag of [FILE, folder]) {
      const got = await fetchDag(dag.root, { gateways: [gateway.url], bytesMax });
      assert.deepEqual(keysOf(got), keysOf(dag));
      assert.deepEqual(got.blocks[0]!.cid, dag.root);
    }
  }
});

Deno.test("a gateway that lacks a block, or lies, is passed over, and what is nowhere is not found", async () => {
  await using lacks = await startGateway();
  await lacks.put(FILE.blocks.slice(0, -1));
  await using lies = startHostileGateway(FILE, lie);
  await using has = await startGateway();
  await has.put(FILE.blocks);
  await using empty = await startGateway();
  const from = (...gateways: string[]) => fetchDag(FILE.root, { gateways, bytesMax });
  assert.deepEqual(keysOf(await from(lacks.url, lies.url, has.url)), keysOf(FILE));
  await assert.rejects(from(lacks.url, empty.url), { code: "not_found" });
  await assert.rejects(from(lies.url, empty.url), { code: "ipfs_mismatch" });
  await assert.rejects(from("http://127.0.0.1:1", empty.url), { code: "ipfs_unavailable" });
  await assert.rejects(from(), { code: "not_found" });
});

Deno.test("what is larger than asked for is refused", async () => {
  await using has = await startGateway();
  await has.put(FILE.blocks);
  const reading = fetchDag(FILE.root, { gateways: [has.url], bytesMax: 500 });
  await assert.rejects(reading, { code: "invalid_input", message: /more than 500 bytes/ });
});
