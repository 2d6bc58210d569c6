/** How a provider does not start; that it starts, serves and stops is in every test of tests/. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseConfig } from "../../config.ts";
import { silentLog } from "../../log.ts";
import { holderOf, LOCK_FILE } from "./lock.ts";
import { startProvider } from "./serve.ts";

async function withHome(work: (home: string) => Promise<void>): Promise<void> {
  const home = await Deno.makeTempDir();
  try {
    await work(home);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("a machine that is not set up as a provider is told how to become one", async () => {
  await withHome(async (home) => {
    const start = startProvider(parseConfig({}, home), { log: silentLog });
    await assert.rejects(start, {
      code: "invalid_config",
      message: /no provider section/,
      hints: ["run `khachapuri init --provider NAME` on this machine first"],
    });
    assert.deepEqual(await Array.fromAsync(Deno.readDir(home)), [], "nothing was made");
  });
});

Deno.test("a provider that cannot serve says why, and holds its state no longer", async () => {
  await withHome(async (home) => {
    const provider = {
      name: "provider.test",
      address: `0x${"11".repeat(20)}`,
      webDomain: "http://provider.test",
      price: "1000",
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: "keys.json",
    };
    const config = parseConfig({ provider }, home);
    for (const _ of [1, 2]) {
      const start = startProvider(config, { log: silentLog });
      await assert.rejects(start, ({ code, message }) => {
        assert.match(message, /keys\.json/, "the first part that is bad");
        return code === "not_found";
      });
    }
    const book = join(home, "state", "book");
    assert.equal(await holderOf(join(book, LOCK_FILE)), null);
    assert.equal(((await Deno.stat(book)).mode ?? 0) & 0o777, 0o700);
  });
});
