import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import type { CidText } from "../cid.ts";
import { isNameChangeValid, parseNameChange, signNameChange } from "./name_change.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" as CidText;
const OTHER = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" as CidText;
const owner = privateKeyToAccount(`0x${"11".repeat(32)}`);
const stranger = privateKeyToAccount(`0x${"22".repeat(32)}`);
const PLACE = {
  provider: stranger.address,
  chainId: 31337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
} as const;
const NOW = 1_700_000_000n;
const CHANGE = { label: "blog", cid: CID, sequence: 3n, expires: NOW + 300n };

async function signed() {
  return JSON.parse(JSON.stringify(await signNameChange(owner, CHANGE, PLACE)));
}

Deno.test("a change is read as it was signed, and good where it is meant to happen", async () => {
  const change = parseNameChange(await signed());
  const { signature: _, ...read } = change;
  assert.deepEqual(read, { ...CHANGE, owner: owner.address });
  assert.equal(await isNameChangeValid(change, PLACE, NOW), true);
});

Deno.test("giving a name up is signed like a move", async () => {
  const json = await signNameChange(owner, { ...CHANGE, cid: "" }, PLACE);
  const change = parseNameChange(json);
  assert.equal(change.cid, "");
  assert.equal(await isNameChangeValid(change, PLACE, NOW), true);
  assert.equal(await isNameChangeValid({ ...change, cid: CID }, PLACE, NOW), false);
});

Deno.test("nothing of it can be changed by who did not sign, nor where and when it is good", async () => {
  const change = parseNameChange(await signed());
  const forged = [
    { ...change, label: "shop" },
    { ...change, cid: OTHER },
    { ...change, sequence: 4n },
    { ...change, owner: stranger.address },
    { ...change, expires: NOW + 301n },
    { ...change, signature: `0x${"00".repeat(65)}` as const },
  ];
  for (const each of forged) assert.equal(await isNameChangeValid(each, PLACE, NOW), false);
  const elsewhere = [
    { ...PLACE, provider: owner.address },
    { ...PLACE, chainId: 1 },
    { ...PLACE, escrow: owner.address },
  ];
  for (const place of elsewhere) assert.equal(await isNameChangeValid(change, place, NOW), false);
  assert.equal(await isNameChangeValid(change, PLACE, NOW + 300n), true);
  assert.equal(await isNameChangeValid(change, PLACE, NOW + 301n), false);
  assert.equal(await isNameChangeValid(change, PLACE, NOW - 301n), false);
});

Deno.test("what is malformed is refused in words", async () => {
  const json = await signed();
  const bad: [unknown, string][] = [
    [{ ...json, label: "Blog" }, "invalid_name"],
    [{ ...json, label: "healthz" }, "invalid_name"],
    [{ ...json, cid: "bafynope" }, "invalid_cid"],
    [{ ...json, cid: "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG" }, "invalid_cid"],
    [{ ...json, sequence: -1 }, "invalid_input"],
    [{ ...json, sequence: "18446744073709551616" }, "invalid_input"],
    [{ ...json, more: "" }, "invalid_input"],
    [[], "invalid_input"],
  ];
  for (const [body, code] of bad) assert.throws(() => parseNameChange(body), { code });
});
