import assert from "node:assert/strict";
import { CID } from "../../../worlds/calls.ts";
import { answering, playNameServer } from "../../../worlds/naming/name_server.ts";
import { SELLER } from "../../../worlds/routes.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { ProviderConfig } from "../../config.ts";
import type { PayerView } from "../ledger/judge.ts";
import { allowedBy, allowedTo, checkNameServers, nameServers } from "./names.ts";

/** What an owner with this allowance has, as it is known or as the chain says now. */
async function allowed(view: Partial<PayerView>, now: Partial<PayerView> = view, isSure = false) {
  const spec = await sampleSpec();
  const deployment = { cid: CID, spec, entry: spec.providers[0]! };
  const whole = (part: Partial<PayerView>) =>
    Promise.resolve(
      { credits: 0n, thawingCredits: 0n, pricePerCredit: SELLER.price, ...part } as PayerView,
    );
  const ground = {
    records: { tariffs: { priceOf: () => SELLER.price } },
    deployments: { get: () => Promise.resolve(deployment) },
    payments: {
      payers: { view: () => whole(view), viewAgain: () => whole(now) },
      policy: { viewAgeMs: () => Infinity },
    },
  };
  const byName = { owner: spec.owner, cid: CID, from: undefined, isSure };
  const found = await allowedBy(ground, { cid: CID, from: "192.0.2.7", isSure });
  assert.deepEqual(await allowedTo(ground, byName), found, "for a name it has as for a new one");
  return found;
}

Deno.test("what is allowed counts as far as it stays, and pays a call at our price", async () => {
  assert.deepEqual(await allowed({}), { amount: 0n, paysCall: false });
  assert.deepEqual(await allowed({ credits: 5n }), { amount: 5_000n, paysCall: true });
  const thawing = { credits: 5n, thawingCredits: 4n };
  assert.deepEqual(await allowed(thawing), { amount: 1_000n, paysCall: true });
  const leaving = { credits: 5n, thawingCredits: 5n };
  assert.deepEqual(await allowed(leaving), { amount: 0n, paysCall: false });
  const cheap = { credits: 5n, pricePerCredit: 999n };
  assert.deepEqual(await allowed(cheap), { amount: 4_995n, paysCall: false });
  const known = await allowed({}, { credits: 1n }, false);
  const now = await allowed({}, { credits: 1n }, true);
  assert.deepEqual([known.paysCall, now.paysCall], [false, true]);
});

Deno.test("the configured name server is asked, or those of this machine", async () => {
  assert.deepEqual(await nameServers("[::1]:5353"), [{ address: "::1", port: 5_353 }]);
  assert.ok((await nameServers(undefined)).length > 0);
});

const configured = (resolver: string) =>
  ({ names: { enabled: true, perUsdc: 10, resolver } }) as ProviderConfig;

Deno.test("a name server that answers is well, one that does not is a warning", async () => {
  await using played = await playNameServer((asked) => [answering(asked, [])]);
  const { port } = played.server;
  assert.deepEqual(await checkNameServers(configured(`127.0.0.1:${port}`)), {
    detail: `127.0.0.1:${port}: answers`,
  });
  played.say = () => [];
  const { detail, hints } = await checkNameServers(configured(`127.0.0.1:${port}`));
  assert.match(detail, /no name server can be reached/);
  assert.match(hints!.join("\n"), /as they were known last[^]*"resolver"/);
});
