/** Random histories of a provider of one process, moved to PostgreSQL and back. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import type { Hex } from "viem";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { assertBooks, openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import { makeFolder } from "../../../../worlds/home.ts";
import {
  CID,
  drawOf,
  LANE,
  NOW_MS,
  OTHER_CID,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  RUN,
  SETTLE_WINDOW,
  signatureOf,
  THAWING_PERIOD,
  THIRD_LANE,
  TRANSACTION,
  viewOf,
} from "../../../../worlds/ledger.ts";
import {
  ledgerPath,
  readExport,
  sourceIn,
  targetIn,
  WHOSE,
  writeExport,
} from "../../../../worlds/moved_ledger.ts";
import { ASSET, BLOCK, idOf, orderOf, RICH, TX } from "../../../../worlds/purchase_books.ts";
import { SqliteIdempotency } from "../../call/sqlite_idempotency.ts";
import type { Database } from "../../fleet/database.ts";
import { assertMigrated } from "../../fleet/migrations.ts";
import { proveJournal } from "../archive/proof.ts";
import type { ChainFact, DueLane, Ledger } from "../ledger.ts";
import { Purchases } from "../purchases.ts";
import { openSqliteLedger } from "../sqlite_ledger.ts";
import { placesIn } from "./from_sqlite.ts";
import { importLedger } from "./import.ts";
import { PostgresSource } from "./from_postgres.ts";
import { PostgresTarget } from "./to_postgres.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

const PAYERS = [PAYER, OTHER_PAYER];
const LANES: readonly Hex[] = [LANE, OTHER_LANE, THIRD_LANE];
const PRICES = [5n, 3n];
const OUTCOMES = ["answered", "failed"] as const;

const lane = { payer: fc.nat(1), lane: fc.nat(2) };
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("call" as const),
      ...lane,
      price: fc.nat(1),
      cid: fc.constantFrom(CID, OTHER_CID),
      outcome: fc.constantFrom(...OUTCOMES),
      end: fc.constantFrom("receipt", "receipt", "charge", "charge", "release", "leave"),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("fact" as const),
      ...lane,
      fact: fc.constantFrom("settled" as const, "settled" as const, "level", "refused"),
      by: fc.bigInt(-3n, 1n),
      block: fc.bigInt(1n, 9n),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(9_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("purchase" as const),
      nonce: fc.nat(9),
      until: fc.nat(4),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("key" as const), key: fc.nat(9), lost: fc.boolean() }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const history = fc.array(step, { maxLength: 60, size: "max" });

function openBooks(book: string, clock: () => number) {
  const places = placesIn(book);
  const open = () =>
    openSqliteLedger({
      path: places.ledger,
      now: clock,
      settleWindowSeconds: () => SETTLE_WINDOW,
      thawingPeriodSeconds: THAWING_PERIOD,
      operatorLimits: () => null,
    });
  const { purchases: path } = places;
  const purchases = new Purchases({ path, chainId: WHOSE.chainId, asset: ASSET, now: clock });
  const answers = new SqliteIdempotency({
    path: places.answers,
    wasCharged: () => true,
    now: clock,
  });
  return { open, purchases, answers };
}

/** What a provider did until it was stopped, or killed where a run was under way. */
async function play(book: string, steps: readonly Step[]): Promise<void> {
  let now = NOW_MS;
  const { open, purchases, answers } = openBooks(book, () => now);
  let ledger = await open();
  let reservation = 1;
  for (const each of steps) {
    if (each.do === "restart") {
      await ledger.close();
      ledger = await open();
    } else if (each.do === "wait") now += each.ms;
    else if (each.do === "call") reservation = await call(ledger, each) ?? reservation;
    else if (each.do === "fact") await ledger.record(await factOf(ledger, each));
    else if (each.do === "purchase") await buy(purchases, each.nonce, each.until);
    else {
      const key = { id: new Uint8Array([each.key]), payer: PAYER };
      const taken = await answers.take(key as never, new Uint8Array([7])).catch(() => null);
      if (taken === null || !("claim" in taken)) continue;
      const answer = { status: 200, headers: [["a", "\u0000ü"]], body: new Uint8Array([each.key]) };
      const lost = { why: "it was too long" };
      await taken.claim.store(each.lost ? lost : answer as never, reservation);
      await taken.claim.end();
    }
  }
  await ledger.close();
  purchases.close();
  answers.close();
}

type Of<Do> = Extract<Step, { do: Do }>;

