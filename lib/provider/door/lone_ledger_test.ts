import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../../worlds/fleet_database.ts";
import { inFolder } from "../../../worlds/home.ts";
import { ID, sale } from "../../../worlds/ledger.ts";
import { WHOSE, writeExport } from "../../../worlds/moved_ledger.ts";
import { openStore } from "../ledger/store.ts";
import { placesIn, recoverLedger, SqliteSource } from "../ledger/transfer/from_sqlite.ts";
import { importLedger } from "../ledger/transfer/import.ts";
import { PostgresTarget } from "../ledger/transfer/to_postgres.ts";
import { tellLoneLedger } from "./lone_ledger.ts";

const SERVER = await startFleetServer();

/** A fleet's database, and a folder for the books that a node had before. */
function test(name: string, work: (book: string, world: FleetDatabase) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    fn: () =>
      inFolder(async (book) => {
        await using world = await freshDatabase(SERVER!);
        await work(book, world);
      }),
  });
}

async function writeLedger(book: string, sales: number): Promise<void> {
  const store = await openStore(join(book, "ledger.db"));
  const entries = Array.from({ length: sales }, (_, number) => sale(number + 1)).flat();
  if (sales > 0) await store.write([{ kind: "open", ...ID, charged: 0n }, ...entries], "disk");
  await store.close();
}

test(
  "a node that never had a ledger, or an empty one, has none to bring",
  async (book, { database }) => {
    assert.equal(await tellLoneLedger(book, database), null);
    await writeLedger(book, 0);
    assert.equal(await tellLoneLedger(book, database), null);
  },
);

test(
  "a ledger from before is told of with what brings it, until it is imported",
  async (book, { database }) => {
    await writeLedger(book, 2);
    const look = await tellLoneLedger(book, database);
    assert.match(look!.detail, /ledger\.db was never imported into .*: what is due there is not/);
    assert.match(
      look!.hints[0]!,
      /ledger export FILE --store sqlite; khachapuri ledger import FILE/,
    );
    assert.match(look!.hints[1]!, /mv .*ledger\.db\* .*earlier$/);
    const places = placesIn(book);
    await recoverLedger(places.ledger);
    const source = new SqliteSource(places);
    await writeExport(join(book, "file"), source);
    await source.close();
    await importLedger(join(book, "file"), new PostgresTarget(database), WHOSE);
    assert.equal(await tellLoneLedger(book, database), null);
  },
);

test(
  "where the fleet has charged by a ledger of its own, no import is told of",
  async (book, { database }) => {
    await writeLedger(book, 1);
    await database.ask("SELECT open_1('0xpayer', '0xlane', 0)");
    const look = await tellLoneLedger(book, database);
    assert.match(look!.hints[0]!, /takes no other: without ledger\.postgres and fleet/);
  },
);

test("a file that cannot be read may be a ledger", async (book, { database }) => {
  await Deno.writeTextFile(join(book, "ledger.db"), "no database".repeat(99));
  assert.match((await tellLoneLedger(book, database))!.detail, /never imported/);
});
