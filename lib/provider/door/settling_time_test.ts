import assert from "node:assert/strict";
import { openProviderHome } from "../../../worlds/provider_home.ts";
import { preflight } from "./preflight.ts";
import { settlingFault } from "./settling_time.ts";

const TIMES = { thawing: 3_600n, interval: 60n, poll: 2n, finalityLag: 900n };

Deno.test("ten settlement intervals fit into a thawing period, or the provider does not serve", () => {
  assert.equal(settlingFault(TIMES), null);
  assert.equal(settlingFault({ ...TIMES, interval: 360n }), null);
  const fault = settlingFault({ ...TIMES, interval: 361n });
  assert.equal(fault!.code, "invalid_config");
  assert.match(fault!.message, /3600 s is shorter than 10 settlement intervals \(3610 s\)/);
  assert.match(fault!.hints.join(), /intervalSeconds to 360/);
});

Deno.test("so do finality, a poll and an interval", () => {
  assert.equal(settlingFault({ ...TIMES, finalityLag: 3_537n }), null);
  const fault = settlingFault({ ...TIMES, finalityLag: 3_538n });
  assert.match(fault!.message, /finality is 3538 s behind.*3600 s/);
});

Deno.test("preflight finds an interval that is too long for the escrow", async () => {
  await using home = await openProviderHome();
  const config = home.config({ settlement: { intervalSeconds: 3_600 } });
  const { findings } = await preflight({ config, keysPath: home.keysPath });
  const [bad, ...more] = findings.all.filter(({ state }) => state === "bad");
  assert.deepEqual([bad!.part, more], ["operator", []]);
  assert.match(bad!.detail, /thawing period/);
});
