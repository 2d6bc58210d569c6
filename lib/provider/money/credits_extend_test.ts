/** Holds of more than one credit: what each step leaves in the books, in any order of many runs. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  billFor,
  type CreditsDesk,
  LANE,
  NOW,
  openCreditsDesk,
  OTHER,
  PAYER,
  permit,
  PRICE,
  refusalOf,
} from "../../../worlds/chain/credits_desk.ts";
import { decodePaymentResponse, PAYMENT_RESPONSE_HEADER } from "../../payment_header.ts";
import { openSqliteLedger } from "../ledger/sqlite_ledger.ts";
import { CREDITS_LEFT_HEADER } from "../../credits_headers.ts";
import type { Hold } from "./scheme.ts";

const RUN = { requestHash: null, responseHash: "0x00", startedAt: NOW, durationMs: 1 } as const;

async function countsOf({ ledger }: CreditsDesk, lane = LANE): Promise<[bigint, bigint]> {
  const { charged, held } = (await ledger.lane({ payer: PAYER.address, lane }))!;
  return [charged, held];
}

Deno.test("a further credit is held ahead, charged when its time begins, and the first at the end", async () => {
  await using money = await openCreditsDesk(9n);
  const hold = await money.hold(billFor(await permit()));
  assert.deepEqual([await countsOf(money), hold.credits], [[0n, 1n], 1]);
  await hold.extend();
  assert.ok(money.ledger.store.isOnDisk(money.ledger.store.mark()), "on disk before its time");
  assert.deepEqual([await countsOf(money), hold.credits], [[0n, 2n], 1]);
  await hold.begin();
  assert.deepEqual([await countsOf(money), hold.credits], [[1n, 1n], 2]);
  await hold.extend();
  await hold.begin();
  await hold.extend();
  await hold.charge("answered", { ...RUN, credits: hold.credits });
  assert.deepEqual(await countsOf(money), [3n, 0n]);
  assert.equal(money.charges, 3, "settlement hears of each");
  const { facts } = (await money.ledger.receipted(hold.reservation))!;
  assert.deepEqual([facts.credits, facts.charged], [3, 3n]);
});

Deno.test("other calls' credits may lie between a run's, and the receipt's count is the last", async () => {
  await using money = await openCreditsDesk(9n);
  const own = await permit();
  const hold = await money.hold(billFor(own));
  await hold.extend();
  await hold.begin();
  await money.pay(own);
  await hold.charge("answered", { ...RUN, credits: 2 });
  const { facts } = (await money.ledger.receipted(hold.reservation))!;
  assert.equal(facts.charged, 3n);
});

Deno.test("what was used up stays charged when the run is released, and no more", async () => {
  await using money = await openCreditsDesk(9n);
  const hold = await money.hold(billFor(await permit()));
  await hold.extend();
  await hold.begin();
  await hold.extend();
  hold.release("shutdown");
  assert.deepEqual(await countsOf(money), [1n, 0n]);
});

Deno.test("a credit that is not needed is free again, also when it comes after the end", async () => {
  await using money = await openCreditsDesk(9n);
  const hold = await money.hold(billFor(await permit()));
  await hold.extend();
  hold.giveBack();
  hold.giveBack();
  await hold.begin();
  assert.deepEqual([await countsOf(money), hold.credits], [[0n, 1n], 1]);
  const late = hold.extend();
  await hold.charge("answered", null);
  await late;
  assert.deepEqual(await countsOf(money), [1n, 0n]);
});

Deno.test("no credit is taken beyond permit, allowance, deadline or the operator's room", async () => {
  const soon = BigInt(NOW / 1_000) + 121n;
  const refusals: [string, bigint, Parameters<typeof permit>[0], (money: CreditsDesk) => void][] = [
    ["used up", 9n, { credits: 1n }, () => {}],
    ["credits", 1n, {}, () => {}],
    ["deadline", 9n, { deadline: soon }, (money) => money.now += 5_000],
  ];
  for (const [why, allowed, changes, then] of refusals) {
    await using money = await openCreditsDesk(allowed);
    const hold = await money.hold(billFor(await permit(changes)));
    then(money);
    const error = await refusalOf(hold.extend());
    assert.match(error.message, new RegExp(why), why);
    assert.deepEqual(await countsOf(money), [0n, 1n]);
    await hold.charge("timeout", null);
    assert.deepEqual(await countsOf(money), [1n, 0n]);
  }
  await using money = await openCreditsDesk(9n);
  const hold = await money.hold(billFor(await permit()));
  money.operator = { expiry: 2n ** 63n, dailyCap: PRICE, spent: 0n, day: 0n };
  await assert.rejects(hold.extend(), { code: "overloaded" });
  hold.release("test");
});

Deno.test("a notice says what was charged by then, of how many, and what is left", async () => {
  await using money = await openCreditsDesk(9n);
  const hold = await money.hold(billFor(await permit()));
  const told = async () => {
    const fields = new Map(await hold.notice());
    const notice = decodePaymentResponse(fields.get(PAYMENT_RESPONSE_HEADER)!);
    const { chargedCredits, cumulativeCredits } = notice;
    return [chargedCredits, cumulativeCredits, fields.get(CREDITS_LEFT_HEADER)];
  };
  assert.deepEqual(await told(), [1n, 1n, "8"]);
  await hold.extend();
  await hold.begin();
  assert.deepEqual(await told(), [2n, 2n, "7"]);
  hold.release("test");
});

Deno.test("an owner's balance is noted anew with each credit", async () => {
  await using money = await openCreditsDesk(3n);
  const hold = await money.hold(billFor(await permit(), "owner"));
  await hold.extend();
  assert.deepEqual(money.notes.map(({ available }) => available), [2n, 1n]);
  hold.release("test");
});

const step = fc.record({
  do: fc.constantFrom("start", "start", "extend", "extend", "begin", "begin", "give back", "end"),
  lane: fc.nat(1),
  run: fc.nat(9),
  isCharged: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A run on paper. */
