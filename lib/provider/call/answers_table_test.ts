import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import type { Address } from "viem";
import { IDEMPOTENCY_WINDOW_MS } from "../../limits.ts";
import { AnswersTable, OLDEST_BODIES } from "./answers_table.ts";

const MOST = { answers: 30, bytes: 3_000 };
const FINGERPRINT = new Uint8Array([1]);

const payerOf = (number: number) => `0x${String(number).padStart(40, "0")}` as Address;
const idOf = (number: number) => new Uint8Array([number >> 8, number & 255]);
const placeOf = (key: number, payer: Address) => (
  { id: idOf(key), payer, fingerprint: FINGERPRINT, reservation: key }
);
const bodyOf = (bytes: number) => (
  { status: 200, headers: "[]", body: new Uint8Array(bytes) }
);

/** What the database counts, and what there is. */
function countsOf(database: DatabaseSync) {
  const kept = database.prepare("SELECT payer, answers, bytes FROM kept ORDER BY payer").all();
  const there = database.prepare(`
    SELECT '' AS payer, COUNT(*) AS answers, TOTAL(bytes) AS bytes FROM answers
    UNION ALL SELECT payer, COUNT(*), SUM(bytes) FROM answers GROUP BY payer ORDER BY payer
  `).all();
  return { kept: kept.map((row) => ({ ...row })), there: there.map((row) => ({ ...row })) };
}

type Step =
  | { do: "put"; key: number; payer: number; bytes: number | null }
  | { do: "drop"; key: number }
  | { do: "wait"; ms: number }
  | { do: "open" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      key: fc.nat(99),
      payer: fc.integer({ min: 1, max: 4 }),
      bytes: fc.option(fc.nat(900)),
    }),
  },
  fc.record({ do: fc.constant("drop" as const), key: fc.nat(99) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat(IDEMPOTENCY_WINDOW_MS / 4) }),
  fc.constant({ do: "open" as const }),
);

Deno.test("counts are those of what is kept, and all together stays within its bounds", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      using database = new DatabaseSync(":memory:");
      let table = new AnswersTable(database, MOST);
      let now = 1_000_000_000_000;
      for (const each of steps) {
        if (each.do === "open") table = new AnswersTable(database, MOST);
        else if (each.do === "wait") now += each.ms;
        else if (each.do === "drop") table.drop(idOf(each.key));
        else {
          const payer = payerOf(each.payer);
          const isRoom = table.roomAt(payer, now) === null;
          const answer = each.bytes === null ? { why: "none" } : bodyOf(each.bytes);
          if (isRoom) table.put(placeOf(each.key, payer), answer, now);
        }
        const { kept, there } = countsOf(database);
        assert.deepEqual(kept, there);
        const all = kept[0] as unknown as { answers: number; bytes: number };
        assert.ok(all.answers <= MOST.answers && all.bytes <= MOST.bytes, JSON.stringify(all));
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("what an earlier release has kept is counted as answers come, and not twice", () => {
  using database = new DatabaseSync(":memory:");
  database.exec(`
    CREATE TABLE answers (
      id BLOB PRIMARY KEY, payer TEXT NOT NULL, fingerprint BLOB NOT NULL,
      reservation INTEGER NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL,
      status INTEGER, headers TEXT, body BLOB, why TEXT
    ) STRICT
  `);
  const insert = database.prepare(
    "INSERT INTO answers VALUES (?, ?, x'01', ?, ?, 7, 200, '[]', x'0102030405', NULL)",
  );
  const now = 1_000_000_000_000;
  for (let key = 0; key < 1_000; key++) insert.run(idOf(key), payerOf(key % 3), key, now);
  const table = new AnswersTable(database);
  // The last row's number is given again: its answer is counted where it was left out.
  table.drop(idOf(999));
  table.drop(idOf(2));
  for (let key = 1_000; key < 1_010; key++) {
    table.put(placeOf(key, payerOf(key % 3)), bodyOf(key), now);
  }
  const { kept, there } = countsOf(database);
  assert.deepEqual(kept, there);
  assert.equal(kept[0]!.answers, 1_008);
});

Deno.test("a payer takes what is free and no more, so that there is room for who comes next", () => {
  using database = new DatabaseSync(":memory:");
  const table = new AnswersTable(database, MOST);
  const now = 1_000_000_000_000;
  const fill = (payer: Address, from: number) => {
    let put = 0;
    for (; table.roomAt(payer, now) === null; put++) {
      table.put(placeOf(from + put, payer), bodyOf(100), now + put);
    }
    return put;
  };
  const bytesOf = (payer: Address) =>
    database.prepare("SELECT bytes FROM kept WHERE payer = ?").get(payer)!.bytes as number;
  assert.equal(fill(payerOf(1), 0), 15);
  assert.ok(bytesOf(payerOf(1)) <= MOST.bytes / 2);
  assert.equal(table.roomAt(payerOf(1), now), now + IDEMPOTENCY_WINDOW_MS);
  assert.equal(fill(payerOf(2), 100), 8);
  assert.equal(fill(payerOf(3), 200), 4);
  // They come to an end with their window, and then there is room again.
  assert.equal(table.roomAt(payerOf(1), now + IDEMPOTENCY_WINDOW_MS + 100), null);
});

Deno.test("an answer larger than what its payer may take is not kept, and says so", () => {
  using database = new DatabaseSync(":memory:");
  const table = new AnswersTable(database, MOST);
  table.put(placeOf(1, payerOf(1)), bodyOf(2_900), 1);
  const row = table.find(idOf(1));
  assert.deepEqual([row?.status, row?.body, row?.why], [null, null, "there was no room for it"]);
});

Deno.test("a payer at its bound reads no more rows, however many it has", () => {
  using database = new DatabaseSync(":memory:");
  const table = new AnswersTable(database, { answers: 10_000, bytes: 4_000 });
  const plan = database.prepare(`EXPLAIN QUERY PLAN ${OLDEST_BODIES}`).all("x")
    .map(({ detail }) => String(detail));
  assert.ok(plan.some((each) => /USING INDEX answers_by_payer \(payer=\? AND at>\?\)/.test(each)));
  const payer = payerOf(1);
  for (let key = 0; key < 500; key++) table.put(placeOf(key, payer), bodyOf(100), key);
  const from = database.prepare("SELECT bodiesFrom FROM kept WHERE payer = ?").get(payer);
  const emptied = database.prepare("SELECT COUNT(*) AS n FROM answers WHERE bytes = 0").get();
  assert.ok((from!.bodiesFrom as number) >= (emptied!.n as number) - 1);
});
