import assert from "node:assert/strict";
import { join } from "node:path";
import { openProviderHome } from "../../../worlds/provider_home.ts";
import { prepareState } from "./site.ts";

Deno.test("programs pass through a provider's state to their own, and into its books never", async () => {
  await using home = await openProviderHome();
  const config = home.config();
  const { book, sockets, ...others } = await prepareState(config, config.provider!);
  const modeOf = async (path: string) => (await Deno.stat(path)).mode! & 0o777;
  assert.equal(await modeOf(book), 0o700);
  assert.equal(await modeOf(join(book, "..")), 0o711);
  assert.deepEqual(
    [others.cache, others.programs, others.etc, sockets].map((path) => join(path, "..")),
    Array(4).fill(join(book, "..")),
  );
});
