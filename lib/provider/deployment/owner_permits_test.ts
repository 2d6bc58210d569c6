import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import type { Hex } from "viem";
import { makeFolder } from "../../../worlds/home.ts";
import { permitOf } from "../../../worlds/ledger.ts";
import type { CidText } from "../../cid.ts";
import { UNPAID_RENEWALS_MAX } from "../../limits.ts";
import type { Permit } from "../../permit.ts";
import type { Deployment } from "./deployment.ts";
import { OwnerPermits } from "./owner_permits.ts";

const laneOf = (number: number): Hex => `0x${number.toString(16).padStart(64, "0")}`;

/** What its spec says. */
function deployment(permit: Permit): Deployment {
  return { cid: "bafytest" as CidText, entry: { permit } } as Deployment;
}

/** The store on `database`; `paid` are the lanes of deployments that were called. */
function open(database: DatabaseSync, paid: ReadonlySet<Hex> = new Set()): OwnerPermits {
  const registrations = { isDeploymentLane: (_: unknown, lane: Hex) => paid.has(lane) };
  let now = 0;
  return new OwnerPermits(database, registrations, () => now += 1);
}

Deno.test("the spec's permit pays until the owner signs another for its lane", () => {
  using database = new DatabaseSync(":memory:");
  const permits = open(database);
  const spec = permitOf({ lane: laneOf(1) });
  const other = permitOf({ lane: laneOf(2) });
  assert.equal(permits.of(deployment(spec)), spec);
  const renewed = permitOf({ lane: laneOf(1), epoch: 1 });
  permits.put(renewed);
  assert.equal(permits.of(deployment(spec)), renewed, "the very same object");
  assert.equal(permits.of(deployment(other)), other);
  const again = { ...renewed, epoch: 2 };
  permits.put(again);
  assert.equal(permits.of(deployment(spec)), again);
});

Deno.test("a renewed permit is there for the next process, whatever became of this one", async () => {
  await using folder = await makeFolder();
  const path = join(folder.dir, "deployments.db");
  using before = new DatabaseSync(path);
  const permits = open(before);
  const spec = permitOf({ lane: laneOf(1) });
  const renewed = permitOf({ lane: laneOf(1), epoch: 7, price: 9n });
  permits.put({ ...renewed, epoch: 6 });
  permits.put(renewed);
  // No close: the process is gone.
  using after = new DatabaseSync(path);
  assert.deepEqual(open(after).of(deployment(spec)), renewed);
});

Deno.test("a permit that could not be written down, or not its being unpaid, does not pay", () => {
  for (const table of ["permits", "unpaidPermits"]) {
    using database = new DatabaseSync(":memory:");
    const permits = open(database);
    const spec = permitOf({ lane: laneOf(1) });
    const rows = () =>
      ["permits", "unpaidPermits"].map((one) => database.prepare(`SELECT * FROM ${one}`).all());
    permits.put({ ...spec, epoch: 1 });
    const before = rows();
    database.exec(
      `CREATE TRIGGER full BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'full'); END`,
    );
    assert.throws(() => permits.put({ ...spec, epoch: 2 }));
    assert.equal(permits.of(deployment(spec)).epoch, 1);
    assert.equal(open(database).of(deployment(spec)).epoch, 1);
    assert.deepEqual(rows(), before, table);
  }
});

Deno.test("a permit waits for the disk", () => {
  using database = new DatabaseSync(":memory:");
  database.exec("PRAGMA synchronous = NORMAL");
  const levels: unknown[] = [];
  // The clock is asked in the midst of the writing.
  const permits = new OwnerPermits(database, { isDeploymentLane: () => true }, () => {
    levels.push(database.prepare("PRAGMA synchronous").get()!.synchronous);
    return 0;
  });
  permits.put(permitOf());
  const FULL = 2;
  assert.deepEqual(levels, [FULL]);
});

Deno.test("those that cost nobody a credit make room for each other, never what was paid for", () => {
  using database = new DatabaseSync(":memory:");
  const paid = new Set<Hex>([laneOf(0)]);
  const permits = open(database, paid);
  const renew = (number: number) => permits.put(permitOf({ lane: laneOf(number), epoch: 1 }));
  const isRenewed = (number: number, store = permits) =>
    store.of(deployment(permitOf({ lane: laneOf(number) }))).epoch === 1;
  database.exec("BEGIN");
  // Within one transaction SQLite takes no other level of safety; this test needs none.
  const exec = database.exec.bind(database);
  database.exec = (sql) => sql.startsWith("PRAGMA") ? undefined : exec(sql);
  for (let number = 0; number <= UNPAID_RENEWALS_MAX; number++) renew(number);
  assert.ok([0, 1, 2, UNPAID_RENEWALS_MAX].every((number) => isRenewed(number)));
  paid.add(laneOf(1));
  renew(UNPAID_RENEWALS_MAX + 1);
  renew(UNPAID_RENEWALS_MAX + 2);
  exec("COMMIT");
  for (const store of [permits, open(database, paid)]) {
    assert.deepEqual([0, 1, 2, 3].map((number) => isRenewed(number, store)), [
      true,
      true,
      false,
      true,
    ]);
  }
  const { rows } = database.prepare("SELECT count(*) AS rows FROM permits").get()!;
  assert.equal(rows, UNPAID_RENEWALS_MAX + 2);
});
