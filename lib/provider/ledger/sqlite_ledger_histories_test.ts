/**
 * Random histories of a whole ledger beside two others: paper with a line for each credit, and a
 * ledger that holds nothing for calls that have not come, whose answers must be the same.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Hex } from "viem";
import {
  CID,
  drawOf,
  LANE,
  openLedger,
  OTHER_CID,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  RUN,
  signatureOf,
  THIRD_LANE,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { Draw, PayerView } from "./judge.ts";
import type { LaneId } from "./journal.ts";
import type { ChainFact, Held, LaneState, Ledger, RunFacts } from "./ledger.ts";
import { openSqliteLedger, type SqliteLedger } from "./sqlite_ledger.ts";

const PAYERS = [PAYER, OTHER_PAYER];
const LANES: readonly Hex[] = [LANE, OTHER_LANE, THIRD_LANE];
/** What the escrow had taken of each lane before it came here. */
const BEFORE = new Map(LANES.map((lane, index) => [lane, BigInt(index)]));
/** The views are of this block; some facts are of later ones. */
const BLOCK = 4n;
const PRICES = [5n, 3n];

/** A lane on paper. */
interface Page extends LaneId {
  /** The price of each run. */
  charged: bigint[];
  settled: bigint;
  settledBlock: bigint;
  refused: boolean;
}

/** A credit in hand, in both ledgers. */
interface Hand {
  page: Page;
  price: bigint;
  ours: Held;
  plain: Held;
}

const lane = { payer: fc.nat(PAYERS.length - 1), lane: fc.nat(LANES.length - 1) };
const kind = fc.constantFrom(
  "settled" as const,
  "settled" as const,
  "level" as const,
  "refused" as const,
);
const call = fc.record({
  do: fc.constant("call" as const),
  ...lane,
  permit: fc.constantFrom(0, 0, 0, 1),
  credits: fc.constantFrom(6n, 1_000n),
  cid: fc.constantFrom(CID, CID, OTHER_CID),
});
/** Calls of one kind behind one another: from the second on credits are held for the next. */
const row = fc.record({
  do: fc.constant("row" as const),
  ...lane,
  calls: fc.integer({ min: 2, max: 3 }),
});
const end = fc.record({
  do: fc.constantFrom("charge" as const, "charge" as const, "release" as const),
  nth: fc.nat(20),
  run: fc.option(fc.constant(RUN)),
});
const fact = fc.record({
  do: fc.constant("fact" as const),
  ...lane,
  kind,
  /** How far from what is charged. */
  by: fc.bigInt(-3n, 1n),
  block: fc.bigInt(BLOCK - 1n, BLOCK + 1n),
});
const grant = fc.record({ do: fc.constant("grant" as const), payer: lane.payer, to: fc.nat(16) });
const restart = fc.record({ do: fc.constant("restart" as const) });
const step = fc.oneof(
  { weight: 10, arbitrary: call },
  { weight: 4, arbitrary: row },
  { weight: 10, arbitrary: end },
  { weight: 4, arbitrary: fact },
  { weight: 2, arbitrary: grant },
  { weight: 1, arbitrary: restart },
);
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;
type Row = typeof row extends fc.Arbitrary<infer T> ? T : never;
type Fact = typeof fact extends fc.Arbitrary<infer T> ? T : never;
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const sum = (amounts: readonly bigint[]) => amounts.reduce((all, each) => all + each, 0n);

/** The price of each credit that is due; of what was used before the lane came here, the first. */
function duePrices({ lane, charged, settled }: Page): bigint[] {
  if (charged.length === 0) return [];
  const before = Array<bigint>(Number(BEFORE.get(lane)!)).fill(charged[0]!);
  return [...before, ...charged].slice(Number(settled));
}

