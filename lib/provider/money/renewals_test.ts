/** Which permit takes another's place, and that nothing else does. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { OTHER_LANE, OTHER_PAYER, permitOf, signatureOf } from "../../../worlds/ledger.ts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Permit } from "../../permit.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { type Renewal, renewalOf, Renewals } from "./renewals.ts";

const permit = fc.record({
  epoch: fc.nat(2),
  price: fc.bigInt(1n, 3n),
  credits: fc.bigInt(1n, 3n),
  deadline: fc.bigInt(1n, 3n),
}).map((changes) => permitOf(changes));

Deno.test("of good permits the place only ever goes to one that is good for more", () => {
  const seen = new Set<Renewal>();
  const property = fc.property(permit, permit, permit, (held, offered, third) => {
    const renewal = renewalOf(held, offered, true);
    seen.add(renewal);
    if (renewal !== "renewed") {
      const isEarlier = offered.epoch < held.epoch;
      const isLess = offered.price <= held.price && offered.credits <= held.credits &&
        offered.deadline <= held.deadline;
      assert.equal(renewal, isEarlier || isLess ? "unchanged" : "narrower");
      return;
    }
    // What was replaced does not come back, however often it is sent again.
    assert.equal(renewalOf(offered, held, true), "unchanged");
    assert.equal(renewalOf(offered, offered, true), "unchanged");
    if (held.epoch === offered.epoch) {
      assert.ok(offered.price >= held.price && offered.credits >= held.credits);
      assert.ok(offered.deadline >= held.deadline);
    }
    if (renewalOf(offered, third, true) === "renewed") {
      assert.equal(renewalOf(held, third, true), "renewed", "and not by a third one either");
    }
  });
  fc.assert(property, { numRuns: 2_000 });
  assert.equal(seen.size, 3);
});

Deno.test("a permit that the escrow would not take keeps no place, but for one of an earlier epoch", () => {
  fc.assert(fc.property(permit, permit, (held, offered) => {
    const isEarlier = offered.epoch < held.epoch;
    assert.equal(renewalOf(held, offered, false), isEarlier ? "unchanged" : "renewed");
  }));
});

/** A deployment whose permits are good unless `faults` says otherwise. */
function desk(spec: Permit, faults = new Set<Permit>()) {
  let held = spec;
  const asked: Permit[] = [];
  const world = {
    asked,
    /** Unix ms. */
    now: 1_700_000_000_000,
    /** What a credit costs everybody, and the deployment. */
    asks: 0n,
    pays: 0n,
    held: () => held,
    onAsked: (_: Permit) => {},
    put(permit: Permit): boolean {
      held = permit;
      return true;
    },
  };
  const fault = new KhachapuriError("payment_required", "too cheap");
  const renewals = new Renewals(
    {
      async permitFault(permit, _from, price = world.asks) {
        asked.push(permit);
        await Promise.resolve();
        world.onAsked(permit);
        return faults.has(permit) || permit.price < price ? fault : null;
      },
    },
    { of: () => held, put: (permit) => world.put(permit) },
    { priceOf: () => world.pays },
    () => world.now,
  );
  const deployment = { cid: "bafytest" as CidText, entry: { permit: spec } } as Deployment;
  return Object.assign(world, {
    take: (permit: Permit) => renewals.take(deployment, permit),
  });
}

Deno.test("a better permit is kept, a repeat changes nothing, less is refused", async () => {
  const spec = permitOf({ price: 5n });
  const dearer = permitOf({ price: 6n, signature: signatureOf(1) });
  const later = permitOf({ price: 5n, epoch: 1, signature: signatureOf(2) });
  const world = desk(spec);
  assert.equal(await world.take(dearer), true);
  assert.equal(await world.take({ ...dearer }), false);
  assert.equal(await world.take(spec), false);
  assert.equal(world.held(), dearer);
  const narrower = world.take(permitOf({ price: 7n, credits: 1n }));
  await assert.rejects(narrower, { code: "invalid_input", message: /covers more in some way/ });
  world.now += 1_000;
  assert.equal(await world.take(later), true);
  assert.equal(await world.take(dearer), false);
  assert.equal(world.held(), later);
});

