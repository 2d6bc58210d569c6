import assert from "node:assert/strict";
import { join } from "node:path";
import { openProviderHome, type ProviderHome } from "../../worlds/provider_home.ts";
import { sampleSpec } from "../../worlds/spec/sample_spec.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import type { CidText } from "../cid.ts";
import { openRecords, recordsPath } from "../provider/deployment/records.ts";
import { createContext } from "./context.ts";
import { createOutput } from "./output.ts";
import { tellOfPrice, tellOfRise } from "./price_notice.ts";

function contextOf(home: ProviderHome) {
  const world = fakeWorld([]);
  const flags = { home: home.dir, json: false, rpc: [], gateway: [] };
  const context = createContext(world, flags, createOutput(world, false), []);
  return { context, told: () => world.stderrText() };
}

Deno.test("on the provider's machine it is told whom a price refuses, and what keeps them", async () => {
  await using home = await openProviderHome();
  const config = home.config();
  const provider = config.provider!;
  const tell = (price: bigint) => {
    const { context, told } = contextOf(home);
    return [tellOfPrice(context, config, { ...provider, price }), told()] as const;
  };
  assert.deepEqual(tell(9_000_000n), [0, ""], "nothing was paid for yet");

  const state = join(home.dir, "state");
  await Deno.mkdir(join(state, "book"), { recursive: true });
  const records = openRecords(recordsPath(state));
  const spec = await sampleSpec();
  const [entry] = spec.providers;
  records.registrations.add({ cid: "bafyone" as CidText, spec, entry: entry! });
  records.close();
  const { price } = entry!.permit;
  assert.deepEqual(tell(price), [1, ""], "as it was signed");
  const [known, told] = tell(price + 1n);
  assert.equal(known, 1);
  assert.match(told, /^at 1\.000001 USDC a credit: 1 paid for here, 1 refused by price/);
});

Deno.test("where no records are it is told that a price rises, and where to look", async () => {
  await using home = await openProviderHome();
  await home.write();
  const { name, price } = home.config().provider!;
  const rise = async (to: bigint) => {
    const { context, told } = contextOf(home);
    await tellOfRise(context, name, to);
    return told();
  };
  assert.match(await rise(price + 1n), /^the price rises from 0\.001 to 0\.001001 USDC .* doctor /);
  for (const to of [price, price - 1n]) assert.equal(await rise(to), "");
  home.chain.answers.records = null;
  assert.equal(await rise(price + 1n), "", "a name that is new has no price");
});
