/** Providers as one another's gateways, over real sockets, and readers that are slow. */
import assert from "node:assert/strict";
import { exporter, walkPath } from "ipfs-unixfs-exporter";
import { systemClock } from "../lib/clock.ts";
import { type CID, cidOf, DAG_PB, formatCid, parseCid } from "../lib/cid.ts";
import { encodeFileNode } from "../lib/ipfs/dag_pb.ts";
import { createFetcher } from "../lib/ipfs/gateway.ts";
import { ContentGateway } from "../lib/provider/content/gateway.ts";
import { GatewayPlaces } from "../lib/provider/content/gateway_places.ts";
import { startProvider } from "../lib/provider/door/serve.ts";
import { createRoutes } from "../lib/provider/door/routes.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { hearLog } from "../worlds/heard_log.ts";
import { blocksOfCar, blockstoreOf, importTree, KeptBlocks } from "../worlds/ipfs/kept_blocks.ts";
import { growthDuring } from "../worlds/processes.ts";
import { openProviderHome } from "../worlds/provider_home.ts";
import { openRouteWorld } from "../worlds/routes.ts";
import { openWire, type Wire } from "../worlds/wire.ts";

const MIB = 1024 * 1024;
const patterned = (length: number) =>
  new Uint8Array(length).map((_, i) => i * 7 + (i >> 8) * 31 + (i >> 16));

Deno.test("what one provider has run another finds there, when nobody else has it any more", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 10n);
  const { cid, spec } = await home.deploy("echo hello from $PATH_INFO");
  const { log } = hearLog();
  const start = (stateDir: string, gateways: string[], ipfs = {}) =>
    startProvider({ ...home.config({ stateDir, ipfs }), gateways }, { log, graceMs: 1_000 });
  const [first, shut] = [
    await start("first", [home.gateway.url]),
    await start("shut", [home.gateway.url], { public: false }),
  ];
  const second = await start("second", [first.url]);
  try {
    const absent = await fetch(`${first.url}/ipfs/${cid}?format=raw`);
    assert.equal(absent.status, 404, "nobody has run it there");
    await absent.body?.cancel();
    for (const { url } of [first, shut]) {
      assert.equal(await (await fetch(`${url}/${cid}/a`)).text(), "hello from /a\n");
    }
    await home.gateway.stop();
    assert.equal(await (await fetch(`${second.url}/${cid}/b`)).text(), "hello from /b\n");
    for (const kept of [cid, spec.program.cid]) {
      assert.equal((await fetch(`${first.url}/ipfs/${kept}?format=raw`)).status, 200);
      const response = await fetch(`${shut.url}/ipfs/${kept}?format=raw`);
      assert.equal(response.status, 404, "it is not for the public there");
      await response.body?.cancel();
    }
  } finally {
    for (const provider of [first, shut, second]) await provider.stop();
  }
});

/** A provider's routes on a socket, with content in memory behind them. */
async function serve(kept: KeptBlocks) {
  const world = await openRouteWorld();
  const places = new GatewayPlaces();
  world.parts.content.gateway = new ContentGateway({ blocks: kept, places, clock: systemClock });
  const wire = await openWire(createRoutes(world.parts));
  return {
    wire,
    places,
    fetcher: createFetcher({ gateways: [wire.url], cache: null }),
    async [Symbol.asyncDispose]() {
      await wire[Symbol.asyncDispose]();
      world[Symbol.dispose]();
    },
  };
}

Deno.test("a file, and a folder's by its path, are read off a provider", async () => {
  const kept = new KeptBlocks();
  const content = patterned(3 * MIB + 5);
  const files = { "a folder/größe.bin": content, "a folder/other": new Uint8Array(10) };
  const root = await importTree(kept, files);
  await using provider = await serve(kept);
  const path = `${root}/${encodeURIComponent("a folder")}/${encodeURIComponent("größe.bin")}`;
  const url = `${provider.wire.url}/ipfs/${path}?format=car&dag-scope=entity`;
  const response = await fetch(url, { headers: { accept: "application/vnd.ipld.car; dups=y" } });
  const { blocks } = await blocksOfCar(await response.bytes());
  const proof = blockstoreOf(new KeptBlocks(blocks));
  const way = await Array.fromAsync(walkPath(`${root}/a folder/größe.bin`, proof));
  const file = await exporter(way.at(-1)!.cid, proof);
  assert.ok("content" in file);
  const parts = await Array.fromAsync(file.content());
  assert.deepEqual(await new Blob(parts as BlobPart[]).bytes(), content);
  const read = await provider.fetcher.readFile(parseCid(String(file.cid)), { maxBytes: 10 * MIB });
  assert.deepEqual(read, content);
  assert.equal(provider.places.taken, 0);
});

