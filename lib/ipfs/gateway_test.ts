import assert from "node:assert/strict";
import fc from "fast-check";
import { importBytes } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { startGateway, type TestGateway } from "../../worlds/ipfs/gateway.ts";
import { honest, startHostileGateway } from "../../worlds/ipfs/hostile_gateway.ts";
import { turn } from "../../worlds/turns.ts";
import { type Block, CID, formatCid, parseCid } from "../cid.ts";
import { type BlockCache, openCache } from "./cache.ts";
import { type Dag, importFile } from "./dag.ts";
import { createFetcher, type FetcherOptions } from "./gateway.ts";
import type { FileSink } from "./unixfs_stream.ts";

const MAX_BYTES = 10_000_000;
const patterned = (length: number) =>
  new Uint8Array(length).map((_, i) => i * 7 + (i >> 8) * 31 + (i >> 16));

function fetcherOf(gateway: { url: string }, options: Partial<FetcherOptions> = {}) {
  return createFetcher({ gateways: [gateway.url], cache: null, ...options });
}

const formats = (gateway: TestGateway) =>
  gateway.requests.map(({ search }) => new URLSearchParams(search).get("format"));

Deno.test("a file of several blocks takes one CAR, a file of one block takes that block", async () => {
  await using gateway = await startGateway();
  const [large, small] = [importFile(patterned(6_000_000)), importFile(patterned(1_000))];
  await gateway.put([...large.blocks, ...small.blocks]);
  const fetcher = fetcherOf(gateway);
  assert.deepEqual(
    await fetcher.readFile(large.root, { maxBytes: MAX_BYTES }),
    patterned(6_000_000),
  );
  assert.deepEqual(await fetcher.readFile(small.root, { maxBytes: MAX_BYTES }), patterned(1_000));
  assert.deepEqual(formats(gateway), ["car", "raw"]);
  const [car] = gateway.requests;
  assert.equal(car!.search, "?format=car&dag-scope=entity");
  assert.match(car!.accept, /^application\/vnd\.ipld\.car; version=1; order=dfs; dups=y$/);
});

Deno.test("a file that repeats blocks is read whether the CAR repeats them or not", async () => {
  const bytes = new Uint8Array(100_000).map((_, i) => (i >> 12) % 3);
  const dag = importFile(bytes, { chunkBytes: 4_096, widthMax: 4 });
  for (const withoutDuplicates of [true, false]) {
    await using gateway = await startGateway({ withoutDuplicates });
    await gateway.put(dag.blocks);
    assert.deepEqual(await fetcherOf(gateway).readFile(dag.root, { maxBytes: MAX_BYTES }), bytes);
    assert.deepEqual(formats(gateway), ["car"]);
  }
});

Deno.test("a CAR in any order gives the same file", async () => {
  const bytes = patterned(5_000);
  const dag = importFile(bytes, { chunkBytes: 200, widthMax: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(dag.blocks, { minLength: dag.blocks.length }),
      async (blocks) => {
        await using gateway = startHostileGateway({ root: dag.root, blocks }, honest);
        assert.deepEqual(
          await fetcherOf(gateway).readFile(dag.root, { maxBytes: MAX_BYTES }),
          bytes,
        );
        assert.equal(gateway.requests.length, 1);
      },
    ),
    { numRuns: 20 },
  );
});

Deno.test("a gateway without CARs is asked for blocks, and only once for a CAR", async () => {
  await using gateway = await startGateway({ withoutCar: true });
  const dag = importFile(patterned(100_000), { chunkBytes: 5_000, widthMax: 4 });
  await gateway.put(dag.blocks);
  const fetcher = fetcherOf(gateway);
  for (let turn = 0; turn < 2; turn++) {
    const bytes = await fetcher.readFile(dag.root, { maxBytes: MAX_BYTES });
    assert.deepEqual(bytes, patterned(100_000));
  }
  assert.equal(formats(gateway).filter((format) => format === "car").length, 1);
  assert.equal(gateway.requests.length, 1 + 2 * dag.blocks.length);
});

Deno.test("what Kubo's defaults of ten years ago wrote is read, by either name", async () => {
  await using gateway = await startGateway();
  const bytes = patterned(20_000);
  const blocks: Block[] = [];
  const keep = {
    put: (cid: CID, bytes: Uint8Array) => {
      blocks.push({ cid: CID.decode(cid.bytes), bytes });
      return cid;
    },
    // deno-lint-ignore no-explicit-any
  } as any;
  const { cid } = await importBytes(bytes, keep, {
    profile: "unixfs-v0-2015",
    chunker: fixedSize({ chunkSize: 1_000 }),
  });
  await gateway.put(blocks);
  const root = parseCid(cid.toString());
  assert.equal(root.version, 0);
  for (const name of [root, parseCid(formatCid(root))]) {
    const read = await fetcherOf(gateway).readFile(name, { maxBytes: MAX_BYTES });
    assert.deepEqual(read, bytes);
  }
});

