import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type Address, getAddress, toHex } from "viem";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  NAME_OWNERS_LOOKED_AT_MAX,
  NAME_UNCOVERED_MS_MAX,
  NAME_UNCOVERED_WHEN_FULL_MS_MAX,
  NAMES_COVERED_AT_ONCE_MAX,
  REGISTERED_NAMES_MAX,
} from "../../limits_of_names.ts";
import { Coverage, lapsesAt, namesFor } from "./coverage.ts";
import { NameRegister } from "./register.ts";

const [OWNER, OTHER] = [person(1), person(2)];
const FROM = "192.0.2.7";
const CID = "bafkone" as CidText;

function person(number: number): Address {
  return getAddress(toHex(number, { size: 20 }));
}

function openWorld(database = new DatabaseSync(":memory:")) {
  const world = {
    time: 1_700_000_000_000,
    /** null: the chain is away. */
    amounts: new Map<Address, bigint | null>(),
    asked: [] as Address[],
  };
  const now = () => world.time;
  const register = new NameRegister(database, now);
  const coverage = new Coverage({
    register,
    perUsdc: 10,
    // deno-lint-ignore require-await -- the chain is away by a rejection
    async allowedTo({ owner }, isSure) {
      if (!isSure) world.asked.push(owner);
      const amount = world.amounts.get(owner) ?? 400_000n;
      if (world.amounts.get(owner) === null) throw new KhachapuriError("chain_unavailable", "away");
      return { amount, paysCall: amount > 0n };
    },
    now,
  });
  const take = (label: string, owner = OWNER, sequence = register.sequence(label) + 1) => {
    world.time += 1;
    register.change({ label, owner, cid: CID, sequence: BigInt(sequence) });
  };
  const labels = (owner = OWNER) => register.ofOwner(owner).map(({ label }) => label);
  const pass = (ms: number) => void (world.time += ms);
  return { world, register, coverage, take, labels, pass };
}

Deno.test("a USDC is good for so many names, what pays a call for one, nothing for none", () => {
  assert.equal(namesFor({ amount: 1_000_000n, paysCall: true }, 10), 10);
  assert.equal(namesFor({ amount: 99_999n, paysCall: true }, 10), 1);
  assert.equal(namesFor({ amount: 99_999n, paysCall: false }, 10), 0);
});

Deno.test("names whose money has left lapse after a while, those taken last", async () => {
  const { world, register, coverage, take, labels, pass } = openWorld();
  for (const label of ["ddd", "ccc", "bbb", "aaa"]) take(label);
  // To move a name makes it no newer.
  take("ddd");
  world.amounts.set(OWNER, 200_000n);
  await coverage.sweep();
  assert.deepEqual(register.uncovered().map(({ label }) => label), ["bbb", "aaa"]);
  pass(NAME_UNCOVERED_MS_MAX - 1);
  await coverage.sweep();
  assert.equal(labels().length, 4);
  pass(1);
  await coverage.sweep();
  assert.deepEqual(labels(), ["ccc", "ddd"]);
  assert.deepEqual(register.history("aaa"), []);
  pass(10 * NAME_UNCOVERED_MS_MAX);
  await coverage.sweep();
  assert.deepEqual(labels(), ["ccc", "ddd"], "what is covered stays");
});

Deno.test("an owner that allows more in time keeps its names, and has all the time again", async () => {
  const { world, register, coverage, take, labels, pass } = openWorld();
  take("blog");
  world.amounts.set(OWNER, 0n);
  await coverage.sweep();
  const seen = world.time;
  assert.equal(lapsesAt(register.get("blog")!), seen + NAME_UNCOVERED_MS_MAX);
  pass(NAME_UNCOVERED_MS_MAX - 1);
  world.amounts.delete(OWNER);
  await coverage.sweep();
  assert.equal(lapsesAt(register.get("blog")!), null);
  world.amounts.set(OWNER, 0n);
  await coverage.sweep();
  pass(NAME_UNCOVERED_MS_MAX - 1);
  await coverage.sweep();
  assert.deepEqual(labels(), ["blog"]);
});

