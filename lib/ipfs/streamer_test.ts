/** Readers of one file at the same time, whose file goes through the cache. */
import assert from "node:assert/strict";
import { startGateway } from "../../worlds/ipfs/gateway.ts";
import { honest, silence, startHostileGateway } from "../../worlds/ipfs/hostile_gateway.ts";
import type { CID } from "../cid.ts";
import { openCache } from "./cache.ts";
import { importFile } from "./dag.ts";
import { createFetcher, type Fetcher } from "./gateway.ts";

const FILE = importFile(new Uint8Array(600_000).map((_, i) => i * 7), {
  chunkBytes: 200_000,
  widthMax: 10,
});

async function withFetcher(gateway: { url: string }, work: (fetcher: Fetcher) => Promise<void>) {
  const dir = await Deno.makeTempDir();
  try {
    const cache = await openCache(dir, { maxBytes: 64 * 1024 * 1024, maxFiles: 10 });
    await work(createFetcher({ gateways: [gateway.url], cache }));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function stream(fetcher: Fetcher, root: CID, maxBytes: number, signal?: AbortSignal) {
  let came = 0;
  const sink = {
    begin: () => void (came = 0),
    write: (bytes: Uint8Array) => void (came += bytes.length),
  };
  await fetcher.streamFile!(root, { maxBytes, ...(signal && { signal }) }, sink);
  return came;
}

Deno.test("who comes second finds it in the cache, be it brought or read", async () => {
  await using gateway = await startGateway();
  await gateway.put(FILE.blocks);
  await withFetcher(gateway, async (fetcher) => {
    const [first, , second] = await Promise.all([
      stream(fetcher, FILE.root, 600_000),
      fetcher.bring!(FILE.root, 600_000),
      stream(fetcher, FILE.root, 600_000),
    ]);
    assert.deepEqual([first, second, gateway.requests.length], [600_000, 600_000, 1]);
  });
});

Deno.test("who comes second hears of the same failure, and nobody is asked again", async () => {
  await using gateway = await startGateway();
  await withFetcher(gateway, async (fetcher) => {
    const failures = [
      stream(fetcher, FILE.root, 600_000),
      fetcher.bring!(FILE.root, 600_000),
      stream(fetcher, FILE.root, 600_000),
    ];
    for (const { status } of await Promise.allSettled(failures)) assert.equal(status, "rejected");
    assert.equal(gateway.requests.length, 1);
  });
});

Deno.test("that it was larger than the first wanted, or that the first left, is no failure of the second", async () => {
  await using gateway = await startGateway();
  await gateway.put(FILE.blocks);
  await withFetcher(gateway, async (fetcher) => {
    const small = stream(fetcher, FILE.root, 599_999);
    const large = stream(fetcher, FILE.root, 600_000);
    await assert.rejects(small, { code: "invalid_input" });
    assert.equal(await large, 600_000);
  });
  await using slow = startHostileGateway(FILE, (exchange) => {
    return (exchange.turn === 0 ? silence : honest)(exchange);
  });
  await withFetcher(slow, async (fetcher) => {
    const controller = new AbortController();
    const leaving = stream(fetcher, FILE.root, 600_000, controller.signal);
    const staying = stream(fetcher, FILE.root, 600_000);
    await slow.asked;
    controller.abort("bored");
    await assert.rejects(leaving, (reason) => reason === "bored");
    assert.equal(await staying, 600_000);
  });
});

Deno.test("of a file that is refused what came of it stays for who brings it, and is no file", async () => {
  await using gateway = await startGateway();
  await gateway.put(FILE.blocks);
  await withFetcher(gateway, async (fetcher) => {
    await assert.rejects(fetcher.bring!(FILE.root, 1_000), { code: "invalid_input" });
    // The cache knows now how large it is.
    const before = gateway.requests.length;
    await assert.rejects(fetcher.readFile(FILE.root, { maxBytes: 1_000 }), {
      code: "invalid_input",
      data: { limitBytes: 1_000, fileBytes: 600_000 },
    });
    assert.equal(gateway.requests.length, before);
    assert.equal((await fetcher.readFile(FILE.root, { maxBytes: 600_000 })).length, 600_000);
  });
});
