import * as reference from "@ensdomains/content-hash";
import assert from "node:assert/strict";
import fc from "fast-check";
import { create as createDigest } from "multiformats/hashes/digest";
import type { Hex } from "viem";
import { CID, DAG_PB, formatCid, parseCid, RAW } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { decodeContenthash, encodeContenthash } from "./contenthash.ts";

// EIP-1577, "Example": the record and what it stands for.
const EXAMPLE = "0xe3010170122029f2d17be6139079dc48696d1f582a8530eb9805b561eda517e22a892c7e3f1f";
const EXAMPLE_CID = "QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4";
/** An IPFS record's codec and the beginning of a dag-pb CID under sha2-256. */
const DAG_PB_RECORD = "0xe30101701220";

const cids = fc.record({
  codec: fc.constantFrom(RAW, DAG_PB),
  digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
}).map(({ codec, digest }) => CID.createV1(codec, createDigest(0x12, digest)));

function refuses(hex: string, code: string, message: RegExp): void {
  assert.throws(() => decodeContenthash(hex as Hex), (error) => {
    assert.ok(error instanceof KhachapuriError, `${hex}: ${error}`);
    assert.equal(error.code, code, hex);
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("the example of EIP-1577 is read and written, from either version of the CID", () => {
  const cid = parseCid(EXAMPLE_CID);
  assert.equal(cid.version, 0);
  assert.equal(encodeContenthash(cid), EXAMPLE);
  assert.equal(encodeContenthash(cid.toV1()), EXAMPLE);
  assert.equal(decodeContenthash(EXAMPLE), formatCid(cid));
  assert.equal(decodeContenthash(EXAMPLE.toUpperCase().replace("0X", "0x") as Hex), formatCid(cid));
});

Deno.test("a record with a CID of version 0 is read, too: the first writers wrote it", () => {
  const { bytes } = parseCid(EXAMPLE_CID);
  const record: Hex = `0xe301${(bytes as Uint8Array & { toHex(): string }).toHex()}`;
  assert.equal(decodeContenthash(record), formatCid(parseCid(EXAMPLE_CID)));
});

Deno.test("ENS's own library writes what we read, and reads what we write", () => {
  fc.assert(fc.property(cids, (cid) => {
    const record = encodeContenthash(cid);
    assert.equal(record.slice(2), reference.encode("ipfs", cid.toString()));
    assert.equal(parseCid(reference.decode(record)).toV1().toString(), formatCid(cid));
    assert.equal(decodeContenthash(record), formatCid(cid));
    assert.equal(decodeContenthash(encodeContenthash(parseCid(formatCid(cid)))), formatCid(cid));
  }));
});

Deno.test("what points elsewhere than to IPFS is refused by the name of where", () => {
  const swarm = "d1de9994b4d039f6548d191eb26786769f580809256b4685ef316805265ea162";
  const ipns = "k51qzi5uqu5dgccx524mfjv7znyfsa6g013o6v4yvis9dxnrjbwojc62pt0450";
  const cases: [string, string, RegExp][] = [
    ["swarm", swarm, /points to Swarm, not to IPFS/],
    ["ipns", ipns, /points to IPNS/],
    ["onion", "zqktlwi4fecvo6ri", /points to Tor \(onion\)/],
    ["onion3", "p53lf57qovyuvwsc6xnrppyply3vtqm7l6pcobkmyqsiofyeznfu5uqd", /\(onion3\)/],
    ["skynet", "CABAB_1Dt0FJsxqsu_J4TodNCbCGvtFf1Uys_3EgzOlTcg", /points to Skynet/],
    ["arweave", "ys32Pt8uC7TrVxHdOLByOspfPEq2LO63wREHQIM9SJQ", /points to Arweave/],
    ["adnl", "8c0f4ffdb6ae43d6ae5fa7a4b2d7f3e8c0f4ffdb6ae43d6ae5fa7a4b2d7f3e80", /TON/],
  ];
  for (const [codec, value, message] of cases) {
    refuses(`0x${reference.encode(codec as "ipfs", value)}`, "invalid_input", message);
  }
});

Deno.test("what is no contenthash is refused", () => {
  const digest = EXAMPLE.slice(DAG_PB_RECORD.length);
  for (const hex of ["0x", "0xe3", "0xe30", "0x0170", "e3010170", "0xzz", `0x${"00".repeat(99)}`]) {
    refuses(hex, "invalid_input", /no contenthash/);
  }
  // The codec of 0xe3 as a varint that is one byte too long.
  refuses(`0xe38100${EXAMPLE.slice(6)}`, "invalid_input", /no protocol/);
  refuses(`${EXAMPLE}00`, "invalid_input", /bytes behind its CID/);
  refuses("0xe301015500026869", "invalid_input", /carries the content/);
  refuses("0xe301", "invalid_cid", /version missing/);
  refuses(EXAMPLE.slice(0, -2), "invalid_cid", /exactly 32 bytes/);
  refuses(`0xe30101711220${digest}`, "invalid_cid", /codec 0x71/);
  refuses(`0xe30101701b20${digest}`, "invalid_cid", /hash function 0x1b/);
  refuses(`0xe30101720024${"08".repeat(36)}`, "invalid_cid", /codec 0x72/);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
    const hex = `0x${(bytes as Uint8Array & { toHex(): string }).toHex()}` as Hex;
    try {
      assert.equal(encodeContenthash(parseCid(decodeContenthash(hex))), hex);
    } catch (error) {
      assert.ok(error instanceof KhachapuriError, String(error));
    }
  }));
});