async function openHistory() {
  const books = { ours: await openLedger(), plain: await openLedger() };
  let ours: SqliteLedger = books.ours.ledger;
  let plain: SqliteLedger = books.plain.ledger;
  plain.stopHolding();
  const pages: Page[] = [];
  const hands: Hand[] = [];
  const granted = PAYERS.map(() => 9);

  const viewFor = (payer: number): PayerView =>
    viewOf(BigInt(granted[payer]!), { settled: BEFORE, block: BLOCK });
  const pageOf = (payer: number, lane: number) =>
    pages.find((page) => page.payer === PAYERS[payer] && page.lane === LANES[lane]);
  const heldOn = (page: Page) => BigInt(hands.filter((hand) => hand.page === page).length);
  const chargedOn = ({ lane, charged }: Page) => BEFORE.get(lane)! + BigInt(charged.length);

  async function hold({ payer, lane, permit: number, credits, cid }: Call): Promise<void> {
    const id = { payer: PAYERS[payer]!, lane: LANES[lane]! };
    const price = PRICES[number]!;
    const wide = credits > 6n ? 1 : 0;
    const signature = signatureOf((payer * LANES.length + lane) * 4 + number * 2 + wide);
    const draw: Draw = drawOf({
      ...id,
      cid,
      price,
      permit: permitOf({ ...id, price, credits, signature }),
    });
    const view = viewFor(payer);
    const judged = await ours.judge(draw, view, "allowance");
    assert.deepEqual(judged, await plain.judge(draw, view, "allowance"));
    const [a, b] = await Promise.all(
      [ours, plain].map((each) => each.hold(draw, view, "allowance")),
    );
    if (!a!.payable || !b!.payable) return assert.deepEqual([a, b], [judged, judged]);
    assert.ok(judged.payable);
    const page = pageOf(payer, lane) ?? newPage(id);
    hands.push({ page, price, ours: a!, plain: b! });
    const standing = await ours.standing(draw, view);
    assert.deepEqual(standing, await plain.standing(draw, view));
    assert.equal(standing.charged, chargedOn(page) + 1n);
  }

  async function end(how: "charge" | "release", nth: number, run: RunFacts | null): Promise<void> {
    const [hand] = hands.splice(nth % hands.length, 1);
    if (!hand) return;
    if (how === "charge") hand.page.charged.push(hand.price);
    for (const [ledger, held] of [[ours, hand.ours], [plain, hand.plain]] as const) {
      if (how === "release") ledger.release(held, "internal");
      else await ledger.charge(held, "answered", run);
    }
  }

  async function callInRow({ payer, lane, calls }: Row): Promise<void> {
    for (let call = 0; call < calls; call++) {
      const before = hands.length;
      await hold({ do: "call", payer, lane, permit: 0, credits: 1_000n, cid: CID });
      if (hands.length > before) await end("charge", before, null);
    }
  }

  function newPage(id: LaneId): Page {
    const settled = BEFORE.get(id.lane)!;
    const page: Page = { ...id, charged: [], settled, settledBlock: 0n, refused: false };
    pages.push(page);
    return page;
  }

  async function tell({ payer, lane, kind, by, block }: Fact): Promise<void> {
    const id = { payer: PAYERS[payer]!, lane: LANES[lane]! };
    const page = pageOf(payer, lane);
    const at = (page ? chargedOn(page) : 0n) + by;
    const settled = at > 0n ? at : 0n;
    const fact: ChainFact = kind === "refused"
      ? { ...id, fact: kind, reason: "NoCredits", transaction: TRANSACTION }
      : { ...id, fact: kind, settled, block, transaction: TRANSACTION };
    await Promise.all([ours.record([fact]), plain.record([fact])]);
    if (!page) return;
    if (kind === "refused") page.refused = true;
    else if (kind === "level" || settled > page.settled) {
      Object.assign(page, { settled, settledBlock: block, refused: false });
    }
  }

  async function restart(): Promise<void> {
    await Promise.all([ours.close(), plain.close()]);
    [ours, plain] = [
      await openSqliteLedger(books.ours.options),
      await openSqliteLedger(books.plain.options),
    ];
    plain.stopHolding();
    hands.length = 0;
  }

  /** Figures of a ledger, as paper has them. */
  async function check(ledger: Ledger): Promise<void> {
    const { unsettled, held, preheld } = ledger.totals();
    const isOwed = ({ refused }: Page) => !refused;
    assert.equal(unsettled, sum(pages.filter(isOwed).flatMap(duePrices)));
    assert.equal(held - preheld, sum(hands.map(({ price }) => price)));
    const isDue = (page: Page) => !page.refused && duePrices(page).length > 0;
    const isUnsure = (page: Page) => page.refused || page.settledBlock > BLOCK;
    const namesOf = (of: readonly LaneId[]) => of.map(({ payer, lane }) => payer + lane).sort();
    const due = await ledger.due();
    assert.deepEqual(namesOf(due), namesOf(pages.filter(isDue)));
    const amounts = due.map(({ amount }) => amount);
    assert.equal(sum(amounts), sum(pages.filter(isDue).flatMap(duePrices)));
    for (const payer of PAYERS) {
      const own = pages.filter((page) => page.payer === payer && isDue(page));
      assert.deepEqual(namesOf(await ledger.dueOf(payer)), namesOf(own));
      const refused = pages.filter((page) => page.payer === payer && page.refused);
      assert.deepEqual(namesOf(await ledger.refused(payer)), namesOf(refused));
    }
    assert.deepEqual(namesOf(await ledger.unsure(BLOCK)), namesOf(pages.filter(isUnsure)));
    for (const page of pages) {
      assert.equal(await ledger.used(page, viewFor(0)), chargedOn(page) + heldOn(page));
    }
  }

  /** What depends on all that is held, for calls that are here. */
  async function checkPlain(): Promise<void> {
    const isLevel = (page: Page) => chargedOn(page) + heldOn(page) === page.settled;
    const refused = pages.filter((page) => page.refused);
    assert.deepEqual(await plain.figures(), {
      outstanding: pages.filter((page) => chargedOn(page) + heldOn(page) > page.settled).length,
      refused: refused.length,
      refusedAmount: sum(refused.flatMap(duePrices)),
    });
    for (const payer of PAYERS) {
      const own = pages.filter((page) => page.payer === payer);
      const { lanes, settledHere } = await plain.basis(payer, LANE, BLOCK);
      const isRead = (page: Page) =>
        page.lane === LANE || !isLevel(page) || page.settledBlock > BLOCK;
      const read = new Map<Hex, bigint | null>([[LANE, null]]);
      for (const page of own.filter(isRead)) read.set(page.lane, page.settled);
      assert.deepEqual(lanes, read);
      assert.equal(settledHere, sum(own.map(({ lane, settled }) => settled - BEFORE.get(lane)!)));
    }
  }

  return {
    async take(step: Step): Promise<void> {
      if (step.do === "call") await hold(step);
      else if (step.do === "row") await callInRow(step);
      else if (step.do === "fact") await tell(step);
      else if (step.do === "grant") granted[step.payer] = step.to;
      else if (step.do === "restart") await restart();
      else await end(step.do, step.nth, step.run);
    },
    async check(): Promise<void> {
      await check(ours);
      await check(plain);
      await checkPlain();
    },
    restart,
    async lanes(): Promise<(LaneState | undefined)[][]> {
      return await Promise.all(
        [ours, plain].map((ledger) => Promise.all(pages.map((page) => ledger.lane(page)))),
      );
    },
    preheld: () => ours.totals().preheld,
    async [Symbol.asyncDispose]() {
      await Promise.all([ours.close(), plain.close()]);
      await books.ours[Symbol.asyncDispose]();
      await books.plain[Symbol.asyncDispose]();
    },
  };
}

Deno.test("in any history the figures are those of paper, and holding ahead changes no answer", async () => {
  let preheld = 0n;
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 10, maxLength: 30, size: "max" }),
    async (steps) => {
      await using history = await openHistory();
      for (const each of steps) {
        await history.take(each);
        await history.check();
        preheld += history.preheld();
      }
      await history.restart();
      await history.check();
      const [ours, plain] = await history.lanes();
      assert.deepEqual(ours, plain);
    },
  );
  await fc.assert(property, { numRuns: 15 });
  assert.ok(preheld > 0n, "credits were held ahead");
});