Deno.test("while the chain is away nothing counts as gone, before its time nor after", async () => {
  const { world, coverage, take, labels, pass } = openWorld();
  take("blog");
  world.amounts.set(OWNER, 0n);
  await coverage.sweep();
  world.amounts.set(OWNER, null);
  pass(NAME_UNCOVERED_MS_MAX);
  await coverage.sweep();
  assert.deepEqual(labels(), ["blog"]);
  world.amounts.delete(OWNER);
  await coverage.sweep();
  assert.deepEqual(labels(), ["blog"]);
});

Deno.test("a lapsed name begins where it ended, until no change of it can be sent again", async () => {
  const { world, register, coverage, take, pass } = openWorld();
  take("blog");
  world.amounts.set(OWNER, 0n);
  await coverage.sweep();
  pass(NAME_UNCOVERED_MS_MAX);
  // Its owner has signed this a moment ago.
  take("blog");
  await coverage.sweep();
  assert.equal(register.has("blog"), false);
  assert.throws(() => take("blog", OTHER, 2), { code: "name_conflict" });
  take("blog", OTHER);
  assert.equal(register.get("blog")!.sequence, 3);
});

Deno.test("so many owners are looked at in a round, everybody in turn", async () => {
  const { world, coverage, take } = openWorld();
  const owners = NAME_OWNERS_LOOKED_AT_MAX + 2;
  for (let i = 1; i <= owners; i++) take(`name-${i}`, person(i));
  await coverage.sweep();
  assert.equal(world.asked.length, NAME_OWNERS_LOOKED_AT_MAX);
  await coverage.sweep();
  assert.equal(new Set(world.asked).size, owners);
  const { length } = world.asked;
  await coverage.sweep(AbortSignal.abort());
  assert.equal(world.asked.length, length, "the provider is closing");
});

Deno.test("a register that money fills which comes and goes has room for others", async () => {
  const database = new DatabaseSync(":memory:");
  const first = openWorld(database);
  first.take("mine", OTHER);
  database.exec(`
    WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n LIMIT ${
    REGISTERED_NAMES_MAX - 1
  })
    INSERT INTO names SELECT 'n' || i, '${OWNER}', '${CID}', 1, ${first.world.time}, i, NULL FROM n
  `);
  const { world, register, coverage, take, pass } = openWorld(database);
  world.time = first.world.time;
  world.amounts.set(OWNER, 0n);
  assert.throws(() => take("blog", OTHER), { code: "overloaded" });
  await coverage.makeWay("blog", OTHER, FROM);
  assert.equal(register.isFull(), true, "nobody had seen it");
  await coverage.sweep();
  pass(60_000);
  await coverage.makeWay("blog", OTHER, FROM);
  assert.equal(register.isFull(), true, "it was seen just now");
  pass(NAME_UNCOVERED_WHEN_FULL_MS_MAX);
  await coverage.makeWay("blog", OTHER, FROM);
  take("blog", OTHER);
  assert.deepEqual(register.ofOwner(OTHER).map(({ label }) => label), ["blog", "mine"]);
});

Deno.test("of an owner with many names some change at a time, what is covered again first", async () => {
  const { world, register, coverage, take, labels, pass } = openWorld();
  const many = NAMES_COVERED_AT_ONCE_MAX + 500;
  for (let i = 0; i < many; i++) take(`name-${i}`);
  world.amounts.set(OWNER, 0n);
  await coverage.sweep();
  assert.equal(register.uncovered().length, NAMES_COVERED_AT_ONCE_MAX);
  await coverage.sweep();
  assert.equal(register.uncovered().length, many);
  pass(NAME_UNCOVERED_MS_MAX);
  world.amounts.set(OWNER, BigInt(many) * 100_000n);
  await coverage.sweep();
  assert.deepEqual([labels().length, register.uncovered().length], [many, 500]);
  world.amounts.set(OWNER, 0n);
  await coverage.sweep();
  assert.equal(labels().length, many, "those that are covered had all their time again");
  await coverage.sweep();
  assert.equal(labels().length, many - 500);
});
