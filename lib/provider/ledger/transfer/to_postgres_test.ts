import assert from "node:assert/strict";
import {
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../../../worlds/fleet_database.ts";
import { assertBooks, openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import { inFolder } from "../../../../worlds/home.ts";
import {
  drawOf,
  holdOne,
  ID,
  RUN,
  sale,
  sell,
  TRANSACTION,
  viewOf,
} from "../../../../worlds/ledger.ts";
import {
  ledgerPath,
  linesFrom,
  sourceIn,
  WHOSE,
  writeExport,
} from "../../../../worlds/moved_ledger.ts";
import { beginSession, repeating } from "../../../../worlds/purchase_books.ts";
import { assertMigrated } from "../../fleet/migrations.ts";
import type { Entry } from "../entries.ts";
import { openStore } from "../store.ts";
import { PostgresSource, recoverFleet } from "./from_postgres.ts";
import { importLedger } from "./import.ts";
import { PostgresTarget } from "./to_postgres.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

function test(name: string, work: (file: string, world: FleetDatabase) => Promise<void>): void {
  Deno.test({
    name,
    ignore,
    fn: () =>
      inFolder(async (dir) => {
        await using world = await freshDatabase(SERVER!);
        await writeFile(dir, []);
        await work(`${dir}/file`, world);
      }),
  });
}

/** A file of a ledger with three charges, and what came behind them. */
async function writeFile(dir: string, more: readonly Entry[]): Promise<void> {
  await Deno.remove(ledgerPath(dir)).catch(() => {});
  const store = await openStore(ledgerPath(dir));
  const sales = [1, 2, 3].flatMap((number) => sale(number));
  await store.write([{ kind: "open", ...ID, charged: 0n }, ...sales, ...more], "disk");
  await store.close();
  const source = await sourceIn(dir);
  await writeExport(`${dir}/file`, source);
  await source.close();
}

test(
  "a fleet goes on where a lone provider ended, with numbers of its own",
  async (file, world) => {
    const { database } = world;
    await importLedger(file, new PostgresTarget(database), WHOSE);
    await using node = await openLedgerNode(database);
    const held = await holdOne(node.ledger, drawOf(), viewOf(1_000n));
    assert.equal(held.reservation, 2 ** 32 + 1);
    await node.ledger.charge(held, "answered", RUN);
    assert.equal((await node.ledger.receipted(held.reservation))?.facts.charged, 4n);
    assert.equal((await assertBooks(database)).charges, 4);
  },
);

test(
  "what was charged at several nodes goes back, and a next fleet's numbers are others",
  async (file, world) => {
    const { database } = world;
    await importLedger(file, new PostgresTarget(database), WHOSE);
    for (let life = 0; life < 3; life++) {
      await using node = await openLedgerNode(database);
      await sell(node.ledger, drawOf(), viewOf(1_000n));
    }
    await recoverFleet(database);
    const source = new PostgresSource(database);
    await writeExport(file, source);
    const lines = await linesFrom(source);
    await using next = await freshDatabase(SERVER!);
    await importLedger(file, new PostgresTarget(next.database), WHOSE);
    assert.deepEqual(await linesFrom(new PostgresSource(next.database)), lines);
    const last = Math.max(...lines.flatMap((line) => line[0] === "charge" ? line[1] : []));
    await using node = await openLedgerNode(next.database);
    const held = await holdOne(node.ledger, drawOf(), viewOf(1_000n));
    assert.ok(Math.floor(held.reservation / 2 ** 32) > Math.floor(last / 2 ** 32));
    await node.ledger.charge(held, "answered", null);
  },
);

test("an import whose every statement comes twice is the same", async (file, world) => {
  await importLedger(file, new PostgresTarget(repeating(world.database)), WHOSE);
  assert.equal((await assertBooks(world.database)).charges, 3);
});

test(
  "a ledger is not imported where there is one, nor beside a node that lives",
  async (file, world) => {
    const { database } = world;
    const live = { code: "access_denied", message: /serves/ };
    {
      await using _ = await openLedgerNode(database);
      await assert.rejects(importLedger(file, new PostgresTarget(database), WHOSE), live);
      await assert.rejects(recoverFleet(database), { code: "access_denied", message: /n1/ });
    }
    await importLedger(file, new PostgresTarget(database), WHOSE);
    const full = { code: "invalid_input", message: /there is a ledger at .* already/ };
    await assert.rejects(importLedger(file, new PostgresTarget(database), WHOSE), full);
  },
);

test(
  "where an import was killed no node begins, and the next one begins anew",
  async (file, world) => {
    const { database } = world;
    for (const step of ["put", "flush", "source", "commit"] as const) {
      const target = new PostgresTarget(database);
      const flush = target.flush.bind(target);
      const killed = () => {
        throw new Error("killed");
      };
      if (step === "put") {
        const put = target.put.bind(target);
        target.put = (line) => put(line).then(flush);
        target.flush = killed;
      } else target[step] = killed;
      await assert.rejects(importLedger(file, target, WHOSE), /killed/);
      const half = { code: "invalid_config", message: /half of one/ };
      await assert.rejects(assertMigrated(database), half);
      await assert.rejects(beginSession(database), /has not ended/);
    }
    await importLedger(file, new PostgresTarget(database), WHOSE);
    await assertMigrated(database);
    assert.equal((await assertBooks(database)).charges, 3);
  },
);

test("an import that another took the place of brings nothing more", async (file, world) => {
  const { database } = world;
  const first = new PostgresTarget(database);
  const commit = first.commit.bind(first);
  first.commit = async (header) => {
    await importLedger(file, new PostgresTarget(database), WHOSE);
    const overtaken = { code: "access_denied", message: /another import/ };
    await assert.rejects(first.flush(), overtaken);
    await commit(header);
  };
  await assert.rejects(importLedger(file, first, WHOSE), { message: /another import/ });
  assert.equal((await assertBooks(database)).charges, 3);
});

test(
  "a node that begins while a fleet's ledger is exported has the export fail",
  async (file, world) => {
    const { database } = world;
    await importLedger(file, new PostgresTarget(database), WHOSE);
    const lines = new PostgresSource(database).lines();
    await lines.next();
    await beginSession(database);
    await assert.rejects(async () => {
      for await (const _ of lines);
    }, { code: "access_denied" });
  },
);

test("what the escrow took ahead of its runs counts as used, and is told", async (file, world) => {
  const { database } = world;
  await inFolder(async (dir) => {
    const facts = { settled: 5n, block: 7n, transaction: TRANSACTION };
    await writeFile(dir, [{ kind: "settle", ...ID, ...facts }]);
    file = `${dir}/file`;
    const target = new PostgresTarget(database);
    const { sums } = await importLedger(file, target, WHOSE);
    assert.deepEqual([target.raised, sums.charged, sums.settled], [2n, "5", "5"]);
  });
  await assertBooks(database);
  await using node = await openLedgerNode(database);
  assert.equal((await node.ledger.lane(ID))!.charged, 5n);
  assert.deepEqual(await node.ledger.due(), []);
});
