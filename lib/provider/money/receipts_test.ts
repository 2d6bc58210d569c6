import assert from "node:assert/strict";
import { getAddress, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { CidText } from "../../cid.ts";
import type { ReceiptedCharge } from "../ledger/store.ts";
import { Receipts } from "./receipts.ts";

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
  },
};

function receipts(charge: ReceiptedCharge | undefined, sync: () => Promise<void>) {
  return new Receipts({
    secret: new Uint8Array(32),
    ledger: { receipted: () => sync().then(() => charge) },
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
