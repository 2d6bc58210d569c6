/** A machine short of memory: programs go before the provider does. */
import assert from "node:assert/strict";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { hearLog } from "../worlds/heard_log.ts";
import { openProviderHome } from "../worlds/provider_home.ts";
import { startProvider } from "../lib/provider/door/serve.ts";

Deno.test("the kernel is told to end programs first, and the provider last", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 10n);
  const provider = await startProvider(home.config(), { log: hearLog().log });
  const { cid } = await home.deploy("cat /proc/self/oom_score_adj");
  assert.equal(await (await fetch(`${provider.url}/${cid}`)).text(), "1000\n");
  await provider.stop();
});
