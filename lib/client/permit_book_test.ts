import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import type { DepositAuthorization } from "../deposit_authorization.ts";
import { type LaneKey, openPermitBook } from "./permit_book.ts";

const key: LaneKey = {
  chainId: 8453,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  payer: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  provider: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  lane: `0x${"ab".repeat(32)}`,
};

Deno.test("a lane that is not known is charged 0, and what is noted is read back", () =>
  inFolder(async (home) => {
    assert.equal(await openPermitBook(home).charged(key), 0n);
    await openPermitBook(home).noteCharged(key, 7n);
    assert.equal(await openPermitBook(home).charged(key), 7n);
  }));

Deno.test("a lane's counter only rises, whoever notes last", () =>
  inFolder(async (home) => {
    await Promise.all(
      [3n, 9n, 5n, 1n].map((charged) => openPermitBook(home).noteCharged(key, charged)),
    );
    assert.equal(await openPermitBook(home).charged(key), 9n);
  }));

Deno.test("lanes are told apart by chain, escrow, payer, provider and lane", () =>
  inFolder(async (home) => {
    const others: LaneKey[] = [
      { ...key, chainId: 1 },
      { ...key, escrow: key.payer },
      { ...key, payer: key.provider },
      { ...key, provider: key.payer },
      { ...key, lane: `0x${"cd".repeat(32)}` },
    ];
    await openPermitBook(home).noteCharged(key, 7n);
    for (const other of others) assert.equal(await openPermitBook(home).charged(other), 0n);
    for (const [index, other] of others.entries()) {
      await openPermitBook(home).noteCharged(other, BigInt(index + 1));
    }
    assert.equal(await openPermitBook(home).charged(key), 7n);
    assert.equal(await openPermitBook(home).charged(others[3]!), 4n);
  }));

Deno.test("the file keeps its form: what an earlier release wrote is read", () =>
  inFolder(async (home) => {
    const path = join(home, "permits.json");
    const text = `${
      JSON.stringify({ version: 1, lanes: [{ ...key, cumulative: "7" }] }, null, 2)
    }\n`;
    await Deno.writeTextFile(path, text);
    assert.equal(await openPermitBook(home).charged(key), 7n);
    await openPermitBook(home).noteCharged(key, 8n);
    assert.equal(await Deno.readTextFile(path), text.replace('"7"', '"8"'));
  }));

Deno.test("of a thousand lanes and one more, the one noted first is forgotten", () =>
  inFolder(async (home) => {
    const laneOf = (index: number): LaneKey => ({
      ...key,
      lane: `0x${String(index).padStart(64, "0")}`,
    });
    const lanes = Array.from({ length: 1_000 }, (_, index) => ({
      ...laneOf(index),
      cumulative: "1",
    }));
    await Deno.writeTextFile(join(home, "permits.json"), JSON.stringify({ version: 1, lanes }));
    await openPermitBook(home).noteCharged(laneOf(1_000), 1n);
    assert.equal(await openPermitBook(home).charged(laneOf(0)), 0n);
    assert.equal(await openPermitBook(home).charged(laneOf(1)), 1n);
    assert.equal(await openPermitBook(home).charged(laneOf(1_000)), 1n);
  }));

Deno.test("a damaged file is named instead of being taken for an empty one", () =>
  inFolder(async (home) => {
    await Deno.writeTextFile(join(home, "permits.json"), '{"version":1,"lanes":[{}]}');
    const named = { code: "invalid_config", message: /permits\.json: lanes\.0/ };
    await assert.rejects(openPermitBook(home).charged(key), named);
    await assert.rejects(openPermitBook(home).noteCharged(key, 1n), named);
  }));

Deno.test("what was signed for a lane only rises, and is told from what is charged", () =>
  inFolder(async (home) => {
    const book = openPermitBook(home);
    const before: bigint[] = [];
    for (const credits of [4n, 9n, 5n, 9n]) before.push(await book.noteSigned(key, credits));
    assert.deepEqual(before, [0n, 4n, 9n, 9n]);
    assert.equal(await book.charged(key), 0n);
    await book.noteCharged(key, 12n);
    assert.equal(await book.noteSigned(key, 13n), 12n);
    assert.equal(await openPermitBook(home).noteSigned({ ...key, payer: key.provider }, 1n), 0n);
    assert.equal(await openPermitBook(home).noteSigned(key, 0n), 13n);
  }));

Deno.test("a lane's permits end one after the other, whoever signs at the same time", () =>
  inFolder(async (home) => {
    const book = () => openPermitBook(home);
    const drawn = await Promise.all([1, 2, 3].map(() => book().nextDeadline(key, 100n, 110n)));
    assert.deepEqual(drawn.sort(), [100n, 101n, 102n]);
    assert.equal(await book().nextDeadline(key, 101n, 111n), 103n);
    assert.equal(await book().nextDeadline(key, 200n, 210n), 200n);
    assert.equal(await book().nextDeadline(key, 150n, 160n), 200n, "the clock went back");
    assert.equal(await book().nextDeadline({ ...key, payer: key.provider }, 5n, 9n), 5n);
  }));

Deno.test("a provider is believed for so much a day, whoever asks at the same time", () =>
  inFolder(async (home) => {
    const book = () => openPermitBook(home);
    const tries = await Promise.all(
      Array.from({ length: 5 }, () => book().noteBelieved(key, 300_000n, 20_000)),
    );
    assert.equal(tries.filter((isTaken) => isTaken).length, 3);
    assert.ok(await book().noteBelieved({ ...key, provider: key.payer }, 1_000_000n, 20_000));
    assert.ok(await book().noteBelieved(key, 100_000n, 20_000), "what was too much took nothing");
    assert.ok(!await book().noteBelieved(key, 1n, 20_000));
    assert.ok(await book().noteBelieved(key, 1_000_000n, 20_001), "the next day");
    const { believed } = JSON.parse(await Deno.readTextFile(join(home, "permits.json")));
    assert.deepEqual(believed.map(({ day }: { day: number }) => day), [20_001]);
  }));

const DEPOSIT: DepositAuthorization = {
  amount: 5_000_000n,
  validAfter: 0n,
  validBefore: 1_600n,
  pricePerCredit: 1_000n,
  credits: 5_000n,
  signer: key.payer,
  salt: `0x${"5a".repeat(32)}`,
  signature: `0x${"11".repeat(64)}1b`,
};

Deno.test("of deposits that are signed at the same time one is kept, until another takes its place", () =>
  inFolder(async (home) => {
    const book = openPermitBook(home);
    const signed = [1, 2, 3].map((byte): DepositAuthorization => (
      { ...DEPOSIT, signature: `0x${`0${byte}`.repeat(64)}1b` }
    ));
    assert.equal(await book.deposit(key), null);
    const kept = await Promise.all(signed.map((each) => book.keepDeposit(key, each, null)));
    assert.deepEqual(new Set(kept.map(({ signature }) => signature)).size, 1);
    assert.deepEqual(await openPermitBook(home).deposit(key), kept[0]);
    assert.deepEqual(await book.keepDeposit(key, DEPOSIT, kept[0]!), DEPOSIT);
    assert.deepEqual(await book.deposit({ ...key, provider: key.payer }), null);
  }));
