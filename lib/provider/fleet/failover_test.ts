import assert from "node:assert/strict";
import { startPair } from "../../../worlds/postgres/pair.ts";
import { findPostgres } from "../../../worlds/postgres/server.ts";
import { parseDatabaseAddress } from "../../postgres_address.ts";
import { openDatabase } from "./database.ts";

const BIN = await findPostgres();
const FAILOVERS = 2;
const PATIENT = { patienceMs: 120_000 };

Deno.test({
  name: "writes go on where the standby takes the primary's place, and none is lost or left out",
  ignore: BIN === null,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const pair = stack.use(await startPair(BIN!));
    const name = await pair.freshDatabase();
    const address = parseDatabaseAddress(pair.uri(name));
    const database = await openDatabase(address, { connections: 2 });
    stack.defer(() => database.close());
    await database.script("CREATE SCHEMA khachapuri; CREATE TABLE rows (id int PRIMARY KEY)");
    let [written, isOver] = [0, false];
    const writer = async () => {
      while (!isOver) {
        const id = written++;
        await database.ask("INSERT INTO rows VALUES ($1) ON CONFLICT DO NOTHING", [id], PATIENT);
      }
    };
    const writers = Promise.all([writer(), writer(), writer()]);
    const places = [pair.primary, pair.standby];
    for (let count = 0; count < FAILOVERS; count++) {
      await pair.failover();
      const before = written;
      while (written < before + 10) await database.ask("SELECT 1", [], PATIENT);
      assert.equal(pair.primary, places[(count + 1) % 2]);
      // Whoever comes new finds the one that takes writes, whichever is named first.
      const other = await openDatabase(address);
      const [row] = await other.ask("SELECT pg_is_in_recovery() AS is_standby", [], PATIENT);
      await other.close();
      assert.deepEqual(row, { is_standby: false });
    }
    isOver = true;
    await writers;
    const [row] = await database.ask("SELECT count(*)::int4 AS count, max(id) AS last FROM rows");
    assert.deepEqual(row, { count: written, last: written - 1 });
  },
});
