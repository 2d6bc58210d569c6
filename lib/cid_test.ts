import assert from "node:assert/strict";
import { base36 } from "multiformats/bases/base36";
import { base58btc } from "multiformats/bases/base58";
import fc from "fast-check";
import { CID, cidOf, DAG_PB, decodeCid, formatCid, isContentOf, parseCid, RAW } from "./cid.ts";

const EMPTY_FILE = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("parseCid reads the well-known CIDs of the UnixFS specification in every base", () => {
  const vectors = [
    ["QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", "file, version 0"],
    ["bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y", "file, version 1"],
    ["QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", "directory, version 0"],
    ["bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354", "directory, version 1"],
    [EMPTY_FILE, "raw"],
  ] as const;
  for (const [text, what] of vectors) assert.equal(parseCid(text).toString(), text, what);
  assert.equal(formatCid(parseCid(vectors[0][0])), vectors[1][0]);
  assert.equal(formatCid(parseCid(vectors[2][0])), vectors[3][0]);
  const cid = parseCid(EMPTY_FILE);
  for (const base of [base36, base58btc]) {
    assert.equal(formatCid(parseCid(base.encode(cid.bytes))), EMPTY_FILE);
  }
});

Deno.test("cidOf agrees with the specification's raw example and with sha256sum", () => {
  assert.equal(formatCid(cidOf(RAW, new Uint8Array())), EMPTY_FILE);
  const hex = [...cidOf(RAW, bytesOf("test")).bytes].map((b) => b.toString(16).padStart(2, "0"));
  assert.equal(
    hex.join(""),
    "015512209f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  );
});

Deno.test("parseCid refuses whatever is not the canonical CID of a file under sha2-256", () => {
  const digest = parseCid(EMPTY_FILE).multihash.digest;
  const spell = (...prefix: number[]) => base58btc.encode(Uint8Array.from([...prefix, ...digest]));
  const refused: [string, string][] = [
    ["", "empty"],
    ["b", "a multibase letter alone"],
    ["hello", "no multibase"],
    ["mAVUSIA", "base64"],
    [EMPTY_FILE.toUpperCase(), "upper case"],
    [EMPTY_FILE.slice(0, -1), "cut off"],
    [`${EMPTY_FILE}a`, "one letter more"],
    [`${EMPTY_FILE} `, "a space"],
    [EMPTY_FILE.replace("k", "1"), "a letter outside the alphabet"],
    ["b" + "a".repeat(2_048), "2 KiB"],
    ["Q" + "1".repeat(50), "version 0 that is none"],
    ["zQmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", "not base58"],
    [spell(0x12, 0x20), "version 0 with a multibase prefix"],
    [spell(0x00, 0x70, 0x12, 0x20), "an explicit version 0"],
    [spell(0x02, 0x55, 0x12, 0x20), "version 2"],
    [spell(0x01, 0x71, 0x12, 0x20), "dag-cbor"],
    [spell(0x01, 0x55, 0x1b, 0x20), "keccak-256"],
    [spell(0x01, 0x55, 0x1e, 0x20), "blake3"],
    [spell(0x01, 0x55, 0x13, 0x20), "sha2-512"],
    [spell(0x01, 0x55, 0x12, 0xa0, 0x00), "a length that is not minimal"],
    [spell(0x81, 0x00, 0x55, 0x12, 0x20), "a version that is not minimal"],
    [base58btc.encode(Uint8Array.of(1, 0x55, 0x11, 20, ...digest.slice(0, 20))), "sha1"],
    [base58btc.encode(Uint8Array.of(1, 0x55, 0x12, 16, ...digest.slice(0, 16))), "half a sha2-256"],
    ["bafkqaaa", "the empty identity CID"],
    ["bafyaabakaieac", "an inline directory"],
  ];
  for (const [text, what] of refused) {
    assert.throws(() => parseCid(text), { code: "invalid_cid" }, what);
  }
});

Deno.test("decodeCid takes identity hashes of 128 bytes and refuses those of 129", () => {
  const valid = CID.parse(`bafkqbaab${"ijbeeqsc".repeat(25)}ijbee`);
  assert.equal(decodeCid(valid.bytes).cid.multihash.digest.length, 128);
  assert.deepEqual(decodeCid(valid.bytes).cid.multihash.digest, bytesOf("B".repeat(128)));
  const invalid = CID.parse(`bafkqbaib${"ifaucqkb".repeat(25)}ifaucqi`);
  assert.equal(invalid.multihash.digest.length, 129);
  assert.throws(() => decodeCid(invalid.bytes), { code: "invalid_cid" });
});

Deno.test("isContentOf accepts the content and refuses it with any bit flipped", () => {
  fc.assert(fc.property(
    fc.uint8Array({ minLength: 1, maxLength: 200 }),
    fc.nat(),
    fc.constantFrom(RAW, DAG_PB),
    (bytes, seed, codec) => {
      const cid = cidOf(codec as typeof RAW, bytes);
      assert.ok(isContentOf(cid, bytes));
      const flipped = bytes.slice();
      flipped[seed % bytes.length]! ^= 1 << (seed % 8);
      assert.ok(!isContentOf(cid, flipped));
    },
  ));
});

Deno.test("parseCid and formatCid are inverse, and no text has two readings", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.constantFrom(RAW, DAG_PB), (bytes, codec) => {
    const cid = cidOf(codec as typeof RAW, bytes);
    assert.ok(parseCid(formatCid(cid)).equals(cid));
    assert.ok(parseCid(base36.encode(cid.bytes)).equals(cid));
  }));
  fc.assert(fc.property(fc.string({ maxLength: 80 }), (text) => {
    try {
      parseCid(text);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "invalid_cid");
    }
  }));
});