Deno.test("readers of the same content at the same time share one request", async () => {
  await using gateway = await startGateway();
  const dag = importFile(patterned(2_000_000));
  await gateway.put(dag.blocks);
  const fetcher = fetcherOf(gateway);
  const reads = Array.from(
    { length: 20 },
    () => fetcher.readFile(dag.root, { maxBytes: MAX_BYTES }),
  );
  for (const bytes of await Promise.all(reads)) assert.equal(bytes.length, 2_000_000);
  assert.equal(gateway.requests.length, 1);
  await fetcher.readFile(dag.root, { maxBytes: MAX_BYTES });
  assert.equal(gateway.requests.length, 2);
});

Deno.test("a reader that gives up leaves the others alone; the last one ends the request", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const answer = Promise.withResolvers<Response>();
  const fetch = ((_: URL, { signal }: { signal: AbortSignal }) => {
    asked.resolve(signal);
    return new Promise((resolve, reject) => {
      answer.promise.then(resolve);
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }) as typeof globalThis.fetch;
  const bytes = patterned(10);
  const dag = importFile(bytes);
  const fetcher = fetcherOf({ url: "http://gateway.example" }, { fetch });
  const [first, second, third] = [0, 1, 2].map(() => new AbortController());
  const read = ({ signal }: AbortController) =>
    fetcher.readFile(dag.root, { maxBytes: MAX_BYTES, signal });

  const leaving = read(first!);
  const staying = read(second!);
  const signal = await asked.promise;
  first!.abort("bored");
  await assert.rejects(leaving, (reason) => reason === "bored");
  assert.equal(signal.aborted, false);
  answer.resolve(new Response(bytes, { headers: { "content-type": "application/vnd.ipld.raw" } }));
  assert.deepEqual(await staying, bytes);

  third!.abort("never mind");
  await assert.rejects(read(third!), (reason) => reason === "never mind");
});

Deno.test("when its only reader gives up, the request is cancelled", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const fetch = ((_: URL, { signal }: { signal: AbortSignal }) => {
    asked.resolve(signal);
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }) as typeof globalThis.fetch;
  const fetcher = fetcherOf({ url: "http://gateway.example" }, { fetch });
  const { root } = importFile(patterned(10));
  const controller = new AbortController();
  const reading = fetcher.readFile(root, { maxBytes: 10, signal: controller.signal });
  const signal = await asked.promise;
  controller.abort("bored");
  await assert.rejects(reading, (reason) => reason === "bored");
  assert.equal(signal.aborted, true);
});

Deno.test("content that is too large or no file is refused for good, by one gateway", async () => {
  await using gateway = await startGateway();
  await using second = await startGateway();
  const files: [Dag, number][] = [
    [importFile(patterned(2_000_000)), 1_999_999],
    [importFile(patterned(2_000)), 1_999],
  ];
  for (const [dag, maxBytes] of files) {
    await gateway.put(dag.blocks);
    const fetcher = createFetcher({ gateways: [gateway.url, second.url], cache: null });
    await assert.rejects(fetcher.readFile(dag.root, { maxBytes }), {
      code: "invalid_input",
      data: { limitBytes: maxBytes, fileBytes: maxBytes + 1 },
    });
  }
  assert.equal(second.requests.length, 0);
});

Deno.test("content that no gateway has is not found; without gateways the error says so", async () => {
  await using one = await startGateway();
  await using other = await startGateway();
  const { root } = importFile(patterned(10));
  const both = createFetcher({ gateways: [one.url, other.url], cache: null });
  await assert.rejects(both.readFile(root, { maxBytes: 10 }), { code: "not_found" });
  assert.equal(one.requests.length + other.requests.length, 2);
  const none = createFetcher({ gateways: [], cache: null });
  await assert.rejects(none.readFile(root, { maxBytes: 10 }), {
    code: "ipfs_unavailable",
    message: /no IPFS gateway/,
  });
});

Deno.test("a gateway that has only some blocks does not have the file", async () => {
  await using gateway = await startGateway();
  const dag = importFile(patterned(10_000), { chunkBytes: 1_000, widthMax: 20 });
  await gateway.put(dag.blocks);
  await gateway.remove(dag.blocks[5]!.cid);
  await assert.rejects(fetcherOf(gateway).readFile(dag.root, { maxBytes: MAX_BYTES }), {
    code: "not_found",
  });
});

Deno.test("a gateway below a path and one with a trailing slash are asked at the right place", async () => {
  const asked: string[] = [];
  const fetch = ((url: URL) => {
    asked.push(`${url.origin}${url.pathname}`);
    return Promise.resolve(new Response(null, { status: 404 }));
  }) as typeof globalThis.fetch;
  const gateways = ["https://a.example", "https://b.example/", "https://c.example/x/y"];
  const { root } = importFile(patterned(10));
  const fetcher = createFetcher({ gateways, cache: null, fetch });
  await assert.rejects(fetcher.readFile(root, { maxBytes: 10 }), { code: "not_found" });
  const path = `ipfs/${formatCid(root)}`;
  assert.deepEqual(asked, [
    `https://a.example/${path}`,
    `https://b.example/${path}`,
    `https://c.example/x/y/${path}`,
  ]);
});

