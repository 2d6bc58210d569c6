/**
 * The book of single payments against a model of it, through random histories of orders, sendings,
 * ends, forks and restarts:
 * (I2) a nonce buys at most one answer, of the request that it came with first;
 * (I3) what was paid and not answered is taken again;
 * (I5) what a payer's payments under way come to is no more than the balance that it was seen with.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { type Address, getAddress, pad } from "viem";
import { makeFolder } from "../../../worlds/home.ts";
import type { Order, PaymentState } from "./purchase_rows.ts";
import { Purchases } from "./purchases.ts";

const PAYERS = ["0xa1", "0xa2"].map((hex) => getAddress(pad(hex as Address, { size: 20 })));
const ASSET = PAYERS[0]!;
const NONCES = 4;
const CID = "bafkreidtfmd5zdgkztp6mgd2xgfqidlhmhamhkcgyxee3jvbpsrtwotasa" as Order["cid"];
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
}

type Step =
  | { kind: "order"; payer: number; nonce: number; request: number }
  | { kind: "restart" }
  | { kind: "fork" }
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
);

class Model {
  readonly pages = new Map<string, Page>();

  book: Purchases;

  constructor(private readonly open: () => Purchases) {
    this.book = open();
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
        to: ASSET,
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
    assert.equal("refusal" in ordered ? ordered.refusal.reason : null, expected);
    if ("refusal" in ordered) return;
    if (page) {
      assert.equal(ordered.purchase.id, page.id);
      page.isRunning = true;
    } else {
      const { id } = ordered.purchase;
      this.pages.set(key, { id, request, state: "open", isAnswered: false, isRunning: true });
    }
  }

  async change(kind: Exclude<Step["kind"], "order" | "restart" | "fork">, page: Page) {
    const { book } = this;
    const { id, state, isAnswered } = page;
    switch (kind) {
      case "sending":
        await book.sending(id);
        if (state === "open") page.state = "sent";
        break;
      case "unsent":
        book.unsent(id);
        if (state === "sent" && !isAnswered) page.state = "open";
        break;
      case "void":
        book.void(id);
        if (state === "open" || state === "sent") page.state = "void";
        break;
      case "paid":
        await book.paid(id, TX, { number: 9n, hash: TX });
        page.state = "paid";
        break;
      case "answered":
        // A run ends so whose money was seen.
        if (!page.isRunning || state !== "paid") return;
        assert.ok(!isAnswered, "one payment has two answers");
        await book.answered(id, "answered", null);
        book.letGo(id);
        Object.assign(page, { isAnswered: true, isRunning: false });
        break;
      case "let go":
        book.letGo(id);
        page.isRunning = false;
    }
  }

  restart(): void {
    this.book.close();
    this.book = this.open();
    for (const page of this.pages.values()) page.isRunning = false;
  }

  fork(): void {
    for (const { id } of this.book.restingAbove(8n)) this.book.doubt(id);
    for (const page of this.pages.values()) if (page.state === "paid") page.state = "sent";
  }

  async take(step: Step): Promise<void> {
    if (step.kind === "order") await this.order(step.payer, step.nonce, step.request);
    else if (step.kind === "restart") this.restart();
    else if (step.kind === "fork") this.fork();
    else {
      const page = this.nth(step.page);
      if (page) await this.change(step.kind, page);
    }
    this.compare();
  }

  compare(): void {
    const { book, pages } = this;
    for (const { id, state, isAnswered, isRunning } of pages.values()) {
      const purchase = book.get(id);
      assert.deepEqual([purchase.state, purchase.outcome !== null], [state, isAnswered]);
      assert.equal(book.isAnswering(id), isAnswered || isRunning);
      assert.equal(purchase.paidIn !== null, state === "paid");
    }
    for (const [payer, address] of PAYERS.entries()) {
      assert.equal(book.promised(address, Infinity), this.promised(payer));
    }
    const all = [...pages.values()];
    const ids = (state: PaymentState) =>
      all.filter((page) => page.state === state).map(({ id }) => id).sort((a, b) => a - b);
    assert.deepEqual(book.underWay().map(({ id }) => id), ids("sent"));
    assert.deepEqual(book.restingAbove(0n).map(({ id }) => id), ids("paid"));
    const { sent, unanswered } = book.figures();
    const owed = all.filter(({ state, isAnswered }) => state === "paid" && !isAnswered);
    assert.deepEqual([sent, unanswered], [ids("sent").length, owed.length]);
  }
}

Deno.test("the book does as its model through any history", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
      await using folder = await makeFolder();
      const path = join(folder.dir, "purchases.db");
      const model = new Model(() =>
        new Purchases({ path, chainId: 31_337, asset: ASSET, now: () => 0 })
      );
      try {
        for (const one of steps) await model.take(one);
      } finally {
        model.book.close();
      }
    }),
    { numRuns: 150 },
  );
});
