/** `ledger migrate`, `export` and `import`: a provider's books from one store to another. */
import { join } from "node:path";
import { formatUsdc } from "../chain/usdc.ts";
import { requireProvider } from "../config.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { makeFolders } from "../files.ts";
import { AnswersTable } from "../provider/call/answers_table.ts";
import { LOCK_FILE, lockState } from "../provider/door/lock.ts";
import {
  assertSteps,
  migrate,
  MIGRATIONS,
  SCHEMA_VERSION,
  schemaVersion,
} from "../provider/fleet/migrations.ts";
import type { LedgerSource, LedgerTarget } from "../provider/ledger/transfer/ends.ts";
import { fileOf } from "../provider/ledger/transfer/file.ts";
import {
  FORMAT,
  FORMAT_VERSION,
  type Header,
  type StoreName,
  type Whose,
} from "../provider/ledger/transfer/format.ts";
import { PostgresSource, recoverFleet } from "../provider/ledger/transfer/from_postgres.ts";
import { placesIn, recoverLedger, SqliteSource } from "../provider/ledger/transfer/from_sqlite.ts";
import { importLedger } from "../provider/ledger/transfer/import.ts";
import { PostgresTarget } from "../provider/ledger/transfer/to_postgres.ts";
import { SqliteTarget } from "../provider/ledger/transfer/to_sqlite.ts";
import type { TotalsJson } from "../provider/ledger/transfer/totals.ts";
import { readOutbox } from "../provider/settlement/outbox_store.ts";
import { VERSION } from "../version.ts";
import { bookDir, isFleet, ledgerIn } from "./books.ts";
import type { CommandContext } from "./command.ts";
import { fleetBooks, fleetDatabase } from "./fleet_books.ts";
import { inNewFile } from "./new_file.ts";

/** Brings the schema of the database to this release's, or tells what there is to do. */
export async function migrateLedger(context: CommandContext, isDryRun: boolean): Promise<void> {
  const { out } = context;
  await using stack = new AsyncDisposableStack();
  const database = await fleetDatabase(context, stack);
  const before = await schemaVersion(database);
  const steps = isDryRun
    ? MIGRATIONS.slice(before).map(({ name }) => name)
    : await migrate(database).catch((error) => {
      throw withoutRights(error, database.name);
    });
  const version = isDryRun ? before : await schemaVersion(database);
  const facts = { database: database.name, version, wanted: SCHEMA_VERSION };
  out.result({ ...facts, steps, isDryRun }, [
    ...steps.map((name) => `${isDryRun ? "to do " : "taken "}    ${name}`),
    `schema    at ${database.name}: at step ${version} of ${SCHEMA_VERSION}`,
  ]);
}

/** Writes the whole ledger into a file. The provider must be stopped. */
export async function exportLedger(
  context: CommandContext,
  path: string,
  store: StoreName | null,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const from = store ?? await configuredStore(context);
  const source = await (from === "postgres" ? fleetSource : ownSource)(context, stack);
  stack.defer(() => source.close());
  const header: Header = {
    khachapuri: FORMAT,
    version: FORMAT_VERSION,
    release: VERSION,
    store: source.store,
    ...await whoseBooks(context),
    next: await source.next(),
  };
  context.out.progress(`exporting from ${from}`);
  const totals = await inNewFile(path, async (write) => {
    const ended = Promise.withResolvers<TotalsJson>();
    await write(fileOf(header, source.lines(), ended.resolve));
    return await ended.promise;
  });
  context.out.result({ file: path, store: from, totals: totals.sums }, [
    `exported  ${path} (mode 0600), from ${from}`,
    ...sumLines(totals),
  ]);
}

/** Brings a whole ledger out of a file to where there is none. The provider must be stopped. */
export async function bringLedger(
  context: CommandContext,
  path: string,
  store: StoreName | null,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const to = store ?? await configuredStore(context);
  const target = await (to === "postgres" ? fleetTarget : ownTarget)(context, stack);
  stack.defer(() => target.close());
  context.out.progress(`importing into ${to}`);
  const totals = await importLedger(path, target, await whoseBooks(context));
  const raised = target instanceof PostgresTarget ? target.raised : 0n;
  context.out.result({ file: path, store: to, totals: totals.sums, raised }, [
    `imported  ${path}, into ${to}, and read back: each line is there as it came`,
    ...sumLines(totals),
  ]);
  if (raised === 0n) return;
  context.out.note(
    `the escrow had taken ${creditsText(raised)} before a run used them: a fleet knows no such ` +
      "credits, so they count as used; refund their payers (khachapuri refund)",
  );
}

