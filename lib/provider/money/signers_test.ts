import assert from "node:assert/strict";
import type { Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { type Permit, signPermit, UINT64_MAX } from "../../permit.ts";
import { Signers } from "./signers.ts";

const PAYER = privateKeyToAccount(`0x${"11".repeat(32)}`);
const SIGNER = privateKeyToAccount(`0x${"22".repeat(32)}`);
const DOMAIN = { chainId: 31_337, escrow: `0x${"ee".repeat(20)}` } as const;

function permit(account = PAYER): Promise<Permit> {
  return signPermit(account, DOMAIN, {
    payer: PAYER.address,
    provider: `0x${"aa".repeat(20)}`,
    lane: `0x${"01".repeat(32)}`,
    price: 1_000n,
    credits: 100n,
    deadline: UINT64_MAX,
    epoch: 0,
  });
}

/** Signers, and how often they recovered one: only then is the domain looked at. */
function countingSigners() {
  const counted = { recoveries: 0 };
  const signers = new Signers({
    escrow: DOMAIN.escrow,
    get chainId() {
      counted.recoveries += 1;
      return DOMAIN.chainId;
    },
  });
  return Object.assign(counted, { signerOf: (permit: Permit) => signers.signerOf(permit) });
}

Deno.test("a permit's signer is who signed it, payer or not", async () => {
  const { signerOf } = countingSigners();
  assert.equal(await signerOf(await permit()), PAYER.address);
  assert.equal(await signerOf(await permit(SIGNER)), SIGNER.address);
});

Deno.test("a permit that says anything else is somebody else's, also once the first is known", async () => {
  const { signerOf } = countingSigners();
  const own = await permit();
  await signerOf(own);
  const changes: Partial<Permit>[] = [
    { payer: SIGNER.address },
    { provider: PAYER.address },
    { lane: `0x${"02".repeat(32)}` },
    { price: 1_001n },
    { credits: 101n },
    { deadline: 1n },
    { signature: (await permit(SIGNER)).signature },
  ];
  for (const change of changes) {
    assert.notEqual(await signerOf({ ...own, ...change }), PAYER.address, Object.keys(change)[0]);
  }
});

Deno.test("a signature that is none has no signer, each time it is asked", async () => {
  const signers = countingSigners();
  const own = await permit();
  // The escrow takes one encoding only: v is 27 or 28.
  const v = own.signature.endsWith("1b") ? "00" : "01";
  const short: Hex = `${own.signature.slice(0, -2) as Hex}${v}`;
  // Of that encoding, and no point of the curve.
  const offCurve: Hex = `0x${"00".repeat(63)}011b`;
  for (const signature of [`0x${"00".repeat(65)}`, short, offCurve] as const) {
    const broken = { ...own, signature };
    assert.equal(await signers.signerOf(broken), null);
    const { recoveries } = signers;
    for (const copy of [broken, { ...broken }]) assert.equal(await signers.signerOf(copy), null);
    assert.equal(signers.recoveries, recoveries);
  }
});

Deno.test("a signer is recovered once, whichever copy of the permit is shown", async () => {
  const signers = countingSigners();
  const own = await permit();
  await signers.signerOf(own);
  const { recoveries } = signers;
  assert.ok(recoveries > 0);
  for (const copy of [own, { ...own }, { ...own }]) {
    assert.equal(await signers.signerOf(copy), PAYER.address);
  }
  assert.equal(signers.recoveries, recoveries);
});

Deno.test("a permit that is the very same object is not even read again", async () => {
  const { signerOf } = countingSigners();
  const own = await permit();
  let reads = 0;
  const watched = {
    ...own,
    get signature() {
      reads += 1;
      return own.signature;
    },
  };
  await signerOf(watched);
  const before = reads;
  assert.equal(await signerOf(watched), PAYER.address);
  assert.equal(reads, before);
});