interface PaperRun {
  hold: Hold;
  lane: number;
  begun: bigint;
  isAhead: boolean;
}

const PERMIT_CREDITS = [6n, 4n];
const ALLOWED = 8n;

async function play(money: CreditsDesk, steps: readonly Step[]): Promise<bigint[]> {
  const permits = [
    await permit({ credits: PERMIT_CREDITS[0]! }),
    await permit({ credits: PERMIT_CREDITS[1]!, lane: OTHER }),
  ];
  const charged = [0n, 0n];
  const runs: PaperRun[] = [];
  const heldOn = (lane: number) =>
    runs.filter((run) => run.lane === lane)
      .reduce((sum, { isAhead }) => sum + 1n + (isAhead ? 1n : 0n), 0n);
  const hasRoom = (lane: number) =>
    charged[lane]! + heldOn(lane) < PERMIT_CREDITS[lane]! &&
    charged[0]! + charged[1]! + heldOn(0) + heldOn(1) < ALLOWED;
  for (const { do: what, lane, run: nth, isCharged } of steps) {
    const run = runs[nth % Math.max(1, runs.length)];
    if (what === "start") {
      const started = await money.hold(billFor(permits[lane]!)).catch(() => null);
      assert.equal(started !== null, hasRoom(lane), "a run starts where there is room");
      if (started) runs.push({ hold: started, lane, begun: 0n, isAhead: false });
    } else if (!run) continue;
    else if (what === "extend" && !run.isAhead) {
      const isTaken = await run.hold.extend().then(() => true, () => false);
      assert.equal(isTaken, hasRoom(run.lane), "a run goes on where there is room");
      run.isAhead = isTaken;
    } else if (what === "begin") {
      if (run.isAhead) charged[run.lane]! += 1n;
      run.isAhead = false;
      await run.hold.begin();
    } else if (what === "give back") {
      run.isAhead = false;
      run.hold.giveBack();
    } else if (what === "end") {
      runs.splice(runs.indexOf(run), 1);
      if (isCharged) {
        charged[run.lane]! += 1n;
        await run.hold.charge("answered", { ...RUN, credits: run.hold.credits });
      } else run.hold.release("test");
    }
    const { held, preheld } = money.ledger.totals();
    assert.equal(held - preheld, (heldOn(0) + heldOn(1)) * PRICE);
    assert.equal(money.ledger.totals().unsettled, (charged[0]! + charged[1]!) * PRICE);
  }
  return charged;
}

Deno.test("in any order of many runs' credits the books are those of paper, and after a crash too", async () => {
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 15, maxLength: 40, size: "max" }),
    async (steps) => {
      await using money = await openCreditsDesk(ALLOWED);
      const charged = await play(money, steps);
      await money.ledger.store.sync();
      // As the file is now, whatever of it is open: a start after a crash finds just that.
      const crashed = `${money.path}.crashed`;
      for (const part of ["", "-wal"]) {
        await Deno.copyFile(money.path + part, crashed + part).catch(() => {});
      }
      const ledger = await openSqliteLedger({ ...LEDGER_OPTIONS, path: crashed });
      for (const [index, lane] of [LANE, OTHER].entries()) {
        const found = await ledger.lane({ payer: PAYER.address, lane });
        assert.deepEqual([found?.charged ?? 0n, found?.held ?? 0n], [charged[index], 0n]);
      }
      await ledger.close();
    },
  );
  await fc.assert(property, { numRuns: 25 });
});

const LEDGER_OPTIONS = {
  now: () => NOW,
  settleWindowSeconds: () => 120n,
  thawingPeriodSeconds: 3_600n,
  operatorLimits: () => null,
};
