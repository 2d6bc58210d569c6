import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { type LaneKey, noteCharged, readCharged } from "./permits_file.ts";

const key: LaneKey = {
  chainId: 8453,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  payer: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  provider: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  lane: `0x${"ab".repeat(32)}`,
};

Deno.test("a lane that is not known is charged 0, and what is noted is read back", () =>
  inFolder(async (home) => {
    assert.equal(await readCharged(home, key), 0n);
    await noteCharged(home, key, 7n);
    assert.equal(await readCharged(home, key), 7n);
  }));

Deno.test("a lane's counter only rises, whoever notes last", () =>
  inFolder(async (home) => {
    await Promise.all([3n, 9n, 5n, 1n].map((charged) => noteCharged(home, key, charged)));
    assert.equal(await readCharged(home, key), 9n);
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
    await noteCharged(home, key, 7n);
    for (const other of others) assert.equal(await readCharged(home, other), 0n);
    for (const [index, other] of others.entries()) {
      await noteCharged(home, other, BigInt(index + 1));
    }
    assert.equal(await readCharged(home, key), 7n);
    assert.equal(await readCharged(home, others[3]!), 4n);
  }));

Deno.test("the file keeps its form: what an earlier release wrote is read", () =>
  inFolder(async (home) => {
    const path = join(home, "permits.json");
    const text = `${
      JSON.stringify({ version: 1, lanes: [{ ...key, cumulative: "7" }] }, null, 2)
    }\n`;
    await Deno.writeTextFile(path, text);
    assert.equal(await readCharged(home, key), 7n);
    await noteCharged(home, key, 8n);
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
    await noteCharged(home, laneOf(1_000), 1n);
    assert.equal(await readCharged(home, laneOf(0)), 0n);
    assert.equal(await readCharged(home, laneOf(1)), 1n);
    assert.equal(await readCharged(home, laneOf(1_000)), 1n);
  }));

Deno.test("a damaged file is named instead of being taken for an empty one", () =>
  inFolder(async (home) => {
    await Deno.writeTextFile(join(home, "permits.json"), '{"version":1,"lanes":[{}]}');
    const named = { code: "invalid_config", message: /permits\.json: lanes\.0/ };
    await assert.rejects(readCharged(home, key), named);
    await assert.rejects(noteCharged(home, key, 1n), named);
  }));