Deno.test("where another node took one meanwhile, it is judged by that one", async () => {
  const world = desk(permitOf());
  const [first, second] = [permitOf({ price: 101n }), permitOf({ price: 102n })];
  const { put } = world;
  world.put = (permit) => {
    world.put = put;
    put(second);
    return permit !== first;
  };
  assert.equal(await world.take(first), false, "what is there covers it");
  assert.equal(world.held(), second);
});

Deno.test("a deployment's permit is renewed once a second, and a repeat costs nothing", async () => {
  const world = desk(permitOf());
  const puts: Permit[] = [];
  const { put } = world;
  world.put = (permit) => {
    puts.push(permit);
    return put(permit);
  };
  const better = (index: number) =>
    permitOf({ price: 100n + BigInt(index), signature: signatureOf(index) });
  assert.equal(await world.take(better(1)), true);
  for (let index = 2; index < 50; index++) {
    await assert.rejects(world.take(better(index)), { code: "rate_limited", retryAfterSeconds: 1 });
    assert.equal(await world.take(better(1)), false);
  }
  assert.deepEqual(puts, [better(1)]);
  world.now += 1_000;
  assert.equal(await world.take(better(50)), true);
  assert.equal(puts.length, 2);
});

Deno.test("what would not pay is refused with its reason, what does not pay is replaced", async () => {
  const spec = permitOf({ price: 5n, credits: 100n });
  const offered = permitOf({ price: 4n, credits: 7n, signature: signatureOf(1) });
  const refusing = desk(spec, new Set([offered]));
  await assert.rejects(refusing.take(offered), { code: "payment_required", message: "too cheap" });
  assert.equal(refusing.held(), spec);
  const replacing = desk(spec, new Set([spec]));
  assert.equal(await replacing.take(offered), true);
  assert.equal(replacing.held(), offered);
});

Deno.test("while an earlier price is kept, what pays it is good and what is offered pays more", async () => {
  const spec = permitOf({ price: 5n, credits: 100n });
  const world = Object.assign(desk(spec), { asks: 8n, pays: 5n });
  await assert.rejects(world.take(permitOf({ price: 6n, signature: signatureOf(1) })), {
    code: "payment_required",
  });
  const fewer = permitOf({ price: 8n, credits: 7n, signature: signatureOf(2) });
  await assert.rejects(world.take(fewer), { message: /covers more in some way/ });
  world.pays = 8n;
  assert.equal(await world.take(fewer), true, "once it is kept no more");
});

Deno.test("another's permit, another lane's and another provider's are asked nobody about", async () => {
  const spec = permitOf();
  const world = desk(spec);
  const strangers: Partial<Permit>[] = [
    { payer: OTHER_PAYER },
    { provider: OTHER_PAYER },
    { lane: OTHER_LANE },
  ];
  for (const changes of strangers) {
    await assert.rejects(world.take({ ...spec, epoch: 1, ...changes }), (error) => {
      assert.ok(error instanceof KhachapuriError && error.code === "invalid_input");
      const said = JSON.stringify(error.toJSON());
      for (const secret of [spec.payer, spec.lane]) assert.ok(!said.includes(secret));
      return true;
    });
  }
  assert.deepEqual(world.asked, []);
});

Deno.test("of permits that come at the same time the best one is kept", async () => {
  const world = desk(permitOf({ price: 1n }));
  const better = permitOf({ price: 2n, signature: signatureOf(1) });
  const best = permitOf({ price: 3n, signature: signatureOf(2) });
  // While the chain is asked about the better one, the best one comes and is kept.
  let isFirst = true;
  world.onAsked = (asked) => {
    if (asked === better || !isFirst) return;
    isFirst = false;
    world.put(best);
  };
  assert.equal(await world.take(better), false);
  assert.equal(world.held(), best);
});
