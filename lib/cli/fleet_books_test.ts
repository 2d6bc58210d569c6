/** Commands that look at a fleet's books, or act on them, on a machine whose node does not run. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  beginSession,
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../worlds/fleet_database.ts";
import { makeFolder, runIn } from "../../worlds/home.ts";
import { openLedgerNode } from "../../worlds/fleet_ledger.ts";
import {
  CID,
  drawOf,
  ID,
  LANE,
  NOW_MS,
  OTHER_PAYER,
  PAYER,
  sale,
  sell,
  viewOf,
} from "../../worlds/ledger.ts";
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
      await store.checkpoint();
      await store.close();
      await work(home, world);
    },
  });
}

function ledgerVersion(path: string): unknown {
  using database = new DatabaseSync(path, { readOnly: true });
  return database.prepare("PRAGMA user_version").get()!.user_version;
}

/** A lane that owes so much, USDC base units. */
async function owe({ database }: FleetDatabase, amount: number): Promise<void> {
  await database.ask("SELECT open_1('0xpayer', '0xlane', 0)");
  await database.ask("UPDATE lanes SET due = true, owed = $1", [amount]);
}

/** Does what whoever leads does once somebody wishes that it settles; null: nobody does. */
async function settleOnce(
  { database }: FleetDatabase,
  asking: Promise<unknown>,
): Promise<string | null> {
  let isOver = false;
  asking.finally(() => isOver = true);
  while (!isOver) {
    // At once: whoever is told that it settled looks at what is due next.
    const [wish] = await database.ask<{ kind: string }>(
      `WITH told AS (UPDATE wishes SET result = '{"receipt": null}', done = now()
          WHERE result IS NULL RETURNING kind),
        settled AS (UPDATE lanes SET due = false, owed = 0 WHERE EXISTS (SELECT FROM told))
        SELECT kind FROM told`,
    );
    if (wish !== undefined) return wish.kind;
  }
  return null;
}

async function signOne({ database }: FleetDatabase): Promise<void> {
  await database.ask(
    `INSERT INTO outbox (nonce, form, raw, recipient, data, gas, max_fee, max_priority_fee,
      rank, term) VALUES (7, '0x01', '0x01', $1, '0x', 1, 2000000000, 1, 'settlement', 1)`,
    [ID.payer],
  );
}

/** Two charges at one node and one at another, of a payer each. */
async function sellSome({ database }: FleetDatabase): Promise<void> {
  await using n2 = await openLedgerNode(database, "n2");
  await using n3 = await openLedgerNode(database, "n3");
  for (const { ledger } of [n2, n3, n2]) {
    await sell(ledger, drawOf(ledger === n3.ledger ? { payer: OTHER_PAYER } : {}), viewOf(1_000n));
  }
}

test("ledger prints what PostgreSQL has, in the columns of any journal", async (home, world) => {
  await sellSome(world);
  const ledger = (...args: string[]) => runIn(home.dir, ["ledger", ...args]);
  const { code, json } = await ledger("--json");
  assert.equal(code, 0);
  assert.equal(json.entries.length, 3);
  const [{ reservation, ...first }] = json.entries;
  assert.ok(reservation > 2 ** 32);
  assert.deepEqual(first, {
    ...{ seq: null, at: new Date(NOW_MS).toISOString(), kind: "charge", payer: PAYER, lane: LANE },
    ...{ deployment: CID, price: "5", credits: "1", detail: "answered", transaction: null },
  });
  const text = await ledger();
  assert.equal(text.out.trimEnd().split("\n").length, 3);
  assert.match(text.out, /^2023-\S+ charge {2}0x1+ 0xa+… #\d+ credits 1 0\.000005 USDC bafyone/);
  const csv = (await ledger("--csv", "--payer", OTHER_PAYER)).out.trimEnd().split("\n");
  assert.equal(
    csv[0],
    "seq,at,kind,payer,lane,reservation,deployment,price,credits,detail,transaction",
  );
  assert.match(csv[1]!, /^,2023-\S+,charge,0x2+,0xa+,\d+,bafyone,5,1,answered,$/);
  assert.equal(csv.length, 2);
  assert.deepEqual((await ledger("--since", "2030-01-01", "--json")).json, { entries: [] });
  assert.equal((await ledger("--store", "sqlite", "--json")).json.entries.length, 5);
});

test(
  "ledger --verify proves what PostgreSQL has, and fails as any other does",
  async (home, world) => {
    await sellSome(world);
    const proved = await runIn(home.dir, ["ledger", "--verify"]);
    assert.deepEqual([proved.code, proved.err], [0, ""]);
    assert.match(
      proved.out,
      /^proved {4}3 charges, on 2 lanes of 2 payers\nused {6}3 credits\nheld /,
    );
    await world.database.ask("DELETE FROM journal WHERE charged = 2");
    const { code, json } = await runIn(home.dir, ["ledger", "--verify", "--json"]);
    assert.deepEqual([code, json.error], [3, "file_unusable"]);
    await Deno.writeTextFile(
      join(home.dir, "state", "book", "ledger.db"),
      "no database".repeat(99),
    );
    assert.equal((await runIn(home.dir, ["ledger", "--verify", "--store", "sqlite"])).code, 3);
  },
);

test("settle has the fleet's leader settle, by the database alone", async (home, world) => {
  await owe(world, 15);
  await beginSession(world.database, "n2");
  const asking = runIn(home.dir, ["settle", "--json"]);
  assert.equal(await settleOnce(world, asking), "settle");
  const { code, json } = await asking;
  assert.deepEqual([code, json], [0, { unsettled: "0" }]);
});

test(
  "settle settles nothing from a machine's own old books, and says that a node must run",
  async (home, world) => {
    await owe(world, 15);
    const { code, json } = await runIn(home.dir, ["settle", "--json"]);
    assert.deepEqual([code, json.error], [7, "provider_unavailable"]);
    assert.match(json.message, /no node of the fleet runs, and 0\.000015 USDC are due/);
    assert.match(json.hints[0], /start one/);
  },
);

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

test("downgrade takes nothing back of a fleet's ledger, and says how to go back", async (home) => {
  const { code, json } = await runIn(home.dir, ["downgrade", "--json"]);
  assert.deepEqual([code, json.error], [3, "invalid_config"]);
  assert.match(json.hints[0], /upgrade --rollback/);
  const path = join(home.dir, "state", "book", "ledger.db");
  assert.equal(ledgerVersion(path), 3);
});

test(
  "a backup of a node says that the ledger is not in it, and so does what comes back",
  async (home, { address }) => {
    const file = join(home.dir, "..", `${address.database}.tar.gz`);
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(file));
    const made = await runIn(home.dir, ["backup", file]);
    assert.equal(made.code, 0, made.err);
    const said = new RegExp(
      `the ledger is at 127\\.0\\.0\\.1:\\d+/${address.database}, and not in it`,
    );
    assert.match(made.out, said);
    const { out, err } = await runIn(home.dir, ["backup", "-"]);
    assert.notEqual(out, "");
    assert.match(err, said);
    const { dir } = stack.use(await makeFolder());
    const restored = await runIn(dir, ["restore", file]);
    assert.equal(restored.code, 0, restored.err);
    assert.match(restored.out, /^ledger {4}in PostgreSQL, as it is there/m);
    const again = await runIn(dir, ["restore", file, "--replace", "--json"]);
    assert.equal(again.json.hasLedger, false);
  },
);
