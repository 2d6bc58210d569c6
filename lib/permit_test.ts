import assert from "node:assert/strict";
import { type Address, encodeAbiParameters, type Hex, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import vectors from "../contracts/test/vectors/signatures.json" with { type: "json" };
import {
  deploymentLane,
  escrowTypedDomain,
  isCanonicalSignature,
  isEpochAlive,
  isPermitAlive,
  type Permit,
  permitDigest,
  permitFromJson,
  permitShape,
  permitToJson,
  recoverPermitSigner,
  signingEpoch,
  signPermit,
  UINT128_MAX,
  UINT64_MAX,
} from "./permit.ts";
import { parseShape } from "./shape.ts";

const payer = privateKeyToAccount(vectors.privateKey as Hex);
const [first] = vectors.permits;
const DOMAIN = { chainId: first!.chainId, escrow: first!.escrow as Address };
const PERMIT = permitFromJson(first!.permit);
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** A signature with this s and v. */
function signatureWith(s: bigint, v: string): Hex {
  return `0x${"11".repeat(32)}${s.toString(16).padStart(64, "0")}${v}`;
}

Deno.test("foreign vectors: viem's digests and signatures are those of a permit", async () => {
  assert.equal(permitDigest(DOMAIN, PERMIT), first!.digest);
  for (const { chainId, escrow, permit, digest } of vectors.permits) {
    const domain = { chainId, escrow: escrow as Address };
    const parsed = permitFromJson(permit);
    assert.equal(permitDigest(domain, parsed), digest);
    assert.equal(await recoverPermitSigner(domain, parsed), payer.address);
    const { signature, ...unsigned } = parsed;
    assert.equal((await signPermit(payer, domain, unsigned)).signature, signature);
    assert.deepEqual(permitToJson(parsed), permit);
  }
});

Deno.test("a signature holds for every word of the permit, its chain and its escrow", async () => {
  const signed = await recoverPermitSigner(DOMAIN, PERMIT);
  assert.equal(signed, payer.address);
  const changes: Partial<Permit>[] = [
    { payer: PERMIT.provider },
    { provider: PERMIT.payer },
    { lane: `0x${"22".repeat(32)}` },
    { price: PERMIT.price + 1n },
    { credits: PERMIT.credits + 1n },
    { deadline: PERMIT.deadline + 1n },
    { epoch: PERMIT.epoch + 1 },
  ];
  for (const change of changes) {
    assert.notEqual(await recoverPermitSigner(DOMAIN, { ...PERMIT, ...change }), signed);
  }
  assert.notEqual(await recoverPermitSigner({ ...DOMAIN, chainId: 1 }, PERMIT), signed);
  assert.notEqual(await recoverPermitSigner({ ...DOMAIN, escrow: PERMIT.payer }, PERMIT), signed);
});

Deno.test("the domain is the escrow's of its chain", () => {
  assert.deepEqual(escrowTypedDomain(DOMAIN), {
    name: "Khachapuri Escrow",
    version: "1",
    chainId: DOMAIN.chainId,
    verifyingContract: DOMAIN.escrow,
  });
});

Deno.test("half of the curve's order is the highest s, and v is 27 or 28", () => {
  const half = ORDER / 2n;
  for (const v of ["1b", "1c"]) {
    assert.ok(isCanonicalSignature(signatureWith(half, v)));
    assert.ok(!isCanonicalSignature(signatureWith(half + 1n, v)));
  }
  for (const v of ["00", "01", "1a", "1d"]) assert.ok(!isCanonicalSignature(signatureWith(1n, v)));
});

Deno.test("the other form of a signature is nobody's, nor are bytes that are none", async () => {
  const { signature } = PERMIT;
  const s = ORDER - BigInt(`0x${signature.slice(66, 130)}`);
  const v = signature.endsWith("1b") ? "1c" : "1b";
  const twin = `${signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}${v}` as Hex;
  assert.equal(await recoverPermitSigner(DOMAIN, { ...PERMIT, signature: twin }), null);
  const junk = `0x${"ff".repeat(32)}${"00".repeat(31)}011b` as Hex;
  assert.equal(await recoverPermitSigner(DOMAIN, { ...PERMIT, signature: junk }), null);
});

Deno.test("numbers are as wide as the contract's", () => {
  const json = permitToJson(PERMIT);
  const widest = {
    price: UINT128_MAX,
    credits: UINT128_MAX,
    deadline: UINT64_MAX,
    epoch: 2n ** 32n - 1n,
  };
  for (const [name, max] of Object.entries(widest)) {
    const read = permitFromJson({ ...json, [name]: String(max) });
    assert.equal(BigInt(read[name as keyof typeof widest]), max);
    const wider = { ...json, [name]: String(max + 1n) };
    assert.throws(() => permitFromJson(wider), { code: "invalid_input" });
  }
  assert.deepEqual([UINT128_MAX, UINT64_MAX], [2n ** 128n - 1n, 2n ** 64n - 1n]);
});

Deno.test("lane and signature have their bytes, no more and no less", () => {
  const json = permitToJson(PERMIT);
  for (const name of ["lane", "signature"] as const) {
    for (const text of [`${json[name]}00`, json[name].slice(0, -2)]) {
      assert.throws(() => permitFromJson({ ...json, [name]: text }), { code: "invalid_input" });
    }
  }
});

Deno.test("every field is asked for, and no other is taken", () => {
  const json = permitToJson(PERMIT);
  for (const name of Object.keys(json)) {
    const { [name as keyof typeof json]: _, ...rest } = json;
    assert.throws(() => permitFromJson(rest), { code: "invalid_input" });
  }
  const refused = { code: "invalid_input", message: /permit/ };
  assert.throws(() => permitFromJson({ ...json, extra: "1" }), refused);
  assert.deepEqual(parseShape(permitShape, json, "permit", "invalid_input"), PERMIT);
});

Deno.test("a permit lives to the second of its deadline", () => {
  const permit = { ...PERMIT, deadline: 1_000n };
  assert.equal(isPermitAlive(permit, 900n, 100n), true);
  assert.equal(isPermitAlive(permit, 900n, 101n), false);
  assert.equal(isPermitAlive(permit, 901n, 100n), false);
});

Deno.test("a permit lives to the second before its epoch ends, and the next epoch's from then on", () => {
  const alive = (epoch: number, epochEnd: bigint, seconds = 100n) =>
    isEpochAlive(epoch, { epoch: 3, epochEnd }, 900n, seconds);
  assert.deepEqual([2, 3, 4].map((epoch) => alive(epoch, 0n)), [false, true, false]);
  assert.deepEqual([2, 3, 4, 5].map((epoch) => alive(epoch, 1_001n)), [false, true, true, false]);
  assert.equal(alive(3, 1_000n), false);
  assert.equal(alive(3, 1_000n, 99n), true);
});

Deno.test("a new permit is for the epoch that has no end", () => {
  assert.equal(signingEpoch({ epoch: 3, epochEnd: 0n }), 3);
  assert.equal(signingEpoch({ epoch: 3, epochEnd: 1n }), 4);
});

Deno.test("the lane of a deployment is a hash of its kind and its id", () => {
  const id: Hex = `0x${"ab".repeat(32)}`;
  const encoded = encodeAbiParameters([{ type: "string" }, { type: "bytes32" }], [
    "deployment",
    id,
  ]);
  assert.equal(deploymentLane(id), keccak256(encoded));
  assert.ok(encoded.includes(toHex("deployment").slice(2)));
});
