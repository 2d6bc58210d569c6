import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { type Address, getAddress, type Hex } from "viem";
import { CID, ID, TRANSACTION } from "../../../worlds/ledger.ts";
import type { CidText } from "../../cid.ts";
import { UINT128_MAX, UINT64_MAX } from "../../permit.ts";
import { OUTCOMES } from "../../receipt.ts";
import {
  COLUMNS,
  fromRow,
  IS_RECEIPTED,
  type Recorded,
  type Row,
  SCHEMA,
  type StoredRow,
  toRow,
} from "./codec.ts";
import type { Entry } from "./journal.ts";

/** A table in memory. */
function openTable() {
  const database = new DatabaseSync(":memory:");
  database.exec(SCHEMA);
  const insert = database.prepare(`INSERT INTO journal (${COLUMNS}) VALUES (?,?,?,?,?,?,?,?)`);
  const rows = (where = "TRUE") =>
    database.prepare(`SELECT * FROM journal WHERE ${where} ORDER BY seq`)
      .all() as unknown as StoredRow[];
  return {
    insert: (row: Row) => void insert.run(...row),
    read: (where?: string): Recorded[] => rows(where).map(fromRow),
    [Symbol.dispose]: () => database.close(),
  };
}

const hex = (bytes: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes })
    .map((given): Hex =>
      `0x${[...given].map((each) => each.toString(16).padStart(2, "0")).join("")}`
    );
const address = hex(20).map((text): Address => getAddress(text));
const counter = fc.bigInt(0n, UINT128_MAX);
const reservation = fc.nat();
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const cid = fc.constantFrom(CID, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")
  .map((text) => text as CidText);
/** Also what another column's text looks like. No NUL: node:sqlite reads a text up to the first. */
const reason = fc.oneof(
  fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", "")),
  fc.constantFrom("", "[", "[1]", "null"),
);
const lane = { payer: address, lane: hex(32) };
/** Records without a prototype are none that are written. */
const PLAIN = { noNullPrototype: true } as const;

const facts = fc.record({
  cid,
  price: counter,
  charged: counter,
  requestHash: fc.option(hex(32)),
  responseHash: hex(32),
  startedAt: count,
  durationMs: count,
  credits: fc.integer({ min: 1, max: 10_000 }),
}, PLAIN);

const permit = fc.record({
  payer: address,
  provider: address,
  lane: hex(32),
  price: counter,
  credits: counter,
  deadline: fc.bigInt(0n, UINT64_MAX),
  epoch: fc.nat(2 ** 32 - 1),
  signature: hex(65),
}, PLAIN);

const KINDS: { readonly [Kind in Entry["kind"]]: fc.Arbitrary<Extract<Entry, { kind: Kind }>> } = {
  open: fc.record({ kind: fc.constant("open"), ...lane, charged: counter }, PLAIN),
  permit: fc.record({ kind: fc.constant("permit"), ...lane, permit }, PLAIN),
  reserve: fc.record(
    { kind: fc.constant("reserve"), ...lane, reservation, cid, price: counter },
    PLAIN,
  ),
  charge: fc.record({
    kind: fc.constant("charge"),
    ...lane,
    reservation,
    outcome: fc.constantFrom(...OUTCOMES),
    facts,
  }, { ...PLAIN, requiredKeys: ["kind", "payer", "lane", "reservation", "outcome"] }),
  release: fc.record({ kind: fc.constant("release"), ...lane, reservation, reason }, PLAIN),
  settle: fc.record({
    kind: fc.constant("settle"),
    ...lane,
    settled: counter,
    block: fc.bigInt(0n, UINT64_MAX),
    transaction: fc.option(hex(32)),
  }, PLAIN),
  skip: fc.record({
    kind: fc.constant("skip"),
    ...lane,
    charged: counter,
    reason,
    transaction: hex(32),
  }, PLAIN),
};

for (const [kind, entry] of Object.entries<fc.Arbitrary<Entry>>(KINDS)) {
  Deno.test(`an entry of the kind ${kind} is read as it was written`, () => {
    using table = openTable();
    let seq = 0;
    fc.assert(fc.property(entry, fc.nat({ max: 8.64e15 }), (written, at) => {
      table.insert(toRow(written, at));
      seq += 1;
      assert.deepEqual(table.read(`seq = ${seq}`), [{ ...written, seq, at: new Date(at) }]);
    }));
  });
}

Deno.test("in SQL a charge with a receipt is told from every other entry", () => {
  using table = openTable();
  const any = fc.oneof(...Object.values<fc.Arbitrary<Entry>>(KINDS));
  const entries = fc.sample(any, 300);
  for (const entry of entries) table.insert(toRow(entry, 0));
  const receipted = entries.filter((entry) => entry.kind === "charge" && entry.facts);
  assert.ok(receipted.length > 0);
  const found = table.read(IS_RECEIPTED).map(({ seq: _seq, at: _at, ...entry }) => entry);
  assert.deepEqual(found, receipted);
});

/** A row as SQLite would give it back. */
function storedRow(changes: Partial<StoredRow>): StoredRow {
  return {
    seq: 7,
    at: 1_000,
    kind: "charge",
    ...ID,
    reservation: 4,
    deployment: CID,
    amount: "5",
    detail: null,
    ...changes,
  };
}

Deno.test("a charge of a version that kept less of a run is a charge without a receipt", () => {
  const run = ["12", null, TRANSACTION, 1_700_000_000_000, 40];
  const older = storedRow({ detail: JSON.stringify(["timeout", ...run]) });
  const outcome = "timeout";
  const charge = { kind: "charge", ...ID, reservation: 4, outcome, seq: 7, at: new Date(1_000) };
  assert.deepEqual(fromRow(older), charge);
});

Deno.test("a receipt of a version whose runs took one credit says so", () => {
  const run = ["12", null, TRANSACTION, 1_700_000_000_000, 40, CID, "5"];
  const older = fromRow(storedRow({ detail: JSON.stringify(["answered", ...run]) }));
  assert.equal(older.kind === "charge" && older.facts?.credits, 1);
});

Deno.test("a row that is none of ours is not passed over", () => {
  const broken: Partial<StoredRow>[] = [
    { kind: "refund" as "charge" },
    { kind: "permit", detail: "{}" },
    { kind: "settle", detail: "0x00" },
    { kind: "open", amount: "many" },
    { kind: "charge", detail: "[" },
  ];
  for (const changes of broken) assert.throws(() => fromRow(storedRow(changes)), changes.kind);
});