function sumLines({ sums }: TotalsJson): string[] {
  const usdc = (amount: number | string) => `${formatUsdc(BigInt(amount))} USDC`;
  const gone = Number(sums.gone) === 0 ? [] : [
    `gone      ${sums.gone} charges before those, by the policy: ${usdc(sums.goneAmount)}`,
  ];
  return [
    `lanes     ${sums.lanes} of ${sums.payers} payers`,
    `used      ${creditsText(BigInt(sums.charged))}, of which the escrow took ${sums.settled}`,
    `due       ${usdc(sums.due)}, on ${sums.dueLanes} lanes`,
    `refused   ${usdc(sums.refused)}`,
    `charges   ${sums.charges}, of them ${sums.receipts} with a receipt: ${
      usdc(sums.chargesAmount)
    }`,
    ...gone,
    `single    ${sums.purchases} payments, ${usdc(sums.paid)} paid; ${sums.unanswered} unanswered`,
    `answers   ${sums.answers} under keys`,
  ];
}

async function whoseBooks(context: CommandContext): Promise<Whose> {
  const { address: provider } = requireProvider(await context.config());
  const [{ chainId }, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  return { provider, chainId, escrow };
}

async function configuredStore(context: CommandContext): Promise<StoreName> {
  return await isFleet(context) ? "postgres" : "sqlite";
}

async function fleetSource(
  context: CommandContext,
  stack: AsyncDisposableStack,
): Promise<LedgerSource> {
  const database = await fleetBooks(context, stack);
  await recoverFleet(database);
  const [out] = await database.ask<{ count: number }>(
    "SELECT count(DISTINCT nonce)::int4 AS count FROM outbox",
  );
  assertNothingOut(out!.count);
  return new PostgresSource(database);
}

async function fleetTarget(
  context: CommandContext,
  stack: AsyncDisposableStack,
): Promise<LedgerTarget> {
  const database = await fleetDatabase(context, stack);
  await assertSteps(database);
  return new PostgresTarget(database);
}

async function ownSource(
  context: CommandContext,
  stack: AsyncDisposableStack,
): Promise<LedgerSource> {
  const book = await bookDir(context);
  const ledger = await ledgerIn(book);
  await lockIn(book, stack);
  const outbox = join(book, "operator.db");
  const isThere = await Deno.stat(outbox).then(() => true, () => false);
  assertNothingOut(isThere ? new Set(readOutbox(outbox).map(({ nonce }) => nonce)).size : 0);
  await recoverLedger(ledger);
  return new SqliteSource(placesIn(book));
}

async function ownTarget(
  context: CommandContext,
  stack: AsyncDisposableStack,
): Promise<LedgerTarget> {
  const book = await bookDir(context);
  await makeFolders(book, 0o700);
  await lockIn(book, stack);
  return new SqliteTarget({
    places: placesIn(book),
    makeAnswers: (database) => void new AnswersTable(database),
  });
}

async function lockIn(book: string, stack: AsyncDisposableStack): Promise<void> {
  const lock = await lockState(join(book, LOCK_FILE));
  stack.defer(() => lock.release());
}

/** What is out would settle what the other store takes for due. */
function assertNothingOut(transactions: number): void {
  if (transactions === 0) return;
  const which = transactions === 1 ? "a transaction is" : `${transactions} transactions are`;
  throw new KhachapuriError("access_denied", `${which} out that the operator signed`, {
    hints: [
      "start the provider, wait until they are mined (khachapuri operator outbox), and stop it",
    ],
  });
}

/** What the database says to who may make no tables. */
function withoutRights(error: unknown, name: string): unknown {
  const { code, message } = Object(error) as { code?: unknown; message?: string };
  if (code !== "42501") return error;
  return new KhachapuriError("access_denied", `PostgreSQL at ${name} refuses it: ${message}`, {
    cause: error,
    hints: ["GRANT CREATE ON DATABASE … TO USER, on that server, or make the user its owner"],
  });
}
