/**
 * The book of single payments, in both stores, against a model of it, through random histories of
 * orders, sendings, ends, forks and restarts:
 * (I2) a nonce buys at most one answer, of the request that it came with first;
 * (I3) what was paid and not answered is taken again;
 * (I5) what a payer's payments under way come to is no more than the balance that it was seen with.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Address, getAddress, pad } from "viem";
import { startFleetServer } from "../../../worlds/fleet_database.ts";
import {
  type BookWorld,
  CID,
  postgresBook,
  reasonOf,
  repeating,
  sqliteBook,
} from "../../../worlds/purchase_books.ts";
import type { Order, PaymentState } from "./purchase_rows.ts";

const PAYERS = ["0xa1", "0xa2"].map((hex) => getAddress(pad(hex as Address, { size: 20 })));
const PAYEE = PAYERS[0]!;
const NONCES = 4;
const BALANCE = 25n;
const VALUE = 10n;
const TX = pad("0x7a");

/** What the book must say of one payment. */
interface Page {
  id: number;
  request: number;
  state: PaymentState;
  isAnswered: boolean;
  isRunning: boolean;
  /** By this process: nobody else says that nothing went out. */
  isSentHere: boolean;
}

type Step =
  | { kind: "order"; payer: number; nonce: number; request: number }
  | { kind: "restart" }
  | { kind: "fork" }
  | { kind: "free" }
  | { kind: "sending" | "unsent" | "void" | "paid" | "answered" | "let go"; page: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("order" as const),
      payer: fc.nat(PAYERS.length - 1),
      nonce: fc.nat(NONCES - 1),
      request: fc.nat(1),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("sending", "unsent", "void", "paid", "answered", "let go"),
      page: fc.nat(PAYERS.length * NONCES),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "fork" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "free" as const }) },
);

class Model {
  readonly pages = new Map<string, Page>();

  constructor(private readonly world: BookWorld) {}

  get book() {
    return this.world.book;
  }

  nth(n: number): Page | null {
    const pages = [...this.pages.values()];
    return pages.length === 0 ? null : pages[n % pages.length]!;
  }

  promised(payer: number): bigint {
    const counted = [...this.pages].filter(([key, { state, isRunning }]) =>
      key.startsWith(`${payer} `) && (state === "sent" || isRunning && state === "open")
    );
    return VALUE * BigInt(counted.length);
  }

  async order(payer: number, nonce: number, request: number): Promise<void> {
    const key = `${payer} ${nonce}`;
    const page = this.pages.get(key);
    const free = this.promised(payer) + VALUE <= BALANCE;
    const expected = !page
      ? free ? null : "unfunded"
      : page.request !== request
      ? "used"
      : page.isAnswered
      ? "answered"
      : page.isRunning
      ? "running"
      : page.state === "void"
      ? "void"
      : page.state === "open" && !free
      ? "unfunded"
      : null;
    const order: Order = {
      authorization: {
        from: PAYERS[payer]!,
        to: PAYEE,
        value: VALUE,
        validAfter: 0n,
        validBefore: 1_000n,
        nonce: pad(`0x${nonce.toString(16)}`),
      },
      signature: "0x51",
      cid: CID,
      request: new Uint8Array([request]),
      key: null,
      block: 1n,
    };
    const ordered = await this.book.order(order, { balance: BALANCE, since: Infinity });
    assert.equal("refusal" in ordered ? reasonOf(ordered) : null, expected);
    if ("refusal" in ordered) return;
    if (page) {
      assert.equal(ordered.purchase.id, page.id);
      page.isRunning = true;
    } else {
      const { id } = ordered.purchase;
      const fresh = { state: "open", isAnswered: false, isRunning: true } as const;
      this.pages.set(key, { id, request, ...fresh, isSentHere: false });
    }
  }

