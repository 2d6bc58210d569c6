/** The books of a provider that is several nodes, as commands find them: in its database. */
import { requireProvider } from "../config.ts";
import { databaseAddressIn } from "../config_fleet.ts";
import { KhachapuriError } from "../errors.ts";
import { type Database, openDatabase } from "../provider/fleet/database.ts";
import { assertMigrated } from "../provider/fleet/migrations.ts";
import type { CommandContext } from "./command.ts";

/**
 * The database in config.json, whatever is in it; closed with `stack`.
 * @throws KhachapuriError `invalid_config` where none is named
 */
export async function fleetDatabase(
  context: CommandContext,
  stack: AsyncDisposableStack,
): Promise<Database> {
  const config = await context.config();
  const { postgres } = requireProvider(config).ledger;
  if (postgres === undefined) {
    throw new KhachapuriError("invalid_config", "no PostgreSQL is configured", {
      hints: [
        'config.json says where it is: "provider": { "ledger": { "postgres": ' +
        '"postgres://USER@HOST/DATABASE?passfile=FILE" } }',
      ],
    });
  }
  const address = databaseAddressIn(config.home, postgres);
  const passfile = context.world.env("PGPASSFILE");
  const database = await openDatabase(address, { passfile });
  stack.defer(() => database.close());
  return database;
}

/** The same, of a release that this one understands. @throws KhachapuriError as `assertMigrated` */
export async function fleetBooks(
  context: CommandContext,
  stack: AsyncDisposableStack,
): Promise<Database> {
  const database = await fleetDatabase(context, stack);
  await assertMigrated(database);
  return database;
}
