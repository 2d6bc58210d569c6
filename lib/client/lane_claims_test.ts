import assert from "node:assert/strict";
import fc from "fast-check";
import type { Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { allowanceOf } from "../../worlds/chain/escrow_answers.ts";
import { makeFolder } from "../../worlds/home.ts";
import { type LaneProof, proofOf } from "../lane_count.ts";
import { type Permit, signPermit, type UnsignedPermit } from "../permit.ts";
import { LaneClaims } from "./lane_claims.ts";
import { openPermitBook } from "./permit_book.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const stranger = privateKeyToAccount(`0x${"22".repeat(32)}`);
const key = {
  chainId: 31_337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  payer: account.address,
  provider: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  lane: `0x${"ab".repeat(32)}`,
} as const;
const PRICE = 1_000n;
const NOW = 1_000n;
const FORGED = { code: "payment_required", message: /proof of what was used is false: / };
const TOO_MUCH = { code: "payment_required", message: /are its word alone/ };

/** A permit of the lane, signed by whom the escrow believes, that it would take. */
function permitOf(credits: bigint, changes: Partial<UnsignedPermit> = {}): Promise<Permit> {
  const { payer, provider, lane } = key;
  const terms = { price: PRICE, deadline: NOW + 100n, epoch: 0 };
  return signPermit(account, key, { payer, provider, lane, credits, ...terms, ...changes });
}

/** A home, and the calls made from it. */
async function openClaims() {
  const folder = await makeFolder();
  const book = openPermitBook(folder.dir);
  const home = {
    /** Unix seconds. */
    now: NOW,
    allowance: allowanceOf(1_000_000_000n, PRICE),
    book,
    /** A call that has signed for one credit beyond `from`. */
    async call(from = 0n) {
      const now = () => Number(home.now) * 1_000;
      const claims = new LaneClaims({ key, signer: account.address, price: PRICE, book, now });
      const sign = async (from: bigint) => {
        // Another deadline, another signature: so are the permits of calls at other times.
        const permit = await permitOf(from + 1n, { deadline: home.now + 50n });
        await claims.noteSigned(permit, from);
        return permit;
      };
      const accept = (cumulative: bigint, proof?: LaneProof) =>
        claims.accept({ id: key.lane, cumulative, ...(proof ? { proof } : {}) }, home.allowance);
      return { sign, accept, first: await sign(from) };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  return home;
}

Deno.test("without proof a count is believed up to 1 USDC beyond what is known", async () => {
  await using home = await openClaims();
  assert.equal(await (await home.call(7n)).accept(1_007n), 1_007n);
  await using other = await openClaims();
  await assert.rejects((await other.call(7n)).accept(1_008n), (error: Error) => {
    assert.match(error.message, /1008 credits .* and 7 are known or proved: 1001 more \(1\.001 US/);
    const { hints, data } = error as unknown as { hints: string[]; data: object };
    assert.ok(hints.some((hint) => hint.includes("--lane-label")));
    assert.deepEqual(data, { claimed: "1008", known: "7" });
    return true;
  });
});

Deno.test("what is proved is gone on from however high it is, and what is beyond is counted", async () => {
  await using home = await openClaims();
  const call = await home.call();
  const proof = proofOf(await permitOf(1_000_000_000n));
  assert.equal(await call.accept(1_000_001_000n, proof), 1_000_001_000n);
  await call.sign(1_000_001_000n);
  await assert.rejects(call.accept(1_000_001_001n), TOO_MUCH);
});

Deno.test("a proof is ours, of this lane at this provider in this escrow, and in the escrow's form", async () => {
  await using home = await openClaims();
  const call = await home.call();
  const good = await permitOf(5n);
  const flip = (signature: Hex): Hex => {
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = order - BigInt(`0x${signature.slice(66, 130)}`);
    const v = signature.endsWith("1b") ? "1c" : "1b";
    return `${signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}${v}` as Hex;
  };
  const { payer, provider, lane } = key;
  const unsigned = { payer, provider, lane, price: PRICE, credits: 5n, deadline: 1_100n, epoch: 0 };
  const false_: Record<string, LaneProof> = {
    "another's": await signPermit(stranger, key, unsigned),
    "another lane's": await permitOf(5n, { lane: `0x${"cd".repeat(32)}` }),
    "another provider's": await permitOf(5n, { provider: key.payer }),
    "another chain's": await signPermit(account, { ...key, chainId: 1 }, unsigned),
    "another escrow's": await signPermit(account, { ...key, escrow: key.payer }, unsigned),
    "altered": { ...good, credits: 6n },
    "malleable": { ...good, signature: flip(good.signature) },
    "nonsense": { ...good, signature: `0x${"00".repeat(65)}` },
  };
  for (const [what, proof] of Object.entries(false_)) {
    const isNone = what === "malleable" || what === "nonsense";
    const why = isNone ? /its signature is none/ : /it is no permit for lane/;
    await assert.rejects(call.accept(5n, proofOf(proof)), FORGED, what);
    await assert.rejects(call.accept(5n, proofOf(proof)), why, what);
  }
  await call.accept(5n, proofOf(good));
});

Deno.test("a permit that could not be charged any more proves nothing", async () => {
  const stale: [changes: Partial<UnsignedPermit>, epoch: number, epochEnd: bigint][] = [
    [{ deadline: NOW - 1n }, 0, 0n],
    [{ price: PRICE - 1n }, 0, 0n],
    [{ epoch: 0 }, 1, 0n],
    [{ epoch: 0 }, 0, NOW],
    [{ epoch: 2 }, 0, NOW + 1n],
  ];
  for (const [changes, epoch, epochEnd] of stale) {
    await using home = await openClaims();
    Object.assign(home.allowance, { epoch, epochEnd });
    const proof = proofOf(await permitOf(2_000n, changes));
    await assert.rejects((await home.call()).accept(2_000n, proof), TOO_MUCH);
  }
  const fresh: typeof stale = [
    [{ deadline: NOW, price: PRICE + 1n }, 0, 0n],
    [{ epoch: 0 }, 0, NOW + 1n],
    [{ epoch: 1 }, 0, NOW + 1n],
  ];
  for (const [changes, epoch, epochEnd] of fresh) {
    await using home = await openClaims();
    Object.assign(home.allowance, { epoch, epochEnd });
    await (await home.call()).accept(2_000n, proofOf(await permitOf(2_000n, changes)));
  }
});

Deno.test("what this very call signed is no proof that somebody used it", async () => {
  await using home = await openClaims();
  const price = PRICE;
  const call = await home.call();
  let last = call.first;
  let total = 0n;
  for (let count = 1n; count <= 3n; count++) {
    await call.accept(last.credits, proofOf(last));
    last = await call.sign(last.credits);
    total += price;
  }
  assert.ok(!await home.book.noteBelieved(key, 1_000_000n - total + 1n, 0));
  assert.ok(await home.book.noteBelieved(key, 1_000_000n - total, 0));
});

Deno.test("that this call signed twice for a credit, while it waited, does not prove it either", async () => {
  await using home = await openClaims();
  const call = await home.call();
  home.now += 1n;
  await call.sign(0n);
  await call.accept(1n, proofOf(call.first));
  assert.ok(!await home.book.noteBelieved(key, 1_000_000n, 0), "one credit was believed");
});

Deno.test("what another call from this home signed needs no belief", async () => {
  await using home = await openClaims();
  const [first, second] = [await home.call(), await home.call()];
  await second.accept(1n);
  await second.sign(1n);
  assert.ok(await home.book.noteBelieved(key, 1_000_000n, 0), "nothing was believed");
  await assert.rejects(first.accept(1n), TOO_MUCH, "it was the first to sign for that credit");
});

Deno.test("in a day no more is believed than in a call, and the next day begins anew", async () => {
  await using home = await openClaims();
  await (await home.call()).accept(600n);
  const second = await home.call(600n);
  await assert.rejects(second.accept(1_001n), TOO_MUCH);
  assert.equal(await second.accept(1_000n), 1_000n);
  home.now += 86_400n;
  assert.equal(await (await home.call(1_000n)).accept(2_000n), 2_000n);
});

Deno.test("a call that lasts over midnight is one call", async () => {
  await using home = await openClaims();
  const call = await home.call();
  await call.accept(400n);
  await call.sign(400n);
  home.now += 86_400n;
  await call.accept(800n);
  await call.sign(800n);
  await assert.rejects(call.accept(1_100n), TOO_MUCH);
});

Deno.test("whatever a provider claims and shows, a call adds no more than its credit and 1 USDC", async () => {
  const step = fc.record({
    claim: fc.bigInt(0n, 900n),
    /** Shows the permit that it got so many permits ago. */
    shows: fc.option(fc.nat(6)),
    /** Or another call begins. */
    isNext: fc.boolean(),
  });
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 14, size: "max" }),
    async (steps) => {
      await using home = await openClaims();
      let call = await home.call();
      const got = [call.first];
      let [calls, most] = [1n, 1n];
      for (const { claim, shows, isNext } of steps) {
        if (isNext) {
          home.now += 1n;
          call = await home.call();
          got.push(call.first);
          calls += 1n;
          continue;
        }
        const shown = shows === null ? undefined : got.at(-1 - shows);
        const proof = shown ? proofOf(shown) : undefined;
        const count = await call.accept(got.at(-1)!.credits + claim, proof).catch(() => null);
        if (count === null) continue;
        const permit = await call.sign(count);
        got.push(permit);
        if (permit.credits > most) most = permit.credits;
      }
      assert.ok(most <= calls + 1_000n, `${most} credits signed for in ${calls} calls`);
    },
  );
  await fc.assert(property, { numRuns: 40 });
});

Deno.test("that a call signs for less again does not prove what it signed for before", async () => {
  await using home = await openClaims();
  const call = await home.call();
  await call.sign(10n);
  await call.sign(3n);
  await call.sign(3n);
  await assert.rejects(call.accept(1_011n), TOO_MUCH);
  assert.equal(await call.accept(1_010n), 1_010n);
});
