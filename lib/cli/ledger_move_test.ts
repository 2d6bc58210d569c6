import assert from "node:assert/strict";
import { join } from "node:path";
import { freshDatabase, startFleetServer } from "../../worlds/fleet_database.ts";
import { assertBooks } from "../../worlds/fleet_ledger.ts";
import { ID, sale } from "../../worlds/ledger.ts";
import { openProviderHome, type ProviderHome } from "../../worlds/provider_home.ts";
import { beginSession, endSession } from "../../worlds/purchase_books.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { makeFolders } from "../files.ts";
import { LOCK_FILE, lockState } from "../provider/door/lock.ts";
import { SCHEMA_VERSION } from "../provider/fleet/migrations.ts";
import { openStore } from "../provider/ledger/store.ts";
import { openOutboxStore } from "../provider/settlement/outbox_store.ts";
import { runCli } from "./cli.ts";
import { COMMANDS } from "./table.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const FLEET = { node: "n1", listen: "127.0.0.1:8401" };

async function ledger(home: ProviderHome, ...args: string[]) {
  const world = fakeWorld(["ledger", ...args, "--home", home.dir, "--json"], { env: {} });
  const code = await runCli(world, COMMANDS);
  return { code, ...JSON.parse(world.stdoutText()) };
}

async function text(home: ProviderHome, ...args: string[]): Promise<string> {
  const world = fakeWorld(["ledger", ...args, "--home", home.dir], { env: {} });
  assert.equal(await runCli(world, COMMANDS), 0, world.stderrText());
  return world.stdoutText();
}

/** A provider that was stopped after some calls. */
async function withHome(
  work: (home: ProviderHome, book: string, file: string) => Promise<void>,
): Promise<void> {
  await using home = await openProviderHome();
  await home.write();
  const book = join(home.dir, "state", "book");
  await makeFolders(book, 0o700);
  const store = await openStore(join(book, "ledger.db"));
  const sales = [1, 2, 3].flatMap((number) => sale(number));
  await store.write([{ kind: "open", ...ID, charged: 0n }, ...sales], "disk");
  await store.close();
  await work(home, book, join(home.dir, "ledger.jsonl.gz"));
}

Deno.test({
  name: "a ledger is migrated, exported and imported into PostgreSQL, and back",
  ignore,
  fn: () =>
    withHome(async (home, book, file) => {
      await using world = await freshDatabase(SERVER!);
      const { database, uri } = world;
      await database.script("DROP SCHEMA khachapuri CASCADE");
      const exported = await ledger(home, "export", file);
      const { lanes, charged, due, charges } = exported.totals;
      assert.deepEqual([exported.code, exported.store], [0, "sqlite"]);
      assert.deepEqual({ lanes, charged, due, charges }, {
        lanes: 1,
        charged: "3",
        due: "15",
        charges: 3,
      });
      assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
      assert.equal((await ledger(home, "export", file)).error, "invalid_input");

      await home.write({ fleet: FLEET, ledger: { postgres: uri } });
      const unready = await ledger(home, "import", file);
      assert.deepEqual([unready.error, unready.hints], ["invalid_config", [
        "khachapuri ledger migrate: it only adds, nodes that run go on",
      ]]);
      assert.equal((await ledger(home, "migrate", "--dry-run")).version, 0);
      const { steps, version } = await ledger(home, "migrate");
      assert.deepEqual([steps.length, version], [SCHEMA_VERSION, SCHEMA_VERSION]);
      assert.match(await text(home, "migrate"), /^schema .*at step (\d+) of \1\n$/);

      assert.match(await text(home, "import", file), /charges +3, of them 0 with a receipt/);
      assert.equal((await assertBooks(database)).charges, 3);
      assert.equal((await ledger(home, "import", file)).error, "invalid_input");
      const again = `${file}.2`;
      assert.deepEqual((await ledger(home, "export", again)).totals, exported.totals);
      assert.equal((await ledger(home, "import", again, "--store", "sqlite")).code, 3);
      const earlier = join(book, "earlier");
      await Deno.mkdir(earlier);
      await Deno.rename(join(book, "ledger.db"), join(earlier, "ledger.db"));
      const back = await ledger(home, "import", again, "--store", "sqlite");
      assert.deepEqual([back.code, back.totals], [0, exported.totals]);
      assert.match(await text(home, "--verify", "--store", "sqlite"), /proved +6 rows/);
    }),
});

