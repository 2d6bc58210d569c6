import assert from "node:assert/strict";
import fc from "fast-check";
import type { Hex } from "viem";
import "../../../worlds/property_seed.ts";
import { type Keep, KEEP_FOREVER, KEEP_NOTHING, keptUntil } from "../../keep.ts";
import {
  areTermsTaken,
  lastRise,
  nextRise,
  priceAt,
  pricedSince,
  riseAbove,
  type Standing,
  type Tariff,
  type Tariffs,
  termsTakenUntil,
  withOffered,
} from "./tariff.ts";

const [ONE, TWO, THREE] = ["01", "02", "03"].map((byte) => `0x${byte.repeat(32)}`) as [
  Hex,
  Hex,
  Hex,
];
const NOTHING: Keep = { price: KEEP_NOTHING, terms: KEEP_NOTHING };
const keeping = (price: Keep["price"]): Keep => ({ ...NOTHING, price });

/** The first at 0, each further one 100 s later. */
function tariffsOf(...prices: bigint[]): Tariffs {
  const tariffs = prices.map((price, index): Tariff => {
    return { price, terms: [ONE], since: BigInt(100 * index) };
  });
  return tariffs as unknown as Tariffs;
}

const pays = (prices: bigint[], came: number, keep: Keep["price"], at: bigint) =>
  priceAt({ tariffs: tariffsOf(...prices), came, keep: keeping(keep) }, at);

Deno.test("who was there before a rise keeps its price as long as the configuration says", () => {
  const day = { seconds: 50n };
  assert.equal(pays([1n, 2n], 0, day, 149n), 1n);
  assert.equal(pays([1n, 2n], 0, day, 150n), 2n);
  assert.equal(pays([1n, 2n], 1, day, 149n), 2n, "who came after it does not");
  assert.equal(pays([1n, 2n], 0, KEEP_NOTHING, 100n), 2n);
  assert.equal(pays([1n, 2n], 0, KEEP_FOREVER, 10n ** 12n), 1n);
  assert.equal(pays([1n, 2n], 0, { until: 120n }, 119n), 1n);
  assert.equal(pays([1n, 2n], 0, { until: 120n }, 120n), 2n);
});

Deno.test("up, up, down and up: each pays the least of what it agreed and what is asked", () => {
  const prices = [1n, 2n, 3n, 1n, 4n];
  const now = 400n;
  assert.deepEqual(
    prices.map((_, came) => pays(prices, came, KEEP_FOREVER, now)),
    [1n, 2n, 3n, 1n, 4n],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((came) => pays(prices.slice(0, 4), came, KEEP_FOREVER, 300n)),
    [1n, 1n, 1n, 1n],
    "while it is low all have it",
  );
});

Deno.test("a rise that came while an earlier one was kept ends nothing sooner or later", () => {
  // From 1 to 2 at 100, kept until 250; to 3 at 200, kept until 350.
  const keep = { seconds: 150n };
  const at = (came: number) =>
    [200n, 249n, 250n, 349n, 350n].map((time) => pays([1n, 2n, 3n], came, keep, time));
  assert.deepEqual(at(0), [1n, 1n, 2n, 2n, 3n]);
  assert.deepEqual(at(1), [2n, 2n, 2n, 2n, 3n]);
  assert.deepEqual(at(2), [3n, 3n, 3n, 3n, 3n]);
  const standing = { tariffs: tariffsOf(1n, 2n, 3n), came: 0, keep: keeping(keep) };
  assert.deepEqual(nextRise(standing, 200n), { at: 250n, price: 2n });
  assert.deepEqual(nextRise(standing, 250n), { at: 350n, price: 3n });
  assert.equal(nextRise(standing, 350n), null);
  assert.equal(lastRise(standing, 249n), null);
  assert.deepEqual(lastRise(standing, 250n), { price: 1n, until: 250n });
  assert.deepEqual(lastRise(standing, 999n), { price: 2n, until: 350n });
  const forEver = { ...standing, keep: keeping(KEEP_FOREVER) };
  assert.deepEqual([nextRise(forEver, 200n), lastRise(forEver, 999n)], [null, null]);
  assert.deepEqual(riseAbove(standing, 2n), { at: 350n, price: 3n });
  assert.equal(riseAbove(standing, 3n), null);
  for (const price of [KEEP_NOTHING, { until: 5n }]) {
    const atOnce = { ...standing, keep: keeping(price) };
    assert.deepEqual(lastRise(atOnce, 999n), { price: 2n, until: 200n });
  }
  const [first, second, third] = tariffsOf(1n, 2n, 3n);
  const tariffs: Tariffs = [first, second!, { ...third!, since: 101n }];
  const aSecondApart = { tariffs, came: 0, keep: keeping(KEEP_NOTHING) };
  assert.deepEqual(lastRise(aSecondApart, 999n), { price: 2n, until: 101n });
});

