import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Hex } from "viem";
import { inFolder } from "../../../worlds/home.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { type Keep, KEEP_FOREVER, KEEP_NOTHING } from "../../keep.ts";
import { readAgreed } from "./agreements.ts";
import type { Deployment } from "./deployment.ts";
import { openRecords } from "./records.ts";

const [A, B, COPY] = ["bafya", "bafyb", "bafycopy"] as [CidText, CidText, CidText];
const HOUR = { seconds: 3_600n };
const KEEP: Keep = { price: HOUR, terms: HOUR };
const spec = await sampleSpec();
const { terms } = spec.providers[0]!;
const TERMS = [terms];
const OTHER: Hex = `0x${"02".repeat(32)}`;

function deployment(cid: CidText): Deployment {
  return { cid, spec, entry: spec.providers[0]! };
}

/** Starts of a provider on one file, at a clock of the test's. */
async function withStarts(use: (world: ReturnType<typeof startsIn>) => void): Promise<void> {
  await inFolder((dir) => {
    const world = startsIn(join(dir, "deployments.db"));
    use(world);
    world[Symbol.dispose]();
    return Promise.resolve();
  });
}

function startsIn(path: string) {
  let records = openRecords(path, { now: () => world.seconds * 1_000 });
  const world = {
    path,
    seconds: 1_000,
    start(price: bigint, changes: { terms?: Hex[]; keep?: Keep; old?: bigint } = {}) {
      records.close();
      records = openRecords(path, { now: () => world.seconds * 1_000 });
      const { old, keep = KEEP } = changes;
      const oldPrice = old === undefined ? undefined : { price: old, until: 9_999n };
      records.tariffs.begin({ price, terms: changes.terms ?? TERMS, keep, oldPrice });
      return records.tariffs;
    },
    pay: (cid: CidText) => records.registrations.add(deployment(cid)),
    price: (cid: CidText) => records.tariffs.priceOf(cid),
    [Symbol.dispose]: () => records.close(),
  };
  return world;
}

Deno.test("who was paid for before keeps its price over a start; nobody else has it", async () => {
  await withStarts((world) => {
    world.start(1n);
    world.pay(A);
    assert.equal(world.price(A), 1n);
    world.seconds += 10;
    const tariffs = world.start(2n);
    assert.equal(tariffs.since(), 1_010n);
    assert.equal(world.price(A), 1n);
    assert.equal(world.price(B), 2n, "a deployment that nobody paid for");
    assert.equal(world.price(COPY), 2n, "the same spec under another cid");
    world.pay(COPY);
    assert.equal(world.price(COPY), 2n);
    world.pay(A);
    assert.deepEqual(tariffs.tariffOf(A, terms), {
      price: 1n,
      next: { at: 4_610n, price: 2n },
      areTermsTaken: true,
      termsUntil: null,
    });
    assert.equal(tariffs.before(A), null);
    world.seconds = 4_609;
    assert.equal(world.start(2n).priceOf(A), 1n, "a start without a change is none");
    world.seconds = 4_610;
    assert.equal(world.price(A), 2n);
    assert.deepEqual(world.start(2n).before(A), { price: 1n, until: 4_610n });
    assert.equal(world.start(2n).before(COPY), null);
  });
});

Deno.test("the present configuration says how long, whatever an earlier one said", async () => {
  await withStarts((world) => {
    world.start(1n);
    world.pay(A);
    world.start(2n, { keep: { price: KEEP_NOTHING, terms: KEEP_NOTHING } });
    assert.equal(world.price(A), 2n);
    world.start(2n, { keep: { price: KEEP_FOREVER, terms: KEEP_NOTHING } });
    assert.equal(world.price(A), 1n);
    world.start(1n);
    assert.equal(world.price(A), 1n);
  });
});

Deno.test("a clock that is set back makes nobody earlier, and ends nothing", async () => {
  await withStarts((world) => {
    world.start(1n);
    world.pay(A);
    world.seconds = 1_100;
    world.start(2n);
    world.seconds = 10;
    world.pay(B);
    world.start(2n);
    assert.deepEqual([world.price(A), world.price(B)], [1n, 2n]);
    world.seconds = 1_200;
    world.start(3n);
    world.seconds = 10;
    world.start(3n);
    assert.deepEqual([world.price(A), world.price(B)], [1n, 2n]);
    world.start(3n, { keep: { price: KEEP_NOTHING, terms: KEEP_NOTHING } });
    assert.equal(world.price(A), 3n, "nor keeps it what is not kept");
  });
});

