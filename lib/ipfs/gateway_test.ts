import assert from "node:assert/strict";
import { startGateway } from "../../tests/world/gateway.ts";
import { importFile } from "./dag.ts";
import { createFetcher } from "./gateway.ts";
import { publish } from "./publish.ts";
import { openCache } from "./cache.ts";

Deno.test("a published file comes back byte for byte, and the second time from the cache", async () => {
  await using gateway = await startGateway();
  const dir = await Deno.makeTempDir();
  try {
    const cache = await openCache(dir, { maxBytes: 64 * 1024 * 1024 });
    const fetcher = createFetcher({ gateways: [gateway.url], cache });
    for (const length of [0, 1, 5_000_000]) {
      const bytes = new Uint8Array(length).map((_, i) => i * 7 + (i >> 8));
      const dag = importFile(bytes);
      await publish(dag, { kubo: { url: gateway.kuboUrl } });
      const before = gateway.requests.length;
      for (let turn = 0; turn < 2; turn++) {
        const read = await fetcher.readFile(dag.root, { maxBytes: 8_000_000 });
        assert.deepEqual(read, bytes);
      }
      assert.equal(gateway.requests.length, before + 1);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