Deno.test("a change that costs nobody more is no rise", () => {
  const keep = keeping(KEEP_NOTHING);
  const standing = { tariffs: tariffsOf(1n, 2n, 2n, 1n, 2n), came: 0, keep };
  const upTo = (last: number): Standing => {
    return { ...standing, tariffs: standing.tariffs.slice(0, last) as unknown as Tariffs };
  };
  assert.deepEqual(lastRise(upTo(3), 999n), { price: 1n, until: 100n });
  assert.deepEqual(lastRise(standing, 999n), { price: 1n, until: 400n });
  assert.equal(lastRise({ ...standing, came: 4 }, 999n), null);
});

Deno.test("terms that are listed no more count for who signed them before, for a while", () => {
  const listed: Tariff = { price: 1n, terms: [ONE], since: 0n };
  const tariffs: Tariffs = [listed, { price: 1n, terms: [TWO], since: 100n }];
  const standing = (came: number, keep: Keep["terms"]): Standing => {
    return { tariffs, came, keep: { ...NOTHING, terms: keep } };
  };
  const hour = { seconds: 60n };
  assert.ok(areTermsTaken(standing(0, hour), ONE, 159n));
  assert.ok(!areTermsTaken(standing(0, hour), ONE, 160n));
  assert.ok(!areTermsTaken(standing(1, hour), ONE, 101n), "nobody who came later");
  assert.ok(!areTermsTaken(standing(0, KEEP_NOTHING), ONE, 100n));
  assert.ok(areTermsTaken(standing(1, KEEP_NOTHING), TWO, 100n));
  assert.ok(areTermsTaken(standing(0, KEEP_NOTHING), TWO, 100n), "what is listed counts for all");
  assert.equal(termsTakenUntil(standing(0, hour), ONE, 159n), 160n);
  assert.equal(termsTakenUntil(standing(0, hour), ONE, 160n), null);
  assert.equal(termsTakenUntil(standing(0, hour), TWO, 100n), null);
  assert.equal(termsTakenUntil(standing(0, KEEP_FOREVER), ONE, 100n), null);
});

Deno.test("what is offered as before makes no tariff, and no tariff begins before another", () => {
  const tariffs: Tariffs = [{ price: 1n, terms: [ONE, TWO], since: 100n }];
  assert.equal(withOffered(tariffs, { price: 1n, terms: [TWO, ONE] }, 200n), tariffs);
  const [, dearer] = withOffered(tariffs, { price: 2n, terms: [ONE, TWO] }, 200n);
  assert.deepEqual(dearer, { price: 2n, terms: [ONE, TWO], since: 200n });
  const [, others] = withOffered(tariffs, { price: 1n, terms: [ONE, THREE] }, 200n);
  assert.deepEqual(others!.terms, [ONE, THREE]);
  const [, fewer] = withOffered(tariffs, { price: 1n, terms: [ONE] }, 50n);
  assert.equal(fewer!.since, 100n, "by a clock that was set back");
  const again = withOffered([...tariffs, dearer!], { price: 1n, terms: [ONE, TWO] }, 300n);
  assert.deepEqual(again.map(({ price }) => price), [1n, 2n, 1n]);
  assert.equal(withOffered(again, { price: 1n, terms: [ONE, TWO] }, 400n), again);
  assert.equal(pricedSince(again), 300n);
  assert.equal(pricedSince(tariffs), null);
  assert.equal(pricedSince([...tariffs, dearer!]), 200n);
  assert.equal(pricedSince([...tariffs, dearer!, { ...dearer!, terms: [], since: 300n }]), 200n);
});