Deno.test("names of one operator are quiet together", async () => {
  const asked: string[] = [];
  const fetch = ((url: URL) => {
    asked.push(url.host);
    return Promise.resolve(new Response(null, { status: url.host === "ipfs.io" ? 429 : 404 }));
  }) as typeof globalThis.fetch;
  const gateways = ["https://ipfs.io", "https://dweb.link", "https://gateway.example"];
  const fetcher = createFetcher({ gateways, cache: null, fetch });
  const { root } = importFile(patterned(10));
  await assert.rejects(fetcher.readFile(root, { maxBytes: 10 }), { code: "ipfs_unavailable" });
  await assert.rejects(fetcher.readFile(root, { maxBytes: 10 }), { code: "not_found" });
  assert.deepEqual(asked, ["ipfs.io", "gateway.example", "gateway.example"]);
});

Deno.test("with a cache the second read asks nobody, and a planted file is fetched anew", async () => {
  await using gateway = await startGateway();
  const dir = await Deno.makeTempDir();
  try {
    const cache = await openCache(dir, { maxBytes: 64 * 1024 * 1024, maxFiles: 10 });
    const fetcher = fetcherOf(gateway, { cache });
    for (const length of [0, 1, 3_000_000]) {
      const dag = importFile(patterned(length));
      await gateway.put(dag.blocks);
      const read = () => fetcher.readFile(dag.root, { maxBytes: MAX_BYTES });
      gateway.requests.length = 0;
      assert.deepEqual(await read(), patterned(length));
      assert.deepEqual(await read(), patterned(length));
      await fetcher.judge(dag.root, true);
      assert.deepEqual(await read(), patterned(length));
      assert.equal(gateway.requests.length, 1);
      await Deno.writeTextFile(`${dir}/${formatCid(dag.root)}.car`, "planted");
      assert.deepEqual(await read(), patterned(length));
      assert.equal(gateway.requests.length, 2);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** A cache in a folder of its own, and what is in the folder of what nobody has judged. */
async function withCache(work: (cache: BlockCache, files: () => string[]) => Promise<void>) {
  const dir = await Deno.makeTempDir();
  try {
    const cache = await openCache(dir, { maxBytes: 64 * 1024 * 1024, maxFiles: 10 });
    await work(cache, () => [...Deno.readDirSync(`${dir}/unjudged`)].map(({ name }) => name));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const NOWHERE: FileSink = { begin() {}, write() {} };

Deno.test("a file that is begun when its only reader has left is closed, and gone", async () => {
  await withCache(async (cache, files) => {
    const [asked, may] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const ended = Promise.withResolvers<void>();
    const slow: BlockCache = {
      ...cache,
      async begin(cid) {
        asked.resolve();
        await may.promise;
        const part = await cache.begin(cid);
        const dispose = part[Symbol.dispose].bind(part);
        part[Symbol.dispose] = () => {
          dispose();
          ended.resolve();
        };
        return part;
      },
    };
    const fetcher = fetcherOf({ url: "http://gateway.example" }, { cache: slow });
    const controller = new AbortController();
    const { root } = importFile(patterned(10));
    const options = { maxBytes: 10, signal: controller.signal };
    const reading = fetcher.streamFile!(root, options, NOWHERE);
    await asked.promise;
    controller.abort("bored");
    await assert.rejects(reading, (reason) => reason === "bored");
    may.resolve();
    await ended.promise;
    while (files().length > 0) await turn();
  });
});

Deno.test("a disk that takes nothing is no gateway's failure, and no other one is asked", async () => {
  await using gateway = await startGateway();
  const dag = importFile(patterned(10));
  await gateway.put(dag.blocks);
  await withCache(async (cache, files) => {
    const full = () => Promise.reject(new Error("no space left on device"));
    const begins: BlockCache["begin"][] = [
      full,
      async (cid) => Object.assign(await cache.begin(cid), { add: full }),
      async (cid) => Object.assign(await cache.begin(cid), { keep: full }),
    ];
    const asked: string[] = [];
    const notes = {
      read: () => {},
      asked: (_: string, outcome: string) => void asked.push(outcome),
    };
    const fetcher = createFetcher({
      gateways: [gateway.url, "http://second.example"],
      cache: { ...cache, begin: (cid) => begins.shift()!(cid) },
      notes,
    });
    const read = () => fetcher.streamFile!(dag.root, { maxBytes: 10 }, NOWHERE);
    await assert.rejects(read(), /no space left/);
    await assert.rejects(read(), /no space left/);
    await read();
    assert.deepEqual(asked, ["dropped", "dropped", "answered"]);
    while (files().length > 0) await turn();
  });
});
