import assert from "node:assert/strict";
import fc from "fast-check";
import { KhachapuriError } from "../errors.ts";
import { MINISIGN_CHARS_MAX } from "../limits.ts";
import { parseMinisignature, parseMinisignKey, verifyMinisig } from "./minisign.ts";

// Made with Debian's minisign 0.11: `minisign -S -m greeting -t …`, and once more with -l.
const KEY = "RWSzUeHlZ7RIlkYZ4LRnt0qksKA5XD8iVlkvZbYkIng2wgg9sBo2zIx/";
const KEY_FILE = `untrusted comment: minisign public key 9648B467E5E151B3\n${KEY}\n`;
const OTHER_KEY = "RWQRb2oGcCL30jwUmxcuMsT9LQm8EgkQIsjpSK4wVrIYLnYiA2cEeg4Z";
const FILE = new TextEncoder().encode("gamarjoba\n");
const COMMENT = "timestamp:1796010923\tfile:greeting";
const SIGNATURE =
  "RUSzUeHlZ7RIlgzr9KKoDNJmjKhitkK19biusqGR39hcbUGozbGFQfsDl34qlUduxYd/DCJ1KwFLEjTjjB/Si9WjGADjbcIolQQ=";
const GLOBAL =
  "R/b0zyjX5IYx/pJBScUspSIxSyIPn5JByFhKyVQjHSkkenVYHinVDqbIvlY/U9cUtpkBnPm+2ipMufwlah8lBg==";
const SIGNED = text("signature from minisign secret key", SIGNATURE, COMMENT, GLOBAL);
const LEGACY = text(
  "signature from minisign secret key",
  "RWSzUeHlZ7RIljfQ7RtQ3C/JWOrWb1MDslatvieJy64OjUXXX379sM55kV6Fq7kqFAiZ3zJPn5GPW21dxEaR9GZik9Rp+6ISBQo=",
  "x",
  "D3e9v1KZBzXIPQmsMPz054SGlYFrbAYgJHt0qRGR9rbbBxzsIOt7cfIjt2IZ79Zxjj33N26vtSi58mN1AAKEAg==",
);

function text(untrusted: string, first: string, trusted: string, second: string): string {
  return `untrusted comment: ${untrusted}\n${first}\ntrusted comment: ${trusted}\n${second}\n`;
}

/** The name of the fault that `act` throws. */
function faultOf(act: () => unknown): string {
  try {
    act();
  } catch (thrown) {
    assert.ok(thrown instanceof KhachapuriError, String(thrown));
    assert.equal(thrown.exitCode, 3);
    return String(thrown.data.reason);
  }
  return "none";
}

const changed = (line: string, at: number, to: (byte: number) => number) => {
  const bytes = Uint8Array.fromBase64(line);
  bytes[at] = to(bytes[at]!);
  return bytes.toBase64();
};

Deno.test("verifyMinisig() takes what minisign signed, by key file and by key", () => {
  const said = { keyId: KEY_FILE.split(/\s/)[5]!, trustedComment: COMMENT };
  assert.deepEqual(verifyMinisig(FILE, SIGNED, KEY_FILE), said);
  assert.deepEqual(verifyMinisig(FILE, SIGNED, KEY), said);
  assert.deepEqual(verifyMinisig(FILE, SIGNED.trimEnd(), `${KEY}\n`), said);
  const asWindowsHasIt = SIGNED.replaceAll("\n", "\r\n");
  assert.deepEqual(verifyMinisig(FILE, asWindowsHasIt, KEY_FILE.replaceAll("\n", "\r\n")), said);
});

Deno.test("verifyMinisig() says by name what is wrong", () => {
  const verify = (bytes: Uint8Array, signed: string, key = KEY) =>
    faultOf(() => verifyMinisig(bytes, signed, key));
  assert.equal(verify(FILE.slice(1), SIGNED), "wrong_signature");
  assert.equal(verify(new Uint8Array(), SIGNED), "wrong_signature");
  assert.equal(verify(FILE, SIGNED, OTHER_KEY), "other_key");
  assert.equal(verify(FILE, LEGACY), "not_prehashed");
  assert.equal(
    verify(FILE, SIGNED.replace("file:greeting", "file:other")),
    "wrong_trusted_comment",
  );
  const flip = (byte: number) => byte ^ 1;
  const withFirst = (line: string) => text("x", line, COMMENT, GLOBAL);
  assert.equal(verify(FILE, withFirst(changed(SIGNATURE, 40, flip))), "wrong_signature");
  assert.equal(verify(FILE, withFirst(changed(SIGNATURE, 3, flip))), "other_key");
  assert.equal(verify(FILE, withFirst(changed(SIGNATURE, 1, () => 88))), "malformed_signature");
  const otherGlobal = text("x", SIGNATURE, COMMENT, changed(GLOBAL, 10, flip));
  assert.equal(verify(FILE, otherGlobal), "wrong_trusted_comment");
  // The id of the right key before another key's bytes.
  const forged = Uint8Array.fromBase64(OTHER_KEY);
  forged.set(Uint8Array.fromBase64(KEY).slice(0, 10));
  assert.equal(verify(FILE, SIGNED, forged.toBase64()), "wrong_signature");
});

