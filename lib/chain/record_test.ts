import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { checkRecords, formatRecords, type RecordKey } from "./record.ts";

const X25519 = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const HYBRID = `age1pq1${"q".repeat(1952)}`;
const TERMS = `0x${"ab".repeat(32)}`;
const ESCROW = "eip155:8453:0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";

const good: Record<RecordKey, string | null> = {
  "url": "https://provider.example",
  "khachapuri.age": X25519,
  "khachapuri.price": "1000",
  "khachapuri.terms": TERMS,
  "khachapuri.escrow": ESCROW,
};

function complaint(change: Partial<Record<RecordKey, string | null>>): KhachapuriError {
  try {
    checkRecords("p.eth", { ...good, ...change });
  } catch (error) {
    assert.ok(error instanceof KhachapuriError);
    return error;
  }
  throw new Error(`taken: ${JSON.stringify(change)}`);
}

Deno.test("checkRecords() reads what formatRecords() wrote", () => {
  const texts = checkRecords("p.eth", good);
  assert.equal(texts.price, 1000n);
  assert.equal(texts.escrow?.chainId, 8453);
  assert.deepEqual(formatRecords(texts), good);
});

Deno.test("terms and escrow may be absent, and an empty text is absent", () => {
  const texts = checkRecords("p.eth", {
    ...good,
    "khachapuri.terms": null,
    "khachapuri.escrow": "",
  });
  assert.deepEqual([texts.terms, texts.escrow], [null, null]);
  assert.equal(formatRecords(texts)["khachapuri.terms"], "");
});

Deno.test("checkRecords() names the record that is missing", () => {
  for (const key of ["url", "khachapuri.age", "khachapuri.price"] as const) {
    const error = complaint({ [key]: null });
    assert.equal(error.code, "not_found");
    assert.equal(error.message, `p.eth has no record ${key}`);
  }
});

Deno.test("the web domain must keep permits on TLS or on this machine", () => {
  for (const url of ["http://localhost:8402", "http://127.0.0.1:1", "http://[::1]:80/a"]) {
    assert.ok(checkRecords("p.eth", { ...good, url }).webDomain.startsWith("http://"));
  }
  assert.equal(
    checkRecords("p.eth", { ...good, url: "https://A.b/c/" }).webDomain,
    "https://a.b/c",
  );
  const bad = [
    "http://provider.example",
    "provider.example",
    "ftp://a",
    "https://u:p@a",
    "https://",
  ];
  const worse = ["https://a/?q", "https://a/#f", "http://127.0.0.1.evil.example", "javascript:0"];
  for (const url of [...bad, ...worse, "http://localhost@evil.example"]) {
    assert.equal(complaint({ url }).code, "invalid_input", url);
    assert.match(complaint({ url }).message, /record url/);
  }
});

Deno.test("recipients are post-quantum or X25519 and never both", () => {
  const recipients = (text: string) =>
    checkRecords("p.eth", { ...good, "khachapuri.age": text }).recipients;
  assert.deepEqual(recipients(HYBRID), [HYBRID]);
  assert.deepEqual(recipients(`${X25519}\n ${X25519}`), [X25519, X25519]);
  const bad = [
    " ",
    "age1",
    X25519.toUpperCase(),
    X25519 + "q",
    `${X25519} ${HYBRID}`,
    "ssh-ed25519 A",
  ];
  for (const text of [...bad, `AGE-SECRET-KEY-1${"Q".repeat(58)}`]) {
    assert.match(complaint({ "khachapuri.age": text }).message, /record khachapuri.age/);
  }
});

Deno.test("malformed and oversized records are refused by name", () => {
  const cases: [RecordKey, string][] = [
    ["khachapuri.price", "0.001"],
    ["khachapuri.price", "-1"],
    ["khachapuri.price", "01"],
    ["khachapuri.price", String(1n << 128n)],
    ["khachapuri.terms", "0x12"],
    ["khachapuri.terms", "none"],
    ["khachapuri.escrow", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"],
    ["khachapuri.age", `${X25519} `.repeat(1000)],
  ];
  for (const [key, text] of cases) {
    const error = complaint({ [key]: text });
    assert.equal(error.code, "invalid_input");
    assert.ok(error.message.startsWith(`p.eth: record ${key}: `), error.message);
    assert.ok(error.message.length < 200);
  }
});
