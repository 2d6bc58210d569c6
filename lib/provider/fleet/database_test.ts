import assert from "node:assert/strict";
import type { KhachapuriError } from "../../errors.ts";
import { BrokenWire } from "../../../worlds/broken_wire.ts";
import { startFleetServer } from "../../../worlds/fleet_database.ts";
import { turn } from "../../../worlds/turns.ts";
import { parseDatabaseAddress } from "../../postgres_address.ts";
import { type Database, type DatabaseOptions, openDatabase } from "./database.ts";

const CLUSTER = await startFleetServer();
/** Leaves a row, once it may, however often it is sent. */
const WRITE = `
  INSERT INTO rows SELECT $1::int FROM (SELECT nextval('tries'), pg_advisory_xact_lock(1)) AS t
  ON CONFLICT DO NOTHING
`;
const PATIENT = { patienceMs: 60_000 };
const WAITS = "wait_event_type = 'Lock'";

/** A database of its own, behind a wire, and a table that statements leave rows in. */
async function openWorld(options: DatabaseOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const { port, server } = CLUSTER!;
  const name = await CLUSTER!.freshDatabase();
  await server.query(
    `CREATE SCHEMA khachapuri AUTHORIZATION nino; SET search_path = khachapuri; SET ROLE nino;
    CREATE TABLE rows (id int PRIMARY KEY); CREATE SEQUENCE tries;`,
    name,
  );
  const wire = stack.use(new BrokenWire(port));
  const uri = CLUSTER!.uri(name).replace(`:${port}/`, `:${wire.port}/`);
  const open = async (options: DatabaseOptions) => {
    const database = await openDatabase(parseDatabaseAddress(uri), options);
    owned.defer(() => database.close());
    return database;
  };
  const owned = stack.move();
  const database = await open(options);
  return {
    ...{ name, server, wire, database, open },
    /** Has `WRITE` wait. */
    async hold() {
      const session = server.open(name);
      await session.query("SELECT pg_advisory_lock(1)");
      return session;
    },
    async written() {
      const [row] = await server.query<{ rows: number; tries: number }>(
        "SELECT (SELECT count(*)::int4 FROM khachapuri.rows) AS rows, last_value::int4 AS tries FROM khachapuri.tries",
        name,
      );
      return row!;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type World = Awaited<ReturnType<typeof openWorld>>;

/** Waits until it was away. */
async function isTroubled(database: Database): Promise<void> {
  while (database.trouble() === null) await turn();
}

function test(name: string, fn: (world: World) => Promise<void>, options?: DatabaseOptions): void {
  Deno.test({
    name,
    ignore: CLUSTER === null,
    async fn() {
      await using world = await openWorld(options);
      await fn(world);
    },
  });
}

test("an answer comes as types of JSON, numbers of 64 bits as text", async ({ database }) => {
  const [row] = await database.ask(
    `SELECT $1::int4 AS small, $2::int8 AS big, $3::bytea AS bytes, $4::bool AS is_so,
      $5::text AS nothing, $6::jsonb AS json`,
    [7, "9007199254740993", new Uint8Array([0, 255]), true, null, '{"a":[1]}'],
  );
  assert.deepEqual({ ...row as object, bytes: null }, {
    ...{ small: 7, big: "9007199254740993", bytes: null, is_so: true, nothing: null },
    json: { a: [1] },
  });
  assert.deepEqual([...(row as { bytes: Uint8Array }).bytes], [0, 255]);
  assert.deepEqual([...await database.ask("SELECT 1::int4 AS one")], [{ one: 1 }]);
  assert.equal(database.trouble(), null);
});

test("a statement is one, and what the database refuses of it is for who asked", async (world) => {
  const { database } = world;
  await assert.rejects(database.ask("SELECT 1; SELECT 2"), { code: "42601" });
  await assert.rejects(database.ask("SELECT 1 / $1::int", [0]), { code: "22012" });
  await assert.rejects(database.script("INSERT INTO rows VALUES (1); SELECT 1 / 0"), {
    code: "22012",
  });
  assert.deepEqual(await world.written(), { rows: 0, tries: 1 });
  await database.script("INSERT INTO rows VALUES (1); INSERT INTO rows VALUES (2)");
  assert.equal((await world.written()).rows, 2);
  assert.equal(world.wire.connections, 1);
});

test("patience without end is not over at once", async ({ database, server, name, hold }) => {
  const held = await hold();
  const answer = database.ask("SELECT pg_advisory_lock(1)", [], { patienceMs: Infinity });
  const waits = "SELECT FROM pg_stat_activity WHERE wait_event = 'advisory'";
  while ((await server.query(waits, name)).length === 0) await turn();
  await held.query("SELECT pg_advisory_unlock(1)");
  assert.equal((await answer).length, 1);
});

test("statements beyond the connections wait for their turn, in their order", async (world) => {
  const { database } = world;
  const numbers = Array.from({ length: 50 }, (_, number) => number);
  const answered: number[] = [];
  await Promise.all(numbers.map(async (number) => {
    await database.ask("SELECT $1::int", [number]);
    answered.push(number);
  }));
  assert.deepEqual(answered, numbers);
  assert.equal(world.wire.connections, 1);
}, { connections: 1 });

test("what is urgent waits for nothing else, be it many or slow", async (world) => {
  const { database, wire } = world;
  await using lock = await world.hold();
  const waiting = [1, 2, 3].map((id) => database.ask(WRITE, [id], PATIENT));
  await world.server.backend(WAITS);
  const urgent = await database.ask("SELECT 7::int4 AS one", [], { isUrgent: true });
  assert.deepEqual([...urgent], [{ one: 7 }]);
  assert.equal(wire.connections, 2);
  await lock.query("SELECT pg_advisory_unlock(1)");
  await Promise.all(waiting);
}, { connections: 1 });

test("limits that somebody sets for our user end no statement", async ({ database, server }) => {
  for (const limit of ["statement_timeout", "lock_timeout"]) {
    await server.query(`ALTER ROLE nino SET ${limit} = '20ms'`);
    try {
      const [row] = await database.ask<{ limit: string }>(
        `SELECT pg_sleep(0.1), current_setting('${limit}') AS limit`,
      );
      assert.equal(row!.limit, "0");
    } finally {
      await server.query(`ALTER ROLE nino RESET ${limit}`);
    }
  }
});

test("a statement is sent again when its process ends, by word or by kill -9", async (world) => {
  const { database, server } = world;
  const ends = [
    async () => await server.query(`SELECT pg_terminate_backend(${await server.backend(WAITS)})`),
    () => server.killBackend(WAITS),
  ];
  for (const [id, end] of ends.entries()) {
    const lock = await world.hold();
    const writing = database.ask(WRITE, [id], PATIENT);
    await end();
    await isTroubled(database);
    await lock[Symbol.asyncDispose]();
    await writing;
    assert.equal(database.trouble(), null);
  }
  const { rows, tries } = await world.written();
  assert.equal(rows, 2);
  // Sequences jump ahead in a recovery.
  assert.ok(tries >= 4);
});

test("a statement outlives the server's crash, and is asked while there is none", async (world) => {
  const { database, server } = world;
  for (const [id, signal] of (["SIGQUIT", "SIGKILL"] as const).entries()) {
    await using _lock = await world.hold();
    const writing = database.ask(WRITE, [id], PATIENT);
    await server.backend(WAITS);
    await server.crash(signal);
    await isTroubled(database);
    const asked = database.ask("SELECT 1::int4 AS one", [], PATIENT);
    await server.start();
    await writing;
    assert.equal((await asked).length, 1);
  }
  assert.equal((await world.written()).rows, 2);
});

test("an answer that was cut off is had again whole, wherever it was cut", async (world) => {
  const { database, wire } = world;
  const numbers = Array.from({ length: 2_000 }, (_, index) => ({ number: index + 1 }));
  const look = () => database.ask("SELECT generate_series(1, $1::int4) AS number", [2_000]);
  await look();
  // Within the first rows, the last ones, and before the first byte.
  for (const bytes of [300, 30_000, 1]) {
    wire.cutAfter("down", bytes);
    assert.deepEqual([...await look()], numbers);
    assert.deepEqual([...await database.ask("SELECT 7::int4 AS one")], [{ one: 7 }]);
  }
  wire.cutAfter("up", 20);
  assert.deepEqual([...await look()], numbers);
  wire.halfClose();
  assert.deepEqual([...await look()], numbers);
  wire.cut();
  assert.deepEqual([...await look()], numbers);
  assert.equal(wire.cuts, 4);
}, { connections: 1 });

test("a connection that falls silent is given up in three seconds", async ({ database, wire }) => {
  await database.ask("SELECT 1");
  wire.swallow();
  const asked = database.ask("SELECT 7::int4 AS one");
  while (wire.connections < 1) await turn();
  wire.heal();
  const from = performance.now();
  assert.deepEqual([...await asked], [{ one: 7 }]);
  assert.ok(performance.now() - from > 2_000);
});

test("what comes late of a given up connection is carried out once more", async (world) => {
  const { database, wire } = world;
  await database.ask(WRITE, [0]);
  wire.hold();
  const writing = database.ask(WRITE, [1], PATIENT);
  await isTroubled(database);
  wire.heal();
  await writing;
  while ((await world.written()).tries < 3) await turn();
  assert.equal((await world.written()).rows, 2);
});

test("what takes its time is sent once, and whoever cannot wait is told", async (world) => {
  const { database, server, name } = world;
  await using lock = server.open(name);
  await lock.query("SELECT pg_advisory_lock(1)");
  const held = lock.query("SELECT pg_sleep(4), pg_advisory_unlock(1)");
  const asked = database.ask(WRITE, [1], { isLong: true, patienceMs: 100 });
  await assert.rejects(database.ask(WRITE, [2], { patienceMs: 100 }), {
    code: "database_unavailable",
  });
  assert.match(database.trouble()!, /no answer in time/);
  await Promise.all([held, asked]);
  while ((await world.written()).rows < 2) await turn();
  assert.deepEqual(await world.written(), { rows: 2, tries: 2 });
});

test("a database that stays away is unavailable, which is told when patience ends", async (world) => {
  const { database, server, wire } = world;
  const ask = (patienceMs: number) => database.ask("SELECT 1", [], { patienceMs });
  await server.crash();
  await assert.rejects(ask(50), (error: KhachapuriError) => {
    assert.equal(error.code, "database_unavailable");
    assert.match(error.message, /PostgreSQL at 127\.0\.0\.1:\d+\/fresh_\d+ does not answer: /);
    return true;
  });
  const from = performance.now();
  const before = wire.taken;
  await Promise.all([100, 200, 400].map((patienceMs) => assert.rejects(ask(patienceMs))));
  const tookMs = performance.now() - from;
  assert.ok(tookMs >= 399);
  // It is not asked without a pause, though the wire takes each connection.
  assert.ok(wire.taken - before <= 20, `${wire.taken - before} connections`);
  await server.start();
  await ask(60_000);
  await server.crash();
  await assert.rejects(ask(50), (error: KhachapuriError) => {
    assert.ok(!error.message.includes("127.0.0.1"), error.message);
    assert.match((error.cause as Error).message, /127\.0\.0\.1/);
    return true;
  });
  await server.start();
});

test("its end ends what waits, and what is under way if that takes long", async (world) => {
  const { server } = world;
  const quick = await world.open({ connections: 1 });
  const lock = await world.hold();
  const answered = quick.ask(WRITE, [1], PATIENT);
  await server.backend(WAITS);
  const closing = quick.close();
  await lock[Symbol.asyncDispose]();
  await Promise.all([answered, closing]);
  await using _lock = await world.hold();
  const slow = await world.open({ connections: 2 });
  const lost = [1, 2, 3].map((id) =>
    assert.rejects(slow.ask(WRITE, [id], PATIENT), { code: "database_unavailable" })
  );
  await server.backend(WAITS);
  await slow.close();
  await Promise.all(lost);
  await assert.rejects(slow.ask("SELECT 1"), { code: "database_unavailable" });
});
