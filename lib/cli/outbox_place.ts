/** Where the operator's outbox is: in a file of this machine, or in the database of a fleet. */
import { join } from "node:path";
import type { OutboxStore, SignedForm } from "../chain/outbox/store.ts";
import { requireProvider } from "../config.ts";
import { nodeUrlOf } from "../config_fleet.ts";
import { KhachapuriError } from "../errors.ts";
import { LOCK_FILE, lockState } from "../provider/door/lock.ts";
import type { Database } from "../provider/fleet/database.ts";
import { Leadership, type Term } from "../provider/fleet/leadership.ts";
import { Sessions } from "../provider/fleet/sessions.ts";
import { openOutboxStore, readOutbox } from "../provider/settlement/outbox_store.ts";
import {
  postgresOutboxStore,
  readSharedOutbox,
} from "../provider/settlement/postgres_outbox_store.ts";
import { VERSION } from "../version.ts";
import { bookDir, isFleet } from "./books.ts";
import type { CommandContext } from "./command.ts";
import { fleetBooks } from "./fleet_books.ts";

/** What is in it. The provider may be running. @throws KhachapuriError `not_found` */
export async function lookIntoOutbox(context: CommandContext): Promise<SignedForm[]> {
  if (!await isFleet(context)) return readOutbox(await outboxFile(context));
  await using stack = new AsyncDisposableStack();
  return await readSharedOutbox(await fleetBooks(context, stack));
}

/**
 * Opens it to be changed: nobody else sends until `stack` is disposed of.
 * @throws KhachapuriError `not_found`; `access_denied` while the provider, or a node of it, runs
 */
export async function takeOutbox(
  context: CommandContext,
  stack: AsyncDisposableStack,
): Promise<OutboxStore> {
  if (await isFleet(context)) return await leadAndOpen(context, stack);
  const path = await outboxFile(context);
  const lock = await lockState(join(await bookDir(context), LOCK_FILE));
  stack.defer(() => lock.release());
  const store = openOutboxStore(path);
  stack.defer(() => store.close());
  return store;
}

async function outboxFile(context: CommandContext): Promise<string> {
  const path = join(await bookDir(context), "operator.db");
  await Deno.stat(path).catch(() => {
    throw new KhachapuriError("not_found", `there is no outbox at ${path} yet`, {
      hints: ["it is made when the provider first serves"],
    });
  });
  return path;
}

/**
 * Whoever leads sends, so this process leads meanwhile, as a node of this machine's name. A node
 * that starts leads when this is over, and reads the outbox then.
 */
async function leadAndOpen(
  context: CommandContext,
  stack: AsyncDisposableStack,
): Promise<OutboxStore> {
  const database = await fleetBooks(context, stack);
  const sessions = await beginSession(context, database);
  stack.defer(() => sessions.end());
  const others = sessions.nodes().filter(({ session }) => session !== sessions.session);
  if (others.length > 0) throw running(others.map(({ node }) => node));
  const leadership = await Leadership.begin({
    database,
    session: () => sessions.session,
    onGained: () => {},
    onLost: () => {},
  });
  stack.defer(async () => {
    await leadership.resign();
    await leadership.close();
  });
  const { term } = leadership;
  if (term === null) throw running([]);
  return whileLeading(database, term, () => leadership.term?.term === term.term);
}

async function beginSession(context: CommandContext, database: Database): Promise<Sessions> {
  const { fleet } = requireProvider(await context.config());
  const card = { node: fleet!.node, url: nodeUrlOf(fleet!), version: VERSION };
  return await Sessions.begin({ database, card, facts: () => ({}), onLost: () => {} });
}

/** Whoever leads no more drops nothing, and is not told: a person is. */
function whileLeading(database: Database, term: Term, leads: () => boolean): OutboxStore {
  const store = postgresOutboxStore(database, term);
  return {
    load: () => store.load(),
    remember: (form) => store.remember(form),
    async forget(nonce) {
      await store.forget(nonce);
      if (!leads()) throw running([]);
    },
  };
}

function running(nodes: readonly string[]): KhachapuriError {
  const who = nodes.length === 0 ? "a node leads the fleet" : `nodes run: ${nodes.join(", ")}`;
  return new KhachapuriError("access_denied", `${who}, and may send`, {
    hints: ["stop all nodes first; one that was killed is forgotten after ten seconds"],
  });
}
