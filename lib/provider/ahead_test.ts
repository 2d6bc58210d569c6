import assert from "node:assert/strict";
import { getAddress, type Hex } from "viem";
import type { Permit } from "../permit.ts";
import { createAhead } from "./ahead.ts";
import type { Bill } from "./bill.ts";
import type { Entry } from "./journal.ts";

const PAYER = getAddress(`0x${"11".repeat(20)}`);
const [LANE, OTHER]: [Hex, Hex] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];

function billFor(changes: Partial<Bill> = {}, signature: Hex = "0xaa"): Bill {
  const permit = { signature } as Permit;
  const own = { source: "owner", payer: PAYER, lane: LANE, price: 5n } as const;
  return { ...own, permit, deployment: "bafyone", deposit: null, ...changes };
}

/** Ahead on a ledger that only writes down. */
function open() {
  const entries: Entry[] = [];
  let next = 1;
  const ahead = createAhead({
    append(...more) {
      entries.push(...more);
      return Promise.resolve();
    },
  });
  return {
    ahead,
    entries,
    /** Two calls, and a credit held for the third. */
    hold(bill: Bill): number {
      ahead.take(bill);
      ahead.take(bill);
      const reservation = next++;
      ahead.leave(bill, { reservation, durable: Promise.resolve() });
      return reservation;
    },
    [Symbol.asyncDispose]: () => ahead.close(),
  };
}

Deno.test("holding ahead is worthwhile from the second call on", async () => {
  await using book = open();
  const bill = billFor();
  assert.equal(book.ahead.isWorthwhile(bill), false);
  assert.equal(book.ahead.take(bill), null);
  assert.equal(book.ahead.isWorthwhile(bill), false);
  assert.equal(book.ahead.take(bill), null);
  assert.equal(book.ahead.isWorthwhile(bill), true);
  assert.equal(book.ahead.isWorthwhile(billFor({ deployment: "bafytwo" })), false);
});

Deno.test("what is held is taken once, and only by a call of the same kind", async () => {
  await using book = open();
  const held = book.hold(billFor());
  const others = [
    billFor({ deployment: "bafytwo" }),
    billFor({ lane: OTHER }),
    billFor({ price: 6n }),
    billFor({}, "0xbb"),
  ];
  for (const other of others) assert.equal(book.ahead.take(other), null);
  assert.equal(book.ahead.ofPayer(PAYER), 1n);
  assert.equal(book.ahead.onLane(PAYER, LANE), 1n);
  assert.equal(book.ahead.onLane(PAYER, OTHER), 0n);
  assert.equal(book.ahead.amount(), 5n);
  assert.equal(book.ahead.take(billFor())?.reservation, held);
  assert.equal(book.ahead.take(billFor()), null);
  assert.equal(book.ahead.ofPayer(PAYER), 0n);
  assert.equal(book.ahead.amount(), 0n);
  assert.deepEqual(book.entries, []);
});

Deno.test("no more is held than runs at a time, and nothing once it is closed", async () => {
  const book = open();
  const bill = billFor();
  for (let call = 0; call < 64; call++) {
    book.ahead.take(billFor({}, "0xbb"));
    if (call > 0) assert.ok(book.ahead.isWorthwhile(bill));
    book.ahead.leave(bill, { reservation: call, durable: Promise.resolve() });
  }
  assert.ok(!book.ahead.isWorthwhile(bill));
  await book.ahead.close();
  assert.equal(book.entries.length, 64);
  assert.ok(!book.ahead.isWorthwhile(bill));
});

Deno.test("a ledger that cannot be written does not keep it from closing", async () => {
  const ahead = createAhead({ append: () => Promise.reject(new Error("no space")) });
  ahead.take(billFor());
  ahead.leave(billFor(), { reservation: 1, durable: Promise.resolve() });
  await ahead.close();
  assert.equal(ahead.ofPayer(PAYER), 0n);
});

Deno.test("what is given back counts no more, and is released in the book", async () => {
  await using book = open();
  const one = book.hold(billFor());
  const two = book.hold(billFor({ lane: OTHER }));
  book.ahead.giveBack(getAddress(`0x${"22".repeat(20)}`));
  assert.equal(book.ahead.ofPayer(PAYER), 2n);
  book.ahead.giveBack(PAYER);
  assert.equal(book.ahead.ofPayer(PAYER), 0n);
  assert.equal(book.ahead.take(billFor()), null);
  const released = book.entries.map((entry) => entry.kind === "release" && entry.reservation);
  assert.deepEqual(released, [one, two]);
});

Deno.test("closing releases everything", async () => {
  const book = open();
  const held = book.hold(billFor());
  await book.ahead.close();
  const reason = "unused";
  const released = { kind: "release", payer: PAYER, lane: LANE, reservation: held, reason };
  assert.deepEqual(book.entries, [released]);
});

Deno.test("what nobody takes is released soon", async () => {
  await using book = open();
  const released = Promise.withResolvers<Entry[]>();
  const ahead = createAhead({
    append(...entries) {
      released.resolve(entries);
      return Promise.resolve();
    },
  });
  const bill = billFor();
  ahead.take(bill);
  ahead.leave(bill, { reservation: 7, durable: Promise.resolve() });
  // The timer that releases does not keep a process alive: this one does, until it has.
  const awake = setInterval(() => {}, 1_000);
  const [entry] = await released.promise.finally(() => clearInterval(awake));
  assert.equal(entry?.kind, "release");
  assert.equal(ahead.ofPayer(PAYER), 0n);
  await ahead.close();
  assert.deepEqual(book.entries, []);
});