Deno.test("a ledger stays where it is while its provider runs, or has a transaction out", () =>
  withHome(async (home, book, file) => {
    const lock = await lockState(join(book, LOCK_FILE));
    for (const action of ["export", "import"]) {
      assert.equal((await ledger(home, action, file)).error, "access_denied");
    }
    lock.release();
    const outbox = openOutboxStore(join(book, "operator.db"));
    const fees = { gas: 1n, maxFeePerGas: 1n, maxPriorityFeePerGas: 1n };
    const call = { raw: "0x01", nonce: 7, to: ID.payer, data: "0x" } as const;
    await outbox.remember({ ...call, ...fees, rank: "settlement", costMax: null, signedAt: 1 });
    const { error, message } = await ledger(home, "export", file);
    assert.deepEqual([error, message], [
      "access_denied",
      "a transaction is out that the operator signed",
    ]);
    await outbox.forget(7);
    outbox.close();
    assert.equal((await ledger(home, "export", file)).code, 0);
  }));

Deno.test({
  name: "a fleet's ledger stays where it is while a node lives, or has a transaction out",
  ignore,
  fn: () =>
    withHome(async (home, _, file) => {
      await using world = await freshDatabase(SERVER!);
      const { database, uri } = world;
      await home.write({ fleet: FLEET, ledger: { postgres: uri } });
      const session = await beginSession(database);
      const live = await ledger(home, "export", file);
      assert.deepEqual([live.error, live.code], ["access_denied", 6]);
      await endSession(database, session);
      await database.ask(
        `INSERT INTO outbox (nonce, form, raw, recipient, data, gas, max_fee, max_priority_fee,
          rank, term) VALUES (1, '', '', '', '', 1, 1, 1, '', 1)`,
      );
      assert.match((await ledger(home, "export", file)).message, /a transaction is out/);
      await database.ask("DELETE FROM outbox");
      assert.equal((await ledger(home, "export", file)).code, 0);
    }),
});

Deno.test({
  name: "who may make no schema is told so, and what would mend it",
  ignore,
  fn: () =>
    withHome(async (home) => {
      await using world = await freshDatabase(SERVER!);
      const { database, uri, address } = world;
      await database.script(`
        DROP SCHEMA khachapuri CASCADE;
        REVOKE CREATE ON DATABASE "${address.database}" FROM CURRENT_USER
      `);
      await home.write({ fleet: FLEET, ledger: { postgres: uri } });
      const { error, hints } = await ledger(home, "migrate");
      assert.equal(error, "access_denied");
      assert.match(hints[0], /GRANT CREATE ON DATABASE/);
    }),
});

Deno.test("what goes with none of its actions is refused, and so is a store that is not configured", () =>
  withHome(async (home, _, file) => {
    const misused = [
      ["move"],
      ["export"],
      ["export", file, "--verify"],
      ["import", file, "--dry-run"],
      ["export", file, "--store", "paper"],
      ["migrate", file],
      ["--dry-run"],
      ["--store", "mysql"],
    ];
    for (const args of misused) {
      assert.equal((await ledger(home, ...args)).error, "usage", args.join(" "));
    }
    for (const args of [["migrate"], ["export", file, "--store", "postgres"]]) {
      const { error, message } = await ledger(home, ...args);
      assert.deepEqual([error, message], ["invalid_config", "no PostgreSQL is configured"]);
    }
  }));
