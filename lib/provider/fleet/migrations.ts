/**
 * The database's schema, in steps that only add: a node of the release before goes on while the
 * others are replaced. What a later release calls otherwise has another name (`turn_2`); the old
 * one goes a release later.
 */
import { KhachapuriError } from "../../errors.ts";
import type { Database } from "./database.ts";
import { ANSWERS } from "./schema/answers.ts";
import { IMPORTS } from "./schema/imports.ts";
import { LANES } from "./schema/lanes.ts";
import { LEADERSHIP } from "./schema/leadership.ts";
import { LEDGER_TABLES } from "./schema/ledger_tables.ts";
import { OUTBOX } from "./schema/outbox.ts";
import { PRUNING } from "./schema/pruning.ts";
import { PURCHASES } from "./schema/purchases.ts";
import { RUNS } from "./schema/runs.ts";
import { SESSIONS } from "./schema/sessions.ts";
import { SETTINGS } from "./schema/settings.ts";
import { SHARED } from "./schema/shared.ts";
import { TURN } from "./schema/turn.ts";
import { TURN_OF_ONE } from "./schema/turn_of_one.ts";

export interface Migration {
  readonly name: string;
  readonly statements: string;
}

const LEDGER = [LEDGER_TABLES, TURN, TURN_OF_ONE, LANES, SESSIONS, ANSWERS];

/** The nth brings the schema to version n + 1. */
export const MIGRATIONS: readonly Migration[] = [
  { name: "ledger", statements: LEDGER.join("\n") },
  { name: "leader", statements: [LEADERSHIP, OUTBOX, SETTINGS, PURCHASES].join("\n") },
  { name: "records", statements: [SHARED, RUNS, PRUNING].join("\n") },
  { name: "moving", statements: IMPORTS },
];

/** What this release needs at least. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** Of the lock that those who migrate wait for. */
const LOCK = 7_461_697_470;

/** The version of the schema; 0 where there is none yet. */
export async function schemaVersion(database: Database): Promise<number> {
  const [table] = await database.ask<{ is_there: boolean }>(
    "SELECT to_regclass('khachapuri.schema_steps') IS NOT NULL AS is_there",
  );
  if (!table!.is_there) return 0;
  const [steps] = await database.ask<{ count: number }>(
    "SELECT count(*)::int4 AS count FROM khachapuri.schema_steps",
  );
  return steps!.count;
}

/**
 * Brings the schema up to this release's, or leaves a later one as it is.
 * @returns the steps that were taken
 * @throws KhachapuriError `database_unavailable`; Error for what the database refuses
 */
export async function migrate(database: Database): Promise<string[]> {
  const taken: string[] = [];
  for (let version = await schemaVersion(database); version < SCHEMA_VERSION; version++) {
    const { name, statements } = MIGRATIONS[version]!;
    try {
      await database.script(stepOf(version, name, statements));
      taken.push(name);
    } catch (error) {
      // Somebody else took it meanwhile.
      if (await schemaVersion(database) <= version) throw error;
    }
  }
  return taken;
}

/** @throws KhachapuriError `invalid_config` for a schema that lacks something, or a half ledger */
export async function assertMigrated(database: Database): Promise<void> {
  await assertSteps(database);
  const [half] = await database.ask("SELECT FROM imports WHERE NOT done");
  if (half === undefined) return;
  const message = `the ledger at ${database.name} is half of one: an import has not ended`;
  throw new KhachapuriError("invalid_config", message, {
    hints: ["khachapuri ledger import FILE, again: it begins anew"],
  });
}

/** @throws KhachapuriError `invalid_config` for a schema that lacks something */
export async function assertSteps(database: Database): Promise<void> {
  const version = await schemaVersion(database);
  if (version >= SCHEMA_VERSION) return;
  const message = `the schema at ${database.name} is at step ${version} of ${SCHEMA_VERSION}`;
  throw new KhachapuriError("invalid_config", message, {
    hints: ["khachapuri ledger migrate: it only adds, nodes that run go on"],
  });
}

/** A step and its note are one transaction, as statements of one message are. */
function stepOf(version: number, name: string, statements: string): string {
  return `
    SELECT pg_advisory_xact_lock(${LOCK});
    CREATE SCHEMA IF NOT EXISTS khachapuri;
    CREATE TABLE IF NOT EXISTS khachapuri.schema_steps (
      step int4 PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL DEFAULT now()
    );
    INSERT INTO khachapuri.schema_steps (step, name) VALUES (${version}, '${name}');
    ${statements}
  `;
}
