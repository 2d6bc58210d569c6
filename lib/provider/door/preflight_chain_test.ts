import assert from "node:assert/strict";
import { startCountingRpc } from "../../../worlds/chain/counting_rpc.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { openProviderHome } from "../../../worlds/provider_home.ts";
import { preflight } from "./preflight.ts";
import { startProvider } from "./serve.ts";

/** Far enough for what is asked together to be on its way together, ms. */
const AWAY_MS = 100;

Deno.test("a start waits for three rounds of an endpoint: its chain, the code, what it says", async () => {
  await using home = await openProviderHome();
  await using rpc = startCountingRpc(home.chain.rpc, AWAY_MS);
  const config = { ...home.config(), rpc: [rpc.url] };
  // Who follows the chain looks once, however long a busy machine takes to start.
  config.provider!.settlement.pollMs = 10_000;
  const { findings, seen } = await preflight({ config, keysPath: home.keysPath });
  assert.deepEqual(findings.all.filter(({ state }) => state === "bad"), []);
  assert.equal(rpc.rounds(), 3);
  assert.equal(seen.operator!.limits!.dailyCap, 50_000_000n);

  await using whole = startCountingRpc(home.chain.rpc, AWAY_MS);
  const provider = await startProvider({ ...config, rpc: [whole.url] }, { log: hearLog().log });
  // The first look of who follows the chain may be under way.
  const rounds = whole.rounds();
  await provider.stop();
  assert(rounds <= 4, `${rounds} rounds`);
});

Deno.test("what is bad is told in the order of the parts, whatever is known first", async () => {
  await using home = await openProviderHome();
  home.chain.answers.isOperator = false;
  await Deno.remove(`${home.dir}/terms.txt`);
  const { findings } = await preflight({ config: home.config(), keysPath: home.keysPath });
  const bad = findings.all.filter(({ state }) => state === "bad").map(({ part }) => part);
  assert.deepEqual(bad, ["terms", "operator"]);
});