const time = fc.bigInt({ min: 0n, max: 400n });
const keepTime = fc.oneof(
  fc.constant(KEEP_NOTHING),
  fc.constant(KEEP_FOREVER),
  time.map((seconds) => ({ seconds })),
  time.map((until) => ({ until })),
);
/** A history, somebody in it, and a time when the last tariff is in force. */
const histories = fc.record({
  steps: fc.array(
    fc.record({ price: fc.bigInt({ min: 1n, max: 9n }), after: fc.bigInt({ min: 0n, max: 90n }) }),
    { minLength: 1, maxLength: 7 },
  ),
  who: fc.nat(),
  keep: keepTime,
  later: time,
}).map(({ steps, who, keep, later }) => {
  let since = 0n;
  const tariffs = steps.map(({ price, after }): Tariff => {
    since += after;
    return { price, terms: [ONE], since };
  }) as unknown as Tariffs;
  const came = who % tariffs.length;
  return { standing: { tariffs, came, keep: keeping(keep) }, at: since + later };
});

Deno.test("property: no price is above what is asked, nor below it but for who was there", () => {
  fc.assert(fc.property(histories, ({ standing, at }) => {
    const { tariffs, came } = standing;
    const [asked, agreed] = [tariffs.at(-1)!.price, tariffs[came]!.price];
    const price = priceAt(standing, at);
    assert.ok(price <= asked);
    assert.ok(price >= (agreed < asked ? agreed : asked), "less than what it agreed");
    if (came === tariffs.length - 1) assert.equal(price, asked, "it came last");
    const isAnyKept = tariffs.slice(came + 1).some(({ since }) => {
      return at < keptUntil(standing.keep.price, since);
    });
    if (!isAnyKept) assert.equal(price, asked, "nothing is kept");
  }));
});

Deno.test("property: as long as all is kept, it pays the least of what it agreed and what is asked", () => {
  fc.assert(fc.property(histories, ({ standing, at }) => {
    const { tariffs, came, keep } = standing;
    const isAllKept = tariffs.slice(came + 1).every(({ since }) => {
      return at < keptUntil(keep.price, since);
    });
    fc.pre(isAllKept);
    const [asked, agreed] = [tariffs.at(-1)!.price, tariffs[came]!.price];
    assert.equal(priceAt(standing, at), agreed < asked ? agreed : asked);
  }));
});

Deno.test("property: a rise that is kept costs nobody more than before it, or than it agreed", () => {
  fc.assert(fc.property(histories, ({ standing, at }) => {
    const { tariffs, came, keep } = standing;
    const last = tariffs.at(-1)!;
    fc.pre(came < tariffs.length - 1 && at < keptUntil(keep.price, last.since));
    const before = { ...standing, tariffs: tariffs.slice(0, -1) as unknown as Tariffs };
    const most = [priceAt(before, at), tariffs[came]!.price].reduce((a, b) => a > b ? a : b);
    assert.ok(priceAt(standing, at) <= most);
  }));
});

Deno.test("property: a price rises when it was said to, and not before", () => {
  fc.assert(fc.property(histories, time, ({ standing, at }, wait) => {
    const rise = nextRise(standing, at);
    const later = at + wait;
    if (rise === null || later < rise.at) {
      assert.ok(priceAt(standing, later) <= priceAt(standing, at));
    } else {
      assert.equal(priceAt(standing, rise.at), rise.price);
      assert.ok(rise.price > priceAt(standing, rise.at - 1n));
      const last = lastRise(standing, rise.at);
      assert.deepEqual(last, { price: priceAt(standing, rise.at - 1n), until: rise.at });
    }
  }));
});
