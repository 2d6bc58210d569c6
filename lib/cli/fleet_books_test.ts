/** Commands that look at a fleet's books, or act on them, on a machine whose node does not run. */
import assert from "node:assert/strict";
import { join } from "node:path";
import {
  beginSession,
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../worlds/fleet_database.ts";
import { runIn } from "../../worlds/home.ts";
import { ID, sale } from "../../worlds/ledger.ts";
import { openProviderHome, type ProviderHome } from "../../worlds/provider_home.ts";
import { makeFolders } from "../files.ts";
import { openStore } from "../provider/ledger/store.ts";
import { readSharedOutbox } from "../provider/settlement/postgres_outbox_store.ts";

const SERVER = await startFleetServer();

/** A node's home, with the books that it had when it was alone, which owe three credits. */
function test(
  name: string,
  work: (home: ProviderHome, world: FleetDatabase) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      await using home = await openProviderHome();
      await home.write({
        fleet: { node: "n1", listen: "127.0.0.1:8401" },
        ledger: { postgres: world.uri },
      });
      const book = join(home.dir, "state", "book");
      await makeFolders(book, 0o700);
      const store = await openStore(join(book, "ledger.db"));
      await store.write([{ kind: "open", ...ID, charged: 0n }, ...sale(1), ...sale(2)], "disk");
      await store.close();
      await work(home, world);
    },
  });
}

/** A lane that owes so much, USDC base units. */
async function owe({ database }: FleetDatabase, amount: number): Promise<void> {
  await database.ask("SELECT open_1('0xpayer', '0xlane', 0)");
  await database.ask("UPDATE lanes SET due = true, owed = $1", [amount]);
}

/** Does what whoever leads does once somebody wishes that it settles. */
async function settleOnce({ database }: FleetDatabase): Promise<string> {
  for (;;) {
    const [wish] = await database.ask<{ kind: string }>(
      `UPDATE wishes SET result = '{"receipt": null}', done = now() WHERE result IS NULL
        RETURNING kind`,
    );
    if (wish === undefined) continue;
    await database.ask("UPDATE lanes SET due = false, owed = 0");
    return wish.kind;
  }
}

async function signOne({ database }: FleetDatabase): Promise<void> {
  await database.ask(
    `INSERT INTO outbox (nonce, form, raw, recipient, data, gas, max_fee, max_priority_fee,
      rank, term) VALUES (7, '0x01', '0x01', $1, '0x', 1, 2000000000, 1, 'settlement', 1)`,
    [ID.payer],
  );
}

test("settle has the fleet's leader settle, by the database alone", async (home, world) => {
  await owe(world, 15);
  await beginSession(world.database, "n2");
  const settled = settleOnce(world);
  const { code, json } = await runIn(home.dir, ["settle", "--json"]);
  assert.equal(await settled, "settle");
  assert.deepEqual([code, json], [0, { unsettled: "0" }]);
});

test("settle settles nothing from a machine's own old books, and says that a node must run", async (home, world) => {
  await owe(world, 15);
  const { code, json } = await runIn(home.dir, ["settle", "--json"]);
  assert.deepEqual([code, json.error], [7, "provider_unavailable"]);
  assert.match(json.message, /no node of the fleet runs, and 0\.000015 USDC are due/);
  assert.match(json.hints[0], /start one/);
});

test("operator outbox shows what the fleet's leader has out", async (home, world) => {
  assert.match((await runIn(home.dir, ["operator", "outbox"])).out, /nothing is out/);
  await signOne(world);
  const { code, json } = await runIn(home.dir, ["operator", "outbox", "--json"]);
  assert.equal(code, 0);
  assert.deepEqual(json.transactions.map(({ nonce }: { nonce: number }) => nonce), [7]);
});

test("operator reset forgets it as who leads, once no node runs", async (home, world) => {
  const { database } = world;
  await signOne(world);
  const session = await beginSession(database, "n2");
  const refused = await runIn(home.dir, ["operator", "reset", "--yes", "--json"]);
  assert.deepEqual([refused.code, refused.json.error], [6, "access_denied"]);
  assert.match(refused.json.message, /nodes run: n2/);
  assert.equal((await readSharedOutbox(database)).length, 1);
  await database.ask("SELECT end_session_1($1)", [session]);
  const { code, json } = await runIn(home.dir, ["operator", "reset", "--yes", "--json"]);
  assert.equal(code, 0, json.message);
  assert.deepEqual(json.forgotten.map(({ nonce }: { nonce: number }) => nonce), [7]);
  assert.deepEqual(await readSharedOutbox(database), []);
  const [left] = await database.ask(
    `SELECT (SELECT session FROM leader), (SELECT count(*)::int4 FROM sessions WHERE NOT reaped)
      AS live`,
  );
  assert.deepEqual(left, { session: null, live: 0 });
});
