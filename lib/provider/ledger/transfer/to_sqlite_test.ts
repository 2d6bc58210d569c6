import assert from "node:assert/strict";
import { inFolder } from "../../../../worlds/home.ts";
import {
  drawOf,
  ID,
  NOW_MS,
  RUN,
  SETTLE_WINDOW,
  THAWING_PERIOD,
  viewOf,
} from "../../../../worlds/ledger.ts";
import {
  ledgerPath,
  linesFrom,
  sourceIn,
  targetIn,
  WHOSE,
  writeExport,
} from "../../../../worlds/moved_ledger.ts";
import { ASSET, idOf, orderOf, RICH } from "../../../../worlds/purchase_books.ts";
import { Purchases } from "../purchases.ts";
import { openSqliteLedger } from "../sqlite_ledger.ts";
import { openStore } from "../store.ts";
import { placesIn } from "./from_sqlite.ts";
import { importLedger } from "./import.ts";

const open = (book: string) =>
  openSqliteLedger({
    path: ledgerPath(book),
    now: () => NOW_MS,
    settleWindowSeconds: () => SETTLE_WINDOW,
    thawingPeriodSeconds: THAWING_PERIOD,
    operatorLimits: () => null,
  });

function openPurchases(book: string): Purchases {
  const path = placesIn(book).purchases;
  return new Purchases({ path, chainId: WHOSE.chainId, asset: ASSET, now: () => NOW_MS });
}

async function sellOne(book: string): Promise<number> {
  const ledger = await open(book);
  const held = await ledger.hold(drawOf(), viewOf(1_000n), "allowance");
  assert.ok(held.payable);
  await ledger.charge(held, "answered", RUN);
  await ledger.close();
  return held.reservation;
}

/** A file with some charges and a purchase, and a folder for what is made of it. */
async function withFile(work: (file: string, other: string) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    const [book, other] = [`${dir}/book`, `${dir}/other`];
    for (const each of [book, other]) await Deno.mkdir(each);
    for (let sale = 0; sale < 5; sale++) await sellOne(book);
    const purchases = openPurchases(book);
    purchases.letGo(idOf(await purchases.order(orderOf(1), RICH)));
    purchases.close();
    const source = await sourceIn(book);
    await writeExport(`${dir}/file`, source);
    await source.close();
    await work(`${dir}/file`, other);
  });
}

Deno.test("a ledger that was imported goes on where the other ended: receipts, numbers, checkpoints", () =>
  withFile(async (file, other) => {
    await importLedger(file, targetIn(other), WHOSE);
    const ledger = await open(other);
    for (let number = 1; number <= 5; number++) {
      const charge = await ledger.receipted(number);
      assert.deepEqual([charge?.facts.charged, charge?.lane], [BigInt(number), ID.lane]);
    }
    await ledger.close();
    const numbers = [await sellOne(other), await sellOne(other)];
    assert.ok(numbers.every((number) => number > 5), String(numbers));
    const store = await openStore(ledgerPath(other));
    await store.checkpoint();
    assert.equal(store.book.accounts.get(ID.payer)!.charged, 7n);
    await store.close();
    const purchases = openPurchases(other);
    assert.equal(idOf(await purchases.order(orderOf(2), RICH)), 2);
    purchases.close();
    const source = await sourceIn(other);
    const charges = (await linesFrom(source)).flatMap((line) => line[0] === "charge" ? [line] : []);
    await source.close();
    assert.deepEqual(charges.map(([, , , , charged]) => Number(charged)), [1, 2, 3, 4, 5, 6, 7]);
  }));

Deno.test("a ledger is not imported where there is one, be it a purchase alone", () =>
  withFile(async (file, other) => {
    const full = { code: "invalid_input", message: /there is a ledger in .* already/ };
    const purchases = openPurchases(other);
    purchases.letGo(idOf(await purchases.order(orderOf(1), RICH)));
    purchases.close();
    await assert.rejects(importLedger(file, targetIn(other), WHOSE), full);
    await Deno.remove(placesIn(other).purchases);
    await (await open(other)).close();
    await importLedger(file, targetIn(other), WHOSE);
    await assert.rejects(importLedger(file, targetIn(other), WHOSE), full);
    await sellOne(other);
  }));

Deno.test("where an import was killed nobody serves, and the next one begins anew", () =>
  withFile(async (file, other) => {
    const steps = ["put", "flush", "source", "commit"] as const;
    for (const step of steps) {
      const target = targetIn(other);
      let count = 0;
      const killed = () => {
        throw new Error("killed");
      };
      const real = target.put.bind(target);
      if (step === "put") target.put = (line) => ++count === 4 ? killed() : real(line);
      else target[step] = killed;
      await assert.rejects(importLedger(file, target, WHOSE), /killed/);
      await target.close();
      await assert.rejects(open(other), { code: "invalid_config", message: /half a ledger/ });
    }
    await importLedger(file, targetIn(other), WHOSE);
    await sellOne(other);
  }));
