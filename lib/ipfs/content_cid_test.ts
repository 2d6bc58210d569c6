import assert from "node:assert/strict";
import { base32 } from "multiformats/bases/base32";
import { base36 } from "multiformats/bases/base36";
import { CID, cidOf, DAG_PB, RAW } from "../cid.ts";
import { contentKey, isCheckable, parseContentCid } from "./content_cid.ts";

const cid = cidOf(DAG_PB, Uint8Array.of(1));
const of = (...bytes: number[]) => CID.decode(Uint8Array.from(bytes));
const digest = (length: number) => new Array<number>(length).fill(7);

Deno.test("a cid of any codec is read, in each base and version, under hashes that we check", () => {
  const dagJson = of(1, 0xa9, 0x02, 0x12, 32, ...digest(32));
  const sha512 = of(1, 0x55, 0x13, 64, ...digest(64));
  const identity = of(1, 0x55, 0, 0x80, 1, ...digest(128));
  for (const one of [cid, dagJson, sha512, identity, of(1, 0x55, 0, 0)]) {
    for (const base of [base32, base36]) {
      assert.ok(parseContentCid(one.toString(base)).equals(one));
    }
  }
  const old = cid.toV0().toString();
  assert.equal(String(parseContentCid(old)), old);
});

Deno.test("what is no cid, or not in its one spelling, is refused", () => {
  const text = cid.toString();
  const cases = ["", "b", "Q", text.slice(0, -1), `${text}a`, text.toUpperCase(), `b${text}`];
  for (const other of [...cases, "bafy!", "f0155", "x".repeat(1_000), `b${"a".repeat(255)}`]) {
    assert.throws(() => parseContentCid(other), { code: "invalid_cid" }, other);
  }
});

Deno.test("nothing is kept under a hash that is weak, cut short or unknown", () => {
  const sha1 = [0x11, 20, ...digest(20)];
  const blake3 = [0x1e, 32, ...digest(32)];
  const short = [0x12, 16, ...digest(16)];
  const long = [0x00, 0x81, 0x01, ...digest(129)];
  for (const hash of [sha1, blake3, short, long]) {
    const one = of(1, 0x55, ...hash);
    assert.equal(isCheckable(one), false);
    assert.throws(() => parseContentCid(one.toString()), { code: "not_found" });
  }
});

Deno.test("one hash under two codecs is two things, and under two versions one", () => {
  const raw = CID.createV1(RAW, cid.multihash);
  assert.notEqual(contentKey(raw), contentKey(cid));
  assert.equal(contentKey(cid.toV0()), contentKey(cid));
});
