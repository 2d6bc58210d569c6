import assert from "node:assert/strict";
import fc from "fast-check";
import { zeroAddress } from "viem";
import {
  drawOf,
  ID,
  NOW,
  NOW_MS,
  OTHER_PAYER,
  PAYER,
  permitOf,
  SETTLE_WINDOW,
  SETTLING,
  signatureOf,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import { LANE_PERMITS_MAX } from "../../limits.ts";
import type { Permit } from "../../permit.ts";
import { judge, ownPermit } from "./judge.ts";
import { apply, type Book, emptyBook, type Entry, type Lane, laneOf } from "./journal.ts";
import { type KeptPermit, permitFor, type Terms, withPermit } from "./lane_permits.ts";
import { rowsOf } from "./rows.ts";

let made = 0;
function kept(changes: Partial<Permit>, signer = PAYER): KeptPermit {
  return { permit: permitOf({ signature: signatureOf(++made), ...changes }), signer };
}

const LONG = kept({ credits: 50n });
const SOON = kept({ credits: 51n, deadline: NOW + 125n });

Deno.test("a permit takes the place of one that it is as good as in everything", () => {
  const held = kept({ credits: 50n, deadline: 900n, price: 5n, epoch: 1 });
  const next = { credits: 50n, deadline: 900n, price: 5n, epoch: 1 };
  const kepts = (changes: Partial<Permit>) =>
    withPermit([held], kept({ ...next, ...changes }), { settled: 0n, promised: 50n })!.length;
  assert.equal(kepts({}), 1);
  assert.equal(kepts({ credits: 51n, deadline: 901n, price: 6n, epoch: 2 }), 1);
  for (const worse of [{ credits: 49n }, { deadline: 899n }, { price: 4n }, { epoch: 0 }]) {
    assert.equal(kepts(worse), 2, JSON.stringify(Object.keys(worse)));
  }
});

Deno.test("what is due by a lasting permit does not come to hang on one that ends soon", () => {
  const permits = withPermit([LONG], SOON, { settled: 0n, promised: 50n })!;
  const lane = { permits, settled: 0n, charged: 51n, segments: [{ upTo: 51n, price: 5n }] };
  assert.deepEqual(
    rowsOf(lane, null).map(({ charge }) => [charge.permit.signature, charge.credits]),
    [[LONG.permit.signature, 50n], [SOON.permit.signature, 51n]],
  );
});

Deno.test("there is room for one more when nothing rests on one of them, and else there is none", () => {
  const sooner = kept({ credits: 52n, deadline: NOW + 124n });
  assert.equal(LANE_PERMITS_MAX, 2);
  assert.equal(withPermit([LONG, SOON], sooner, { settled: 49n, promised: 51n }), null);
  assert.deepEqual(withPermit([LONG, SOON], sooner, { settled: 50n, promised: 51n }), [
    SOON,
    sooner,
  ]);
  assert.deepEqual(withPermit([LONG, SOON], sooner, { settled: 0n, promised: 50n }), [
    LONG,
    sooner,
  ]);
  const narrow = kept({ credits: 20n, deadline: NOW + 125n });
  const wide = kept({ credits: 30n, deadline: NOW + 126n });
  assert.deepEqual(
    withPermit([wide, narrow], sooner, { settled: 0n, promised: 51n }),
    [wide, sooner],
    "what it covers another does as well",
  );
});

Deno.test("only who signs now is believed, and an earlier version's permits say nothing of it", () => {
  const load = { settled: 0n, promised: 50n };
  const byOther = kept({ credits: 51n, deadline: 1n }, OTHER_PAYER);
  assert.deepEqual(withPermit([LONG, SOON], byOther, load), [byOther]);
  const unknown = { ...LONG, signer: null };
  assert.deepEqual(withPermit([unknown], SOON, load), [unknown, SOON]);
  assert.deepEqual(withPermit([LONG], { ...SOON, signer: null }, load)!.length, 1);
});

Deno.test("a credit is settled by the permit that the escrow takes longest as things stand", () => {
  const [old, young] = [
    kept({ epoch: 1, deadline: 900n, credits: 9n }),
    kept({ epoch: 2, deadline: 500n, credits: 20n }),
  ];
  const terms = { epoch: 1, epochEnd: 0n, signer: zeroAddress };
  const chosen = (terms: Terms | null, counter = 9n, price = 5n) =>
    permitFor([old, young], counter, price, terms)!.epoch;
  assert.equal(chosen(null), 1);
  assert.equal(chosen(terms), 1, "the other's epoch has not begun");
  assert.equal(chosen({ ...terms, epochEnd: 600n }), 1);
  assert.equal(chosen({ ...terms, epochEnd: 501n }), 2, "the escrow takes it until 500");
  assert.equal(chosen({ ...terms, epoch: 2 }), 2);
  assert.equal(chosen(terms, 10n), 2, "what it does not cover it does not settle");
  assert.equal(chosen(terms, 21n), 2, "what none covers the newest is tried with");
  assert.equal(chosen(terms, 9n, 6n), 2);
  const mixed = [kept({ deadline: 900n }, OTHER_PAYER), kept({ deadline: 500n })];
  const by = (signer: Terms["signer"]) =>
    permitFor(mixed, 1n, 5n, { epoch: 0, epochEnd: 0n, signer })!.deadline;
  assert.deepEqual([by(zeroAddress), by(PAYER), by(OTHER_PAYER)], [500n, 500n, 900n]);
  assert.equal(permitFor([], 1n, 5n, null), null);
  assert.equal(permitFor([old, young, LONG], 60n, 5n, null), LONG.permit, "the newest of three");
});

Deno.test("a permit of an epoch that is over, or not begun, comes after one that is taken", () => {
  const chosen = (epochs: number[], epochEnd: bigint, deadlines = [2_000n, 500n]) => {
    const permits = epochs.map((epoch, n) => kept({ epoch, deadline: deadlines[n]! }));
    return permitFor(permits, 1n, 5n, { epoch: 3, epochEnd, signer: zeroAddress })!.epoch;
  };
  assert.equal(chosen([2, 3], 900n), 3);
  assert.equal(chosen([4, 3], 0n), 3);
  assert.equal(chosen([5, 3], 900n), 3);
  // The escrow takes the one until 899.
  assert.equal(chosen([3, 4], 900n, [900n, 899n]), 4, "of two that end together the later epoch");
  assert.equal(chosen([4, 3], 900n, [898n, 900n]), 3);
  assert.equal(chosen([3, 4], 900n, [899n, 899n]), 4);
});

Deno.test("of two that the escrow takes as long the one that may last longer comes first", () => {
  const first = (...changes: Partial<Permit>[]) => {
    const permits = changes.map((each) => kept({ deadline: 900n, epoch: 1, ...each }));
    const chosen = [permits, permits.toReversed()].map((some) =>
      permitFor(some, 1n, 5n, { epoch: 1, epochEnd: 800n, signer: zeroAddress })
    );
    assert.equal(chosen[0], chosen[1]);
    return permits.findIndex(({ permit }) => permit === chosen[0]);
  };
  assert.equal(first({ deadline: 901n, credits: 10n }, { credits: 11n }), 0);
  assert.equal(first({ credits: 10n }, { credits: 11n }), 1);
});

Deno.test("permits that alternate are written once, as are those that grow", () => {
  for (const [one, other] of [[LONG, SOON], [SOON, LONG]] as const) {
    const history = openHistory();
    for (let call = 0; call < 40; call++) history.call((call % 2 === 0 ? one : other).permit);
    assert.equal(history.permitRows(), one === LONG ? 1 : 2);
  }
  const history = openHistory();
  for (let call = 1; call <= 40; call++) {
    history.call(kept({ credits: BigInt(call), deadline: NOW + 999n + BigInt(call) }).permit);
    assert.equal(history.lane()!.permits.length, 1);
  }
});

/** A lane as the ledger serves it, and until when what it promised could be settled. */
function openHistory() {
  const book: Book = emptyBook();
  const position = { book, preholds: { ofPayer: () => 0n, onLane: () => 0n, amount: () => 0n } };
  const view = viewOf(1_000_000n, { pricePerCredit: 99n });
  const hands: { reservation: number; until: bigint }[] = [];
  /** By its permit, of each credit that is used or held and not settled. */
  let promised: bigint[] = [];
  let rows = 0;
  const put = (entry: Entry) => apply(book, entry, NOW_MS);
  const lane = (): Lane | undefined => laneOf(book, ID.payer, ID.lane);

  function hold(permit: Permit): string {
    const draw = drawOf({ permit });
    const judged = judge(draw, view, position, SETTLING, "allowance");
    if (!judged.payable) return judged.refusal.reason;
    if (!lane()) put({ kind: "open", ...ID, charged: 0n });
    if (ownPermit(draw, view, position, SETTLING) === null) {
      put({ kind: "permit", ...ID, permit, signer: PAYER });
      rows += 1;
    }
    const reservation = book.nextReservation;
    put({ kind: "reserve", ...ID, reservation, cid: draw.cid, price: draw.price });
    hands.push({ reservation, until: permit.deadline });
    promised.push(permit.deadline);
    return "payable";
  }

  function end(kind: "charge" | "release", nth: number): void {
    const [hand] = hands.splice(nth % hands.length, 1);
    if (!hand) return;
    const { reservation, until } = hand;
    if (kind === "charge") return put({ kind, ...ID, reservation, outcome: "answered" });
    put({ kind, ...ID, reservation, reason: "test" });
    promised.splice(promised.indexOf(until), 1);
  }

  /** Until when each credit that is used or held can be settled. */
  function ends(): bigint[] {
    const found = lane();
    if (!found) return [];
    const charged = found.charged + found.held;
    const segments = [...found.segments, { upTo: charged, price: drawOf().price }];
    return rowsOf({ ...found, charged, segments }, view).flatMap(({ charge, fresh }) => {
      assert.ok(charge.credits <= charge.permit.credits, "no row goes beyond its permit");
      assert.ok(charge.price <= charge.permit.price, "nor above its price");
      return Array<bigint>(Number(fresh)).fill(charge.permit.deadline);
    });
  }

  return {
    lane,
    hold,
    end,
    ends,
    permitRows: () => rows,
    promised: () => byTime(promised),
    call(permit: Permit): void {
      hold(permit);
      end("charge", hands.length - 1);
    },
    settle(most: number): void {
      const { charged, settled } = lane() ?? { charged: 0n, settled: 0n };
      const credits = BigInt(most) < charged - settled ? BigInt(most) : charged - settled;
      // Credits are alike: what a permit settles is what could wait no longer than it lasts.
      for (const end of ends().slice(0, Number(credits))) {
        promised = byTime(promised);
        promised.splice(promised.findLastIndex((each) => each <= end), 1);
      }
      const to = { settled: settled + credits, block: 1n, transaction: TRANSACTION };
      if (credits > 0n) put({ kind: "settle", ...ID, ...to });
    },
  };
}

const step = fc.record({
  do: fc.constantFrom("hold", "hold", "hold", "charge", "charge", "release", "settle"),
  credits: fc.bigInt(1n, 12n),
  life: fc.bigInt(0n, 3n),
  price: fc.bigInt(5n, 6n),
  nth: fc.nat(5),
});

const byTime = (times: readonly bigint[]) =>
  times.toSorted((a, b) => Number(a > b) - Number(a < b));

Deno.test("in any history what is promised can be settled for as long as its permits lasted", () => {
  const seen = { payable: 0, earlier_longer: 0, two: 0 };
  const property = fc.property(
    fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
    (steps) => {
      const history = openHistory();
      for (const { do: what, credits, life, price, nth } of steps) {
        if (what === "hold") {
          const deadline = NOW + SETTLE_WINDOW + life * 10n;
          const answer = history.hold(kept({ credits, deadline, price }).permit);
          if (answer in seen) seen[answer as keyof typeof seen] += 1;
        } else if (what === "settle") history.settle(nth);
        else history.end(what, nth);
        if (history.lane()?.permits.length === 2) seen.two += 1;
        const [promised, ends] = [history.promised(), byTime(history.ends())];
        assert.equal(ends.length, promised.length, "every credit can be settled");
        for (const [index, end] of ends.entries()) {
          assert.ok(end >= promised[index]!, `${ends} < ${promised}`);
        }
      }
    },
  );
  fc.assert(property, { numRuns: 500 });
  assert.ok(Object.values(seen).every((count) => count > 0), JSON.stringify(seen));
});