Deno.test("terms that are listed no more count for who was paid for before", async () => {
  await withStarts((world) => {
    world.start(1n);
    world.pay(A);
    const tariffs = world.start(1n, { terms: [OTHER] });
    assert.ok(tariffs.takesTerms(A, terms));
    assert.ok(!tariffs.takesTerms(B, terms), "for nobody else");
    assert.ok(tariffs.takesTerms(B, OTHER));
    const { areTermsTaken, termsUntil } = tariffs.tariffOf(A, terms);
    assert.deepEqual([areTermsTaken, termsUntil], [true, 4_600n]);
    const unknown = tariffs.tariffOf(A, null);
    assert.deepEqual([unknown.areTermsTaken, unknown.termsUntil], [null, null]);
    world.seconds = 4_600;
    assert.ok(!tariffs.takesTerms(A, terms));
    const newest: Hex = `0x${"03".repeat(32)}`;
    assert.ok(world.start(1n, { terms: [newest] }).takesTerms(B, newest));
  });
});

Deno.test("what a release without tariffs left is nobody's earlier price but the named one's", async () => {
  await withStarts((world) => {
    // Nothing has begun: this is how such a release registers what is paid for.
    world.pay(A);
    const { price } = spec.providers[0]!.permit;
    world.start(2n * price, { old: price });
    assert.equal(world.price(A), price);
    world.pay(B);
    assert.equal(world.price(B), 2n * price);
  });
  await withStarts((world) => {
    world.pay(A);
    world.start(2n);
    assert.equal(world.price(A), 2n);
    world.start(3n);
    assert.equal(world.price(A), 2n, "from then on it is as any other");
  });
});

Deno.test("who only such a release met meanwhile came last", async () => {
  await withStarts((world) => {
    world.start(1n);
    world.pay(A);
    const database = new DatabaseSync(world.path);
    database.prepare("INSERT INTO deployments VALUES (?, ?, ?, 0)")
      .run(B, spec.id, spec.owner);
    database.close();
    world.start(2n);
    assert.deepEqual([world.price(A), world.price(B)], [1n, 2n]);
    world.start(3n);
    assert.deepEqual([world.price(A), world.price(B)], [1n, 2n]);
  });
});

Deno.test("what cannot be written whole is not written at all", async () => {
  await withStarts((world) => {
    world.start(1n);
    world.pay(A);
    const database = new DatabaseSync(world.path);
    database.exec(
      "DELETE FROM came; CREATE TRIGGER broken BEFORE INSERT ON came " +
        "BEGIN SELECT RAISE(ABORT, 'broken'); END",
    );
    assert.throws(() => world.start(2n), /broken/);
    assert.deepEqual(readAgreed(world.path).tariffs.map(({ price }) => price), [1n]);
    database.exec("DROP TRIGGER broken");
    database.close();
    world.start(3n);
    assert.deepEqual(readAgreed(world.path).tariffs.map(({ price }) => price), [1n, 3n]);
  });
});

Deno.test("nothing is judged before it is said what is offered", () => {
  const records = openRecords(":memory:");
  assert.throws(() => records.tariffs.priceOf(A), /no tariff has begun/);
  records.close();
});

Deno.test("a node of a fleet goes by tariffs that it learned, once they are followed", async () => {
  await withStarts((world) => {
    const tariffs = world.start(1n);
    world.pay(A);
    tariffs.learn(1, { price: 2n, terms: [OTHER], since: 1_000n });
    assert.deepEqual([world.price(A), world.price(B)], [1n, 1n], "it is not offered yet");
    tariffs.follow(0, KEEP);
    assert.equal(world.price(B), 1n);
    world.seconds += 10;
    tariffs.follow(1, { price: KEEP_FOREVER, terms: KEEP_NOTHING });
    assert.deepEqual([world.price(A), world.price(B)], [1n, 2n]);
    assert.deepEqual([tariffs.takesTerms(B, OTHER), tariffs.takesTerms(A, terms)], [true, false]);
    world.pay(B);
    assert.equal(world.price(B), 2n);
    tariffs.learnCame(B, 0);
    tariffs.forget([B]);
    assert.equal(world.price(B), 1n, "at another node it came earlier");
    assert.equal(world.start(2n, { terms: [OTHER] }).since(), 1_000n, "as a lone node it goes on");
  });
});

Deno.test("a fleet's tariffs take the place of a node's own: who came under one that both had did", async () => {
  await withStarts((world) => {
    const keep = { price: KEEP_FOREVER, terms: KEEP_NOTHING };
    for (const [index, cid] of [A, B, COPY].entries()) {
      world.start(BigInt(index + 1), { keep });
      world.pay(cid);
      world.seconds += 10;
    }
    const tariffs = world.start(3n, { keep });
    const [, second, third] = readAgreed(world.path).tariffs;
    const first = { price: 4n, terms: TERMS, since: 5n };
    const last = { price: 9n, terms: TERMS, since: 1_030n };
    tariffs.adopt([third!, first, second!, last]);
    assert.deepEqual(readAgreed(world.path).tariffs, [third, first, second, last]);
    const came = readAgreed(world.path).agreements.map(({ cid, came }) => [cid, came]);
    assert.deepEqual(came, [[A, 3], [B, 2], [COPY, 0]]);
    tariffs.follow(3, keep);
    assert.deepEqual([A, B, COPY].map(world.price), [9n, 2n, 3n]);
  });
});