  async change(kind: Exclude<Step["kind"], "order" | "restart" | "fork" | "free">, page: Page) {
    const { book } = this;
    const { id, state, isAnswered } = page;
    switch (kind) {
      case "sending":
        await book.sending(id);
        if (state === "open") page.state = "sent";
        page.isSentHere = page.state === "sent";
        break;
      case "unsent":
        if (!page.isSentHere) return;
        await book.unsent(id);
        if (state === "sent" && !isAnswered) page.state = "open";
        break;
      case "void":
        await book.void(id);
        if (state === "open" || state === "sent") page.state = "void";
        break;
      case "paid":
        await book.paid(id, TX, { number: 9n, hash: TX });
        Object.assign(page, { state: "paid", isSentHere: false });
        break;
      case "answered":
        // A run ends so whose money was seen.
        if (!page.isRunning || state !== "paid") return;
        assert.ok(!isAnswered, "one payment has two answers");
        await book.answered(id, "answered", null);
        await book.letGo(id);
        Object.assign(page, { isAnswered: true, isRunning: false });
        break;
      case "let go":
        await book.letGo(id);
        page.isRunning = false;
    }
  }

  async restart(): Promise<void> {
    await this.world.restart();
    for (const page of this.pages.values()) page.isRunning = page.isSentHere = false;
  }

  async fork(): Promise<void> {
    for (const { id } of await this.book.restingAbove(8n)) await this.book.doubt(id);
    for (const page of this.pages.values()) if (page.state === "paid") page.state = "sent";
  }

  /** Nobody drives what is looked after. */
  async free(): Promise<void> {
    for (const { id } of await this.book.underWay()) {
      const page = [...this.pages.values()].find((one) => one.id === id)!;
      const isFree = !page.isRunning && !page.isAnswered;
      assert.equal(await this.book.free(id), isFree);
      if (isFree) page.state = "open";
    }
  }

  async take(step: Step): Promise<void> {
    if (step.kind === "order") await this.order(step.payer, step.nonce, step.request);
    else if (step.kind === "restart") await this.restart();
    else if (step.kind === "fork") await this.fork();
    else if (step.kind === "free") await this.free();
    else {
      const page = this.nth(step.page);
      if (page) await this.change(step.kind, page);
    }
    await this.compare();
  }

  async compare(): Promise<void> {
    const { book, pages } = this;
    for (const { id, state, isAnswered, isRunning } of pages.values()) {
      const purchase = await book.get(id);
      assert.deepEqual([purchase.state, purchase.outcome !== null], [state, isAnswered]);
      assert.equal(await book.isAnswering(id), isAnswered || isRunning);
      assert.equal(purchase.paidIn !== null, state === "paid");
    }
    for (const [payer, address] of PAYERS.entries()) {
      assert.equal(await book.promised(address, Infinity), this.promised(payer));
    }
    const all = [...pages.values()];
    const ids = (state: PaymentState) =>
      all.filter((page) => page.state === state).map(({ id }) => id).sort((a, b) => a - b);
    assert.deepEqual((await book.underWay()).map(({ id }) => id), ids("sent"));
    assert.deepEqual((await book.restingAbove(0n)).map(({ id }) => id), ids("paid"));
    const { sent, unanswered } = await this.world.figures();
    const owed = all.filter(({ state, isAnswered }) => state === "paid" && !isAnswered);
    assert.deepEqual([sent, unanswered], [ids("sent").length, owed.length]);
  }
}

async function tryHistories(world: BookWorld, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
      await world.clear();
      const model = new Model(world);
      for (const one of steps) await model.take(one);
    }),
    { numRuns },
  );
}

Deno.test("the book does as its model through any history (SQLite)", async () => {
  await using world = await sqliteBook();
  await tryHistories(world, 150);
});

const SERVER = await startFleetServer();

for (const [how, via] of [["", undefined], [", all said twice", repeating]] as const) {
  Deno.test({
    name: `the book does as its model through any history (PostgreSQL${how})`,
    ignore: SERVER === null,
    async fn() {
      await using world = await postgresBook(SERVER!, via);
      await tryHistories(world, 20);
    },
  });
}
