import assert from "node:assert/strict";
import type { Address } from "viem";
import { networkAt } from "../../../worlds/chain/watched_payers.ts";
import {
  PAYER_LANES_MAX,
  PAYER_SECOND_LOOKS_BURST_MAX,
  PREFIX_READS_BURST_MAX,
  STRANGER_READS_BURST_MAX,
  UNKNOWN_SIGNER_READS_BURST_MAX,
  UNPROVEN_READS_BURST_MAX,
} from "../../limits.ts";
import { type Asker, type Occasion, ReadLimits } from "./read_limits.ts";

const payer = (n: number): Address => `0x${String(n).padStart(40, "0")}`;
const OWN: Asker = { payer: payer(0), isKnown: true, isProven: true, from: "203.0.113.7" };

function open() {
  const clock = { now: 0 };
  const limits = new ReadLimits(() => clock.now);
  /** How many of so many are admitted. */
  const admitted = (count: number, asker: (n: number) => Asker, occasion: Occasion = "view") => {
    let among = 0;
    for (let n = 0; n < count; n++) {
      try {
        limits.admit(asker(n), occasion);
        among += 1;
      } catch { /* refused */ }
    }
    return among;
  };
  return { clock, limits, admitted };
}

const strangerAt = (n: number): Asker => {
  return { payer: payer(n + 1), isKnown: false, isProven: true, from: networkAt(n) };
};

Deno.test("strangers of many networks share a burst, and then a rate; payers are never refused for them", () => {
  const { clock, limits, admitted } = open();
  assert.equal(admitted(5_000, strangerAt), STRANGER_READS_BURST_MAX);
  assert.throws(() => limits.admit(strangerAt(9_999), "view"), { code: "overloaded" });
  clock.now += 1_000;
  assert.equal(admitted(5_000, (n) => strangerAt(n + 10_000)), 100);
  assert.equal(admitted(100, () => OWN), 100);
});

Deno.test("one network has its own limit, and takes no more of what all share", () => {
  const { limits, admitted } = open();
  const neighbour = (n: number) => ({ ...strangerAt(n), from: "198.51.100.9" });
  assert.equal(admitted(5_000, neighbour), PREFIX_READS_BURST_MAX);
  assert.throws(() => limits.admit(neighbour(0), "view"), { code: "rate_limited" });
  const others = STRANGER_READS_BURST_MAX - PREFIX_READS_BURST_MAX;
  assert.equal(admitted(5_000, strangerAt), others);
});

Deno.test("behind a proxy only the sum is limited", () => {
  const { admitted } = open();
  const behind = (n: number) => ({ ...strangerAt(n), from: "127.0.0.1" });
  assert.equal(admitted(5_000, behind), STRANGER_READS_BURST_MAX);
});

Deno.test("signers that we know nothing of are limited by the payer they name, and together", () => {
  const { limits, admitted } = open();
  const forged = (n: number): Asker => {
    return { payer: payer(7), isKnown: true, isProven: false, from: networkAt(n) };
  };
  assert.equal(admitted(500, forged), UNKNOWN_SIGNER_READS_BURST_MAX);
  const all = admitted(500, (n) => ({ ...forged(n), payer: payer(n + 100) }));
  assert.equal(all, UNPROVEN_READS_BURST_MAX - UNKNOWN_SIGNER_READS_BURST_MAX);
  // Nobody else's share is touched.
  assert.equal(admitted(1, () => ({ ...OWN, payer: payer(7) })), 1);
  assert.equal(admitted(5_000, strangerAt), STRANGER_READS_BURST_MAX);
  assert.deepEqual(new Set(limits.refused().keys()), new Set(["payer", "unproven", "strangers"]));
});

Deno.test("a payer has room for all its lanes, and for some looks before a no", () => {
  const { clock, admitted } = open();
  assert.equal(admitted(2_000, () => OWN, "lane"), PAYER_LANES_MAX);
  assert.equal(admitted(2_000, () => OWN, "second_look"), PAYER_SECOND_LOOKS_BURST_MAX);
  assert.equal(admitted(2_000, () => OWN, "view"), 2_000);
  clock.now += 1_000;
  assert.deepEqual(
    [admitted(50, () => OWN, "lane"), admitted(50, () => OWN, "second_look")],
    [10, 1],
  );
});

Deno.test("whoever signs for itself is no unknown signer, and refusals are told by the limit", () => {
  const { limits, admitted } = open();
  const elsewhere = (n: number) => ({ ...strangerAt(1), from: networkAt(n) });
  const count = UNKNOWN_SIGNER_READS_BURST_MAX + 1;
  assert.equal(admitted(count, elsewhere), count);
  assert.equal(limits.refused().size, 0);
  assert.equal(admitted(PAYER_LANES_MAX + 2, () => OWN, "lane"), PAYER_LANES_MAX);
  assert.deepEqual([...limits.refused()], [["payer", 2]]);
  limits.admit({ ...strangerAt(2), from: undefined }, "view");
});
