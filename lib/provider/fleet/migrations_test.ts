import assert from "node:assert/strict";
import { openDatabase } from "./database.ts";
import {
  assertMigrated,
  migrate,
  MIGRATIONS,
  SCHEMA_VERSION,
  schemaVersion,
} from "./migrations.ts";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

Deno.test({
  name: "those who migrate at once take each step once",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database, address } = world;
    await database.script("DROP SCHEMA khachapuri CASCADE");
    assert.equal(await schemaVersion(database), 0);
    await assert.rejects(assertMigrated(database), { code: "invalid_config" });
    const others = await Promise.all([1, 2, 3].map(() => openDatabase(address)));
    const taken = (await Promise.all(others.map(migrate))).flat();
    assert.deepEqual(taken.sort(), MIGRATIONS.map(({ name }) => name).sort());
    assert.equal(await schemaVersion(database), SCHEMA_VERSION);
    await assertMigrated(database);
    assert.deepEqual(await migrate(database), []);
    await Promise.all(others.map((other) => other.close()));
  },
});

Deno.test({
  name: "a step that fails leaves nothing behind, and a later release's schema is left as it is",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    await assert.rejects(
      database.script("CREATE TABLE half (a int); SELECT 1 / 0"),
      /division by zero/,
    );
    const [half] = await database.ask<{ half: unknown }>("SELECT to_regclass('half') AS half");
    assert.equal(half!.half, null);
    await database.ask("INSERT INTO schema_steps (step, name) VALUES ($1, 'later')", [
      SCHEMA_VERSION,
    ]);
    assert.deepEqual(await migrate(database), []);
    await assertMigrated(database);
  },
});