Deno.test("verifyMinisig() takes no signature by a key of small order", () => {
  // R the neutral point and S zero are a signature of everything under the neutral key.
  const key = Uint8Array.fromBase64(KEY).fill(0, 10);
  key[10] = 1;
  const signature = Uint8Array.fromBase64(SIGNATURE).fill(0, 10);
  signature[10] = 1;
  const weak = text("x", signature.toBase64(), COMMENT, signature.slice(10).toBase64());
  assert.equal(faultOf(() => verifyMinisig(FILE, weak, key.toBase64())), "malformed_key");
  for (const end of [0x00, 0x80, 0x7f, 0xff]) {
    const point = Uint8Array.fromBase64(KEY).fill(end & 0x7f ? 0xff : 0, 10);
    point[point.length - 1] = end;
    assert.equal(faultOf(() => parseMinisignKey(point.toBase64())), "malformed_key", `${end}`);
  }
});

Deno.test("parseMinisignKey() wants a key and nothing else", () => {
  assert.equal(parseMinisignKey(KEY_FILE).line, KEY);
  for (
    const bad of [
      "",
      "RW",
      `${KEY} `,
      ` ${KEY}`,
      `${KEY}\n\n`,
      `${KEY_FILE}${KEY}\n`,
      `comment: x\n${KEY}`,
      KEY.slice(0, -1),
      `${KEY}AAAA`,
      changed(KEY, 1, () => 68),
      KEY.replace(/.$/, "="),
      KEY.replaceAll("+", "-").replaceAll("/", "_").replace(/^RW/, "-_"),
      SIGNED,
      "\0".repeat(56),
      "A".repeat(MINISIGN_CHARS_MAX + 1),
    ]
  ) {
    assert.equal(faultOf(() => parseMinisignKey(bad)), "malformed_key", JSON.stringify(bad));
  }
});

Deno.test("parseMinisignature() wants four lines and nothing else", () => {
  assert.equal(parseMinisignature(SIGNED).trustedComment, COMMENT);
  for (
    const bad of [
      "",
      "\n\n\n",
      SIGNED + "x\n",
      SIGNED + "\n",
      "\n" + SIGNED,
      "\ufeff" + SIGNED,
      SIGNED.replace("untrusted", "trusted"),
      SIGNED.replace("\ntrusted", "\nuntrusted"),
      SIGNED.replace("\ntrusted comment: ", "\ntrusted comment:"),
      SIGNED.replace(GLOBAL, `${GLOBAL} `),
      SIGNED.replace(GLOBAL, GLOBAL.slice(0, -4)),
      SIGNED.replace(SIGNATURE, GLOBAL),
      SIGNED.replace("file:greeting", "file:\x1b[2Jgreeting"),
      SIGNED.replace("file:greeting", "file:\u202egreeting"),
      SIGNED.replace("file:greeting", "file:\ud800"),
      SIGNED.replace("greeting", "g".repeat(MINISIGN_CHARS_MAX)),
    ]
  ) {
    assert.equal(faultOf(() => parseMinisignature(bad)), "malformed_signature", bad.slice(0, 300));
  }
});

Deno.test("no text that is near a signature is taken for one", () => {
  const edit = fc.record({
    at: fc.nat(SIGNED.length),
    cut: fc.nat(4),
    put: fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom("\n", "\r", "=", "A", "\t")),
  });
  fc.assert(fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
    let near = SIGNED;
    for (const { at, cut, put } of edits) near = near.slice(0, at) + put + near.slice(at + cut);
    const reason = faultOf(() => verifyMinisig(FILE, near, KEY));
    if (reason !== "none") return;
    // The first comment is nobody's word; ends of lines are an editor's.
    const [, ...rest] = near.replace(/\r?\n$/, "").split(/\r?\n/);
    assert.deepEqual(rest, SIGNED.trimEnd().split("\n").slice(1));
  }));
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 400 }), (noise) => {
    assert.equal(faultOf(() => verifyMinisig(FILE, noise, KEY)), "malformed_signature");
    assert.equal(faultOf(() => verifyMinisig(FILE, SIGNED, noise)), "malformed_key");
  }));
});