function drawFor({ payer, lane, price: at, cid }: Omit<Of<"call">, "do" | "outcome" | "end">) {
  const id = { payer: PAYERS[payer]!, lane: LANES[lane]! };
  const price = PRICES[at]!;
  const signature = signatureOf((payer * 3 + lane) * 2 + at);
  const credits = at === 0 ? 9n : 1_000n;
  return drawOf({ ...id, cid, price, permit: permitOf({ ...id, price, credits, signature }) });
}

/** @returns the number of the credit; null: it was refused */
async function call(ledger: Ledger, { outcome, end, ...of }: Of<"call">): Promise<number | null> {
  const draw = drawFor(of);
  const held = await ledger.hold(draw, viewOf(40n), "allowance");
  if (!held.payable) return null;
  if (end === "release") ledger.release(held, "internal");
  else if (end !== "leave") {
    await ledger.charge(held, outcome, end === "receipt" ? { ...RUN, requestHash: TX } : null);
  }
  return held.reservation;
}

async function factOf(
  ledger: Ledger,
  { payer, lane, fact, by, block }: Of<"fact">,
): Promise<ChainFact[]> {
  const id = { payer: PAYERS[payer]!, lane: LANES[lane]! };
  const known = await ledger.lane(id);
  if (!known) return [];
  if (fact === "refused") {
    return [{ ...id, fact, reason: "NoCredits", transaction: TRANSACTION }];
  }
  const settled = known.charged + by;
  return [{ ...id, fact, settled: settled > 0n ? settled : 0n, block, transaction: TRANSACTION }];
}

async function buy(purchases: Purchases, nonce: number, until: number): Promise<void> {
  const key = nonce % 2 === 0 ? null : new Uint8Array([nonce]);
  const ordered = await purchases.order(orderOf(nonce + 1, { key }), RICH);
  if ("refusal" in ordered) return;
  const id = idOf(ordered);
  if (until > 0) await purchases.sending(id);
  if (until > 1) purchases.sent(id, TX);
  if (until > 2) await purchases.paid(id, TX, BLOCK);
  if (until > 3) await purchases.answered(id, "answered", RUN);
  purchases.letGo(id);
}

const sorted = (lines: readonly string[]) => [...lines].sort();

/** What is due, as a settler plans by it. */
async function dueOf(ledger: Pick<Ledger, "due">): Promise<DueLane[]> {
  const due = await ledger.due();
  return due.sort((one, other) => one.payer + one.lane < other.payer + other.lane ? -1 : 1);
}

async function dueIn(book: string): Promise<DueLane[]> {
  const { open, purchases, answers } = openBooks(book, () => NOW_MS);
  purchases.close();
  answers.close();
  const ledger = await open();
  const due = await dueOf(ledger);
  await ledger.close();
  return due;
}

async function dueInFleet(database: Database): Promise<DueLane[]> {
  await using node = await openLedgerNode(database);
  return await dueOf(node.ledger);
}

/** A database of its own, as a fleet has it that never served. */
async function clear(database: Database): Promise<void> {
  await database.script(`
    TRUNCATE khachapuri.accounts, khachapuri.lanes, khachapuri.holds, khachapuri.journal,
      khachapuri.answers, khachapuri.answers_kept, khachapuri.purchases, khachapuri.imports,
      khachapuri.sessions RESTART IDENTITY
  `);
}

Deno.test({
  name: "what a lone provider knows goes to a fleet and back, and each line is the same",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        await using folder = await makeFolder();
        const [book, other] = ["book", "other"].map((name) => join(folder.dir, name)) as [
          string,
          string,
        ];
        await Promise.all([book, other].map((dir) => Deno.mkdir(dir)));
        const [first, second, third] = ["1", "2", "3"].map((name) => join(folder.dir, name));
        await clear(database);
        await play(book, steps);
        const due = await dueIn(book);

        const source = await sourceIn(book);
        await writeExport(first!, source);
        await source.close();
        const target = new PostgresTarget(database);
        await importLedger(first!, target, WHOSE);
        await assertMigrated(database);
        await assertBooks(database);
        const there = new PostgresSource(database);
        await writeExport(second!, there);
        const [one, two] = [await readExport(first!), await readExport(second!)];
        if (target.raised === 0n) assert.deepEqual(sorted(two.lines), sorted(one.lines));

        assert.deepEqual(await dueInFleet(database), due);
        await importLedger(second!, targetIn(other), WHOSE);
        const back = await sourceIn(other);
        await writeExport(third!, back);
        await back.close();
        assert.deepEqual((await readExport(third!)).lines, two.lines);
        assert.deepEqual(await dueIn(other), due);
        await proveJournal(ledgerPath(other));
      }),
      { numRuns: 12 },
    );
  },
});
