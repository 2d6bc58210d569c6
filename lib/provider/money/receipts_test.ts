import assert from "node:assert/strict";
import { join } from "node:path";
import { getAddress, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { inFolder } from "../../../worlds/home.ts";
import type { CidText } from "../../cid.ts";
import type { ReceiptedCharge } from "../ledger/store.ts";
import { Receipts, receiptSecret } from "./receipts.ts";

const OPERATOR = privateKeyToAccount(`0x${"07".repeat(32)}`);
const PAYER = getAddress(`0x${"11".repeat(20)}`);
const LANE: Hex = `0x${"01".repeat(32)}`;
const HASH: Hex = `0x${"02".repeat(32)}`;

const CHARGE: ReceiptedCharge = {
  kind: "charge",
  seq: 1,
  at: new Date(0),
  payer: PAYER,
  lane: LANE,
  reservation: 7,
  outcome: "answered",
  facts: {
    cid: "bafytest" as CidText,
    price: 5n,
    charged: 3n,
    requestHash: null,
    responseHash: HASH,
    startedAt: 1_000,
    durationMs: 2,
    credits: 4,
  },
};

function receipts(charge: ReceiptedCharge | undefined, sync: () => Promise<void>) {
  return new Receipts({
    secret: new Uint8Array(32),
    receipted: () => sync().then(() => charge),
    seller: { chainId: 1, escrow: PAYER, provider: PAYER, price: 5n },
    operator: OPERATOR,
    block: () => Promise.resolve(42n),
  });
}

Deno.test("a receipt says what the book does, once that is on disk", async () => {
  const disk = Promise.withResolvers<void>();
  const shop = receipts(CHARGE, () => disk.promise);
  let isSigned = false;
  const reading = shop.read(shop.pathOf(7)).then((receipt) => {
    isSigned = true;
    return receipt;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!isSigned);
  disk.resolve();
  const { price, deployment, cumulative, outcome, block } = await reading;
  assert.deepEqual([price, deployment, cumulative, outcome], [5n, "bafytest", 3n, "answered"]);
  assert.equal(block, 42n, "the escrow knows the operator there");
});

Deno.test("what the disk has not taken is not signed", async () => {
  const shop = receipts(CHARGE, () => Promise.reject(new Error("disk full")));
  await assert.rejects(shop.read(shop.pathOf(7)), /disk full/);
});

Deno.test("an address that was given out waits for its call, another is nothing", async () => {
  const shop = receipts(undefined, () => Promise.resolve());
  const hints = (path: string) => shop.read(path).then(() => [], ({ hints }) => hints);
  assert.match((await hints(shop.pathOf(7)))[0], /once the response has ended/);
  assert.deepEqual(await hints("/receipts/AAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAA"), []);
});

Deno.test("the secret is made once, for its user alone, and read from then on", () =>
  inFolder(async (dir) => {
    const path = join(dir, "receipts.key");
    const secret = await receiptSecret(path);
    assert.equal(secret.length, 32);
    assert.ok(secret.some((byte) => byte !== 0));
    assert.deepEqual(await receiptSecret(path), secret);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    const left = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
    assert.deepEqual(left, ["receipts.key"]);
  }));

Deno.test("a secret that a crash cut off is refused, never used: anybody could compute with it", () =>
  inFolder(async (dir) => {
    const path = join(dir, "receipts.key");
    for (const bytes of [0, 1, 31, 33]) {
      await Deno.writeFile(path, new Uint8Array(bytes));
      await assert.rejects(receiptSecret(path), {
        code: "invalid_config",
        message: `${path} holds ${bytes} bytes, a secret has 32`,
      });
      assert.equal((await Deno.stat(path)).size, bytes, "what is there stays");
    }
  }));
