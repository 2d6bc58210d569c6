/**
 * Random histories of calls on one lane that run side by side, end in any order, are settled and
 * taken back by the chain, and of a process that dies: whoever was given a used-up permit in any of
 * them never gets a call for it.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  drawOf,
  ID,
  openLedger,
  permitOf,
  RUN,
  signatureOf,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { Permit } from "../../permit.ts";
import type { ChainFact, Held } from "./ledger.ts";
import { openSqliteLedger, type SqliteLedger } from "./sqlite_ledger.ts";

const call = fc.record({ do: fc.constant("call" as const), more: fc.bigInt(1n, 4n) });
const end = fc.record({
  do: fc.constantFrom("charge" as const, "charge" as const, "release" as const),
  nth: fc.nat(20),
  /** A charge that nobody waits for may be lost with the process. */
  isAwaited: fc.boolean(),
  run: fc.option(fc.constant(RUN)),
});
const fact = fc.record({
  do: fc.constant("fact" as const),
  fact: fc.constantFrom("settled" as const, "level" as const, "refused" as const),
  by: fc.bigInt(-3n, 1n),
});
const ask = fc.record({ do: fc.constant("ask" as const) });
const crash = fc.record({ do: fc.constant("crash" as const) });
const step = fc.oneof(
  { weight: 8, arbitrary: call },
  { weight: 8, arbitrary: end },
  { weight: 2, arbitrary: fact },
  { weight: 6, arbitrary: ask },
  { weight: 2, arbitrary: crash },
);
type End = typeof end extends fc.Arbitrary<infer T> ? T : never;
type Fact = typeof fact extends fc.Arbitrary<infer T> ? T : never;
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const VIEW = viewOf(1_000n);

/** The ledger's file as the operating system has it now. */
function copyNow(path: string): string {
  const copy = `${path}x`;
  for (const ending of ["", "-wal"]) Deno.copyFileSync(path + ending, copy + ending);
  return copy;
}

async function openHistory() {
  const opened = await openLedger();
  let ledger: SqliteLedger = opened.ledger;
  let path = opened.path;
  let permits = 0;
  let hands: Held[] = [];
  const ended: Promise<void>[] = [];
  /** Permits that were given out. */
  const given: Permit[] = [];

  async function hold(more: bigint): Promise<void> {
    const credits = await ledger.used(ID, VIEW) + more;
    const permit = permitOf({ credits, signature: signatureOf(++permits) });
    const held = await ledger.hold(drawOf({ permit }), VIEW, "allowance");
    if (held.payable) hands.push(held);
  }

  async function endOne({ do: how, nth, isAwaited, run }: End): Promise<void> {
    const [held] = hands.splice(nth % hands.length, 1);
    if (!held) return;
    if (how === "release") return ledger.release(held, "test");
    const charged = ledger.charge(held, "answered", run);
    ended.push(charged.catch(() => {}));
    if (isAwaited) await charged;
  }

  async function tell({ fact, by }: Fact): Promise<void> {
    const lane = await ledger.lane(ID);
    if (!lane) return;
    const settled = lane.charged + by > 0n ? lane.charged + by : 0n;
    const told: ChainFact = fact === "refused"
      ? { ...ID, fact, reason: "NoCredits", transaction: TRANSACTION }
      : { ...ID, fact, settled, block: 2n, transaction: TRANSACTION };
    await ledger.record([told]);
  }

  /** The process ends at once: another one finds what the operating system has. */
  async function die(): Promise<void> {
    const dead = ledger;
    path = copyNow(path);
    ledger = await openSqliteLedger({ ...opened.options, path });
    hands = [];
    await dead.close();
  }

  return {
    given,
    async take(step: Step): Promise<void> {
      if (step.do === "call") await hold(step.more);
      else if (step.do === "fact") await tell(step);
      else if (step.do === "crash") await die();
      else if (step.do === "ask") {
        const permit = await ledger.usedUp(ID);
        if (permit) given.push(permit);
      } else await endOne(step);
    },
    async check(): Promise<void> {
      for (const permit of given) {
        assert.ok((await ledger.lane(ID))!.charged >= permit.credits);
        for (const source of ["allowance", "prepaid"] as const) {
          const judgement = await ledger.judge(drawOf({ permit }), VIEW, source);
          assert.ok(!judgement.payable, `a permit for ${permit.credits} was given out, and pays`);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await ledger.close();
      await Promise.all(ended);
      await opened[Symbol.asyncDispose]();
    },
  };
}

Deno.test("in any history a permit that was given out as used up pays for nothing after", async () => {
  let given = 0;
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 10, maxLength: 40, size: "max" }),
    async (steps) => {
      await using history = await openHistory();
      for (const each of steps) {
        await history.take(each);
        await history.check();
      }
      given += history.given.length;
    },
  );
  await fc.assert(property, { numRuns: 25 });
  assert.ok(given > 0, "permits were given out");
});

Deno.test("a permit is given out once no end of the process can undo its last charge", async () => {
  await using opened = await openLedger();
  const { ledger, path, options } = opened;
  const permit = permitOf({ credits: 1n });
  const held = await ledger.hold(drawOf({ permit }), VIEW, "allowance");
  assert.ok(held.payable);
  const charged = ledger.charge(held, "answered", null);
  assert.deepEqual(await ledger.usedUp(ID), permit);
  const next = await openSqliteLedger({ ...options, path: copyNow(path) });
  assert.equal((await next.lane(ID))?.charged, 1n);
  await next.close();
  await charged;
});

Deno.test("without anything held the count is proved to its last credit", async () => {
  await using opened = await openLedger();
  const { ledger } = opened;
  for (const credits of [1n, 2n, 3n]) {
    const permit = permitOf({ credits, signature: signatureOf(Number(credits)) });
    const held = await ledger.hold(drawOf({ permit }), VIEW, "allowance");
    assert.ok(held.payable);
    await ledger.charge(held, "answered", null);
    assert.deepEqual(await ledger.usedUp(ID), permit);
  }
  await ledger.close();
  const again = await openSqliteLedger(opened.options);
  assert.equal((await again.usedUp(ID))?.credits, 3n, "a restart knows it too");
  await again.close();
});
