import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import {
  isPushValid,
  parsePush,
  parsePushAuthorization,
  PUSH_SECONDS,
  pushAuthorization,
  signPush,
  type UnsignedPush,
} from "./push.ts";

const OWNER = privateKeyToAccount(`0x${"11".repeat(32)}`);
const OTHER = privateKeyToAccount(`0x${"22".repeat(32)}`);
const ROOT = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const HERE = {
  provider: `0x${"aa".repeat(20)}`,
  chainId: 31337,
  escrow: `0x${"bb".repeat(20)}`,
} as const;
const NOW = 1_800_000_000n;
const PUSH: UnsignedPush = {
  ...HERE,
  root: ROOT,
  bytes: 1_234n,
  expires: NOW + 100n,
  nonce: `0x${"cc".repeat(32)}`,
};

Deno.test("a push is read as it was signed, from its header too", async () => {
  const json = await signPush(OWNER, PUSH);
  const push = parsePush(JSON.parse(JSON.stringify(json)));
  assert.equal(push.root, ROOT);
  assert.equal(push.bytes, 1_234n);
  assert.equal(push.owner, OWNER.address);
  assert.deepEqual(parsePushAuthorization(pushAuthorization(json)), push);
  assert.ok(await isPushValid(push, HERE, NOW));
});

Deno.test("a push is good for one provider, chain and escrow, one root and size, and a while", async () => {
  const push = parsePush(await signPush(OWNER, PUSH));
  const elsewhere = [
    { ...HERE, provider: OTHER.address },
    { ...HERE, chainId: 1 },
    { ...HERE, escrow: OTHER.address },
  ];
  for (const asked of elsewhere) assert.equal(await isPushValid(push, asked, NOW), false);
  const changed = [
    { ...push, owner: OTHER.address },
    { ...push, bytes: push.bytes + 1n },
    { ...push, expires: push.expires + 1n },
    { ...push, nonce: `0x${"cd".repeat(32)}` as const },
    { ...push, signature: `0x${"00".repeat(65)}` as const },
  ];
  for (const each of changed) assert.equal(await isPushValid(each, HERE, NOW), false);
  assert.equal(await isPushValid(push, HERE, push.expires + 1n), false);
  assert.equal(await isPushValid(push, HERE, push.expires - PUSH_SECONDS - 1n), false);
  assert.ok(await isPushValid(push, HERE, push.expires - PUSH_SECONDS));
  assert.ok(await isPushValid(push, HERE, push.expires));
});

Deno.test("what is malformed is named", async () => {
  const json = await signPush(OWNER, PUSH);
  const bad: [unknown, RegExp][] = [
    [{ ...json, root: "bafynope" }, /root: "bafynope" is no CID/],
    [{ ...json, root: "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn" }, /canonical form: .*bafy/],
    [{ ...json, bytes: "-1" }, /bytes/],
    [{ ...json, nonce: "0x00" }, /nonce/],
    [{ ...json, more: 1 }, /unknown field more/],
    [[], /list/],
  ];
  for (const [value, message] of bad) {
    assert.throws(() => parsePush(value), { code: "invalid_input", message });
  }
  for (const none of [null, undefined, "", "Bearer x", "Khachapuri"]) {
    assert.throws(() => parsePushAuthorization(none), { code: "invalid_signature" });
  }
  for (const value of ["%%%", "_w", "e30", "x".repeat(4_000)]) {
    assert.throws(() => parsePushAuthorization(`Khachapuri ${value}`), { code: "invalid_input" });
  }
});
