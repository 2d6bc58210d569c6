import assert from "node:assert/strict";
import type { Address } from "viem";
import {
  OWN_LOOKUPS_BURST_MAX,
  PREFIX_LOOKUPS_BURST_MAX,
  STRANGER_LOOKUPS_BURST_MAX,
} from "../../limits.ts";
import { LookupLimits, type ProvenPayer } from "./lookup_limits.ts";

const nobody = () => Promise.resolve(null);
const payer = (digit: number) => () => Promise.resolve(`0x${`${digit}`.repeat(40)}` as Address);

function watched() {
  const world = { at: 0 };
  const limits = new LookupLimits(() => world.at);
  /** How many of so many were let through. */
  const admit = async (times: number, from: string, proven: ProvenPayer = nobody) => {
    let admitted = 0;
    for (let turn = 0; turn < times; turn++) {
      await limits.admit(from, proven).then(() => admitted += 1, () => {});
    }
    return admitted;
  };
  return { world, limits, admit };
}

Deno.test("a network has its own limit, whichever of its addresses asks", async () => {
  const { world, limits, admit } = watched();
  for (let host = 0; host < PREFIX_LOOKUPS_BURST_MAX; host++) await admit(1, `9.9.9.${host}`);
  await assert.rejects(limits.admit("9.9.9.200", nobody), {
    code: "rate_limited",
    retryAfterSeconds: 6,
  });
  assert.equal(await admit(1, "9.9.8.1"), 1);
  world.at = 6_000;
  assert.equal(await admit(2, "9.9.9.201"), 1);
});

Deno.test("one that has asked for little is heard while others use up what all share", async () => {
  const { limits, admit } = watched();
  const networks = STRANGER_LOOKUPS_BURST_MAX / PREFIX_LOOKUPS_BURST_MAX;
  for (let network = 0; network < networks; network++) {
    assert.equal(await admit(100, `9.9.${network}.1`), PREFIX_LOOKUPS_BURST_MAX);
  }
  assert.equal(await admit(1, "8.8.8.8"), 1);
  assert.equal(await admit(100, "7.7.7.7"), 3, "no more than a little");
  await assert.rejects(limits.admit("7.7.7.7", nobody), { code: "overloaded" });
});

Deno.test("a payer has a share of its own, and no more than that", async () => {
  const { admit } = watched();
  await admit(1_000, "127.0.0.1");
  assert.equal(await admit(1, "127.0.0.1"), 0);
  assert.equal(await admit(9, "127.0.0.1", payer(1)), OWN_LOOKUPS_BURST_MAX);
  assert.equal(await admit(1, "127.0.0.1", payer(2)), 1);
});

Deno.test("proofs cost signatures: they are looked at no faster than a limit", async () => {
  const { admit } = watched();
  let looked = 0;
  const counted = (mayRecover: () => boolean) => {
    if (mayRecover()) looked += 1;
    return Promise.resolve(null);
  };
  await admit(1_000, "127.0.0.1", counted);
  assert.ok(looked < 50, `${looked} proofs`);
});

Deno.test("what proved worth its while is given back", async () => {
  const { limits, admit } = watched();
  for (let turn = 0; turn < 500; turn++) (await limits.admit("9.9.9.9", nobody))();
  assert.equal(await admit(100, "9.9.9.9"), PREFIX_LOOKUPS_BURST_MAX);
});