/** A file of the same MiB so many times, which takes no memory of its own. */
function repeated(kept: KeptBlocks, times: number): CID {
  const leaf = kept.putRaw(patterned(MIB));
  const child = { cid: leaf, fileBytes: MIB, treeBytes: MIB };
  const bytes = encodeFileNode(Array.from({ length: times }, () => child));
  const cid = cidOf(DAG_PB, bytes);
  kept.put({ cid, bytes });
  return cid;
}

const carOf = (root: CID) =>
  `GET /ipfs/${formatCid(root)}?format=car&car-dups=y HTTP/1.1\r\nhost: provider.test\r\n\r\n`;

/** @returns bytes that came until the answer's end */
async function drain(wire: Wire, root: CID): Promise<number> {
  const { hostname, port } = new URL(wire.url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(carOf(root)));
  const buffer = new Uint8Array(256 * 1024);
  const decoder = new TextDecoder("latin1");
  let total = 0;
  for (;;) {
    const size = await connection.read(buffer);
    assert.ok(size !== null, "the answer was cut off");
    total += size;
    if (decoder.decode(buffer.subarray(Math.max(0, size - 5), size)) === "0\r\n\r\n") return total;
  }
}

Deno.test("64 MB go out in the memory of a few blocks", async () => {
  const kept = new KeptBlocks();
  const root = repeated(kept, 64);
  await using provider = await serve(kept);
  await drain(provider.wire, root);
  let bytes = 0;
  const growth = await growthDuring(Deno.pid, async () => {
    bytes = await drain(provider.wire, root);
  });
  assert.ok(bytes > 64 * MIB, `${bytes} bytes`);
  assert.ok(growth < 32 * MIB, `${growth} bytes more`);
});

Deno.test("a reader that stops reading holds a block, and gives its place back when it goes", async () => {
  const kept = new KeptBlocks();
  const root = repeated(kept, 256);
  await using provider = await serve(kept);
  const sockets = await Promise.all(Array.from({ length: 8 }, () => provider.wire.connect()));
  for (const socket of sockets) {
    await socket.write(carOf(root));
    await socket.readUntil("\r\n\r\n");
  }
  assert.equal(provider.places.taken, sockets.length);
  // What all of them have read by the time that another one has had everything.
  await drain(provider.wire, root);
  const reads = kept.reads;
  assert.ok(reads < 256 + 8 * 32, `${reads} blocks were read for who takes none`);
  for (const socket of sockets) socket.close();
  while (provider.places.taken > 0) await drain(provider.wire, kept.putRaw(new Uint8Array()));
});

Deno.test("a CAR ends where a block is missing, and its reader finds that out", async () => {
  const kept = new KeptBlocks();
  const root = repeated(kept, 4);
  kept.remove(kept.putRaw(patterned(MIB)));
  await using provider = await serve(kept);
  const response = await fetch(`${provider.wire.url}/ipfs/${root}?format=car`);
  const { blocks } = await blocksOfCar(await response.bytes());
  assert.deepEqual(blocks.map(({ cid }) => String(cid)), [String(root)]);
  const reading = provider.fetcher.readFile(root, { maxBytes: 10 * MIB });
  await assert.rejects(reading, { code: "not_found" });
});

Deno.test("a CAR that may not go on is cut off, so that nobody takes it for whole", async () => {
  const kept = new KeptBlocks();
  const broken = Uint8Array.of(0xff);
  const cid = cidOf(DAG_PB, broken);
  kept.put({ cid, bytes: broken });
  const leaf = { cid: kept.putRaw(patterned(MIB)), fileBytes: MIB, treeBytes: MIB };
  const bytes = encodeFileNode([leaf, { cid, fileBytes: 1, treeBytes: 1 }]);
  kept.put({ cid: cidOf(DAG_PB, bytes), bytes });
  await using provider = await serve(kept);
  const url = `${provider.wire.url}/ipfs/${cidOf(DAG_PB, bytes)}?format=car`;
  await assert.rejects(async () => await (await fetch(url)).bytes());
});

Deno.test("a HEAD over the wire says the length of a block, and none of a CAR", async () => {
  const kept = new KeptBlocks();
  const leaf = kept.putRaw(patterned(MIB));
  await using provider = await serve(kept);
  for (const format of ["raw", "car"]) {
    const url = `${provider.wire.url}/ipfs/${leaf}?format=${format}`;
    const head = await fetch(url, { method: "HEAD" });
    const get = await fetch(url);
    const length = format === "raw" ? String(MIB) : null;
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, length]);
    assert.deepEqual([get.status, get.headers.get("content-length")], [200, length]);
    assert.equal(head.headers.get("etag"), get.headers.get("etag"));
    await get.bytes();
  }
});
