import assert from "node:assert/strict";
import { type Owner, Parties, payerOf } from "./parties.ts";
import { Contest } from "./slot_share.ts";

const ownerOf = (parties: Parties, name = "an owner"): Owner =>
  parties.gateOf({ owner: name, deployment: `of ${name}`, concurrency: 1 }).owner;

Deno.test("of an owner's payers the idle ones are forgotten, those with calls are not", () => {
  const owner = ownerOf(new Parties(new Contest()));
  const own = payerOf(owner, null);
  const busy = Array.from({ length: 100 }, (_, nth) => {
    const payer = payerOf(owner, `busy ${nth}`);
    payer.users += 1;
    return payer;
  });
  let most = 0;
  for (let nth = 0; nth < 10_000; nth++) {
    payerOf(owner, `once ${nth}`);
    most = Math.max(most, owner.payers.size);
  }
  assert.ok(most < 3 * busy.length, `${most} payers, of whom ${busy.length} have calls`);
  busy.forEach((payer, nth) => assert.equal(payerOf(owner, `busy ${nth}`), payer));
  assert.notEqual(payerOf(owner, null), own);
  for (const payer of busy) payer.users -= 1;
  for (let nth = 0; nth < 10_000; nth++) payerOf(owner, `again ${nth}`);
  assert.ok(owner.payers.size <= 300);
});

Deno.test("a thousand owners whom a thousand payers have called once hold some dozen each", () => {
  const parties = new Parties(new Contest());
  let held = 0;
  for (let nth = 0; nth < 1_000; nth++) {
    const owner = ownerOf(parties, `owner ${nth}`);
    for (let payer = 0; payer < 1_000; payer++) payerOf(owner, `payer ${payer}`);
    held += owner.payers.size;
  }
  assert.ok(held <= 50_000, `${held} payers are held`);
});
