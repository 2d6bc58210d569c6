import assert from "node:assert/strict";
import { getAddress, type Hex } from "viem";
import { inFolder } from "../../../worlds/home.ts";
import type { CidText } from "../../cid.ts";
import { laneOf } from "./journal.ts";
import type { Entry } from "./journal.ts";
import { openStore, readJournal, type Store } from "./store.ts";

const PAYER = getAddress(`0x${"11".repeat(20)}`);
const LANE: Hex = `0x${"aa".repeat(32)}`;
const HASH: Hex = `0x${"bb".repeat(32)}`;
const CID = "bafytest" as CidText;
const ID = { payer: PAYER, lane: LANE };
const OPEN: Entry = { kind: "open", ...ID, charged: 0n };

function sale(reservation: number): Entry[] {
  const facts = { cid: CID, price: 5n, charged: BigInt(reservation), credits: 1 };
  const run = { requestHash: null, responseHash: HASH, startedAt: 1, durationMs: 2 };
  return [
    { kind: "reserve", ...ID, reservation, cid: CID, price: 5n },
    { kind: "charge", ...ID, reservation, outcome: "answered", facts: { ...facts, ...run } },
  ];
}

/** How a machine finds the files of a ledger when it comes back, in a folder of their own. */
async function copyOf(path: string, dir: string): Promise<string> {
  await Deno.mkdir(dir);
  for (const end of ["", "-wal", "-handed-over"]) {
    await Deno.copyFile(path + end, `${dir}/ledger.db${end}`);
  }
  return `${dir}/ledger.db`;
}

const kindsOf = (path: string, filter = {}) => readJournal(path, filter).map(({ kind }) => kind);

/** A ledger of which all but the first rows are only handed over. */
async function openHalf(path: string): Promise<Store> {
  const store = await openStore(path);
  await store.write([OPEN, ...sale(1)], "disk");
  await store.write(sale(2), "handed over");
  await store.write(sale(3), "handed over");
  return store;
}

Deno.test("what was only handed over is in the book of whoever opens the ledger after a kill", () =>
  inFolder(async (dir) => {
    const store = await openHalf(`${dir}/ledger.db`);
    const path = await copyOf(`${dir}/ledger.db`, `${dir}/killed`);
    const next = await openStore(path);
    assert.equal(laneOf(next.book, PAYER, LANE)?.charged, 3n);
    assert.equal(next.receipted(3)?.facts.charged, 3n);
    assert.equal(next.receipted(4), undefined);
    await next.write(sale(4), "handed over");
    await next.close();
    assert.equal((await Deno.stat(`${path}-handed-over`)).size, 0);
    const last = await openStore(path);
    assert.equal(laneOf(last.book, PAYER, LANE)?.charged, 4n);
    assert.deepEqual([1, 4].map((n) => last.receipted(n)?.facts.charged), [1n, 4n]);
    await Promise.all([store.close(), last.close()]);
  }));

Deno.test("another process reads what was only handed over, by whatever filter", () =>
  inFolder(async (dir) => {
    const path = `${dir}/ledger.db`;
    const store = await openHalf(path);
    const sales = ["reserve", "charge", "reserve", "charge", "reserve", "charge"];
    assert.deepEqual(kindsOf(path), ["open", ...sales]);
    assert.deepEqual(kindsOf(path, { cid: CID }), sales);
    assert.deepEqual(kindsOf(path, { payer: getAddress(`0x${"22".repeat(20)}`) }), []);
    assert.deepEqual(readJournal(path, {}).map(({ seq }) => seq), [1, 2, 3, 4, 5, 6, 7]);
    await store.sync();
    assert.deepEqual(kindsOf(path), ["open", ...sales], "nothing is there twice");
    await store.close();
    assert.deepEqual(kindsOf(path), ["open", ...sales]);
  }));

Deno.test("the end of a life between the table and the file counts nothing twice", () =>
  inFolder(async (dir) => {
    const path = `${dir}/ledger.db`;
    const store = await openHalf(path);
    await store.sync();
    // The file still holds what the table has by now.
    assert.ok((await Deno.stat(`${path}-handed-over`)).size > 0);
    const next = await openStore(await copyOf(path, `${dir}/killed`));
    assert.equal(laneOf(next.book, PAYER, LANE)?.charged, 3n);
    await Promise.all([store.close(), next.close()]);
  }));

Deno.test("only its user reads what is handed over: permits are bearer secrets", () =>
  inFolder(async (dir) => {
    const store = await openStore(`${dir}/ledger.db`);
    assert.equal((await Deno.stat(`${dir}/ledger.db-handed-over`)).mode! & 0o777, 0o600);
    await store.close();
  }));
