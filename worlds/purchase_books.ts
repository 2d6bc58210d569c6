/** Books of single payments, in SQLite and in a fleet's database: tests of both use them alike. */
import { join } from "node:path";
import { type Address, getAddress, type Hex, pad } from "viem";
import type { Database } from "../lib/provider/fleet/database.ts";
import {
  LeadersPurchases,
  type SettlersTerm,
} from "../lib/provider/ledger/postgres/leaders_purchases.ts";
import { PostgresPurchases } from "../lib/provider/ledger/postgres/postgres_purchases.ts";
import type {
  Funds,
  Ordered,
  PurchaseBook,
  PurchaseFigures,
} from "../lib/provider/ledger/purchase_book.ts";
import type { Order } from "../lib/provider/ledger/purchase_rows.ts";
import { Purchases } from "../lib/provider/ledger/purchases.ts";
import { freshDatabase } from "./fleet_database.ts";
import { makeFolder } from "./home.ts";
import type { Cluster } from "./postgres/cluster.ts";

export const ASSET = getAddress(pad("0xa5", { size: 20 }));
export const ANNA = getAddress(pad("0xaa", { size: 20 }));
export const PROVIDER = getAddress(pad("0xbb", { size: 20 }));
export const CID = "bafkreidtfmd5zdgkztp6mgd2xgfqidlhmhamhkcgyxee3jvbpsrtwotasa" as Order["cid"];
export const RICH: Funds = { balance: 1_000_000n, since: 0 };
export const BLOCK = { number: 7n, hash: pad("0x77") };
export const TX: Hex = pad("0x7a");

export interface BookWorld extends AsyncDisposable {
  readonly book: PurchaseBook;
  /** Whatever clock it has, ms. */
  setClock(ms: number): Promise<void>;
  /** Another one on the same rows. */
  open(chainId: number, asset: Address): PurchaseBook;
  /** The process ends, and another one opens the book. */
  restart(): Promise<void>;
  figures(): Promise<PurchaseFigures>;
  /** What is over goes now, where it has not gone with an order. */
  purge(): Promise<void>;
  /** Forgets all that was written. */
  clear(): Promise<void>;
}

export async function sqliteBook(): Promise<BookWorld> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  let nowMs = 1_000;
  let files = 0;
  let path = "";
  const open = (chainId = 31_337, asset = ASSET) => {
    const book = new Purchases({ path, chainId, asset, now: () => nowMs });
    owned.defer(() => book.close());
    return book;
  };
  const begin = () => {
    path = join(dir, `purchases_${++files}.db`);
    return open();
  };
  const owned = stack.move();
  let book = begin();
  const reopen = (next: () => Purchases) => {
    book.close();
    book = next();
    return Promise.resolve();
  };
  return {
    get book() {
      return book;
    },
    setClock(ms) {
      nowMs = ms;
      return Promise.resolve();
    },
    open,
    restart: () => reopen(open),
    figures: () => Promise.resolve(book.figures()),
    purge: () => Promise.resolve(),
    clear: () => reopen(begin),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** @param via what the book asks in the database's place */
export async function postgresBook(
  server: Cluster,
  via: (database: Database) => Database = (database) => database,
): Promise<BookWorld> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await freshDatabase(server));
  const database = via(world.database);
  const setClock = (ms: number) => setDatabaseClock(database, ms);
  await setClock(1_000);
  let session = 0;
  let term: SettlersTerm;
  let calls: PostgresPurchases;
  let book: PurchaseBook;
  const open = (chainId = 31_337, asset = ASSET) => {
    calls = bookOf(database, session, chainId, asset);
    return joined(calls, new LeadersPurchases(database, calls, term));
  };
  const restart = async () => {
    await endSession(database, session);
    session = await beginSession(world.database);
    term = await lead(world.database, session);
    book = open();
  };
  await restart();
  const owned = stack.move();
  return {
    get book() {
      return book;
    },
    setClock,
    open,
    restart,
    figures: () => calls.readFigures(),
    purge: () => calls.purge(),
    clear: () => database.script("TRUNCATE khachapuri.purchases, khachapuri.purchasers"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Has each statement carried out twice, as if the first one's answer had been lost. */
export function repeating(database: Database): Database {
  return {
    name: database.name,
    async ask<Row>(...asked: Parameters<Database["ask"]>) {
      await database.ask(...asked);
      return await database.ask<Row>(...asked);
    },
    script: (statements) => database.script(statements),
    trouble: () => database.trouble(),
    close: () => database.close(),
  };
}

/** What calls and who leads have of the book, in one. */
function joined(calls: PostgresPurchases, settler: LeadersPurchases): PurchaseBook {
  const get = (_: unknown, name: string) => {
    const part: object = name in settler ? settler : calls;
    return Reflect.get(part, name).bind(part);
  };
  return new Proxy({}, { get }) as PurchaseBook;
}

/** A session leads from now on, whoever did. */
export async function lead(database: Database, session: number): Promise<SettlersTerm> {
  await database.ask("UPDATE leader SET until = now() - interval '1 ms'");
  const [row] = await database.ask<{ leader: { term: number } }>(
    "SELECT lead_1($1, NULL, NULL) AS leader",
    [session],
  );
  return { session, term: row!.leader.term };
}

/** The book as a node of that session has it. */
export function bookOf(
  database: Database,
  session: number,
  chainId = 31_337,
  asset: Address = ASSET,
): PostgresPurchases {
  const options = { database, session: () => session, chainId, asset, now: Date.now };
  return new PostgresPurchases(options);
}

/** A node's, which lives until it is ended. */
export async function beginSession(database: Database): Promise<number> {
  const [begun] = await database.ask<{ id: number }>(
    "SELECT begin_session_1('node', 'http://node:1', '1', '{}') AS id",
  );
  await database.ask("UPDATE sessions SET until = now() + interval '1 day' WHERE id = $1", [
    begun!.id,
  ]);
  return begun!.id;
}

export async function endSession(database: Database, session: number): Promise<void> {
  await database.ask("SELECT end_session_1($1)", [session]);
}

/** What the database's clock says from now on, but for who lives. */
export async function setDatabaseClock(database: Database, ms: number): Promise<void> {
  await database.script(
    `CREATE OR REPLACE FUNCTION khachapuri.now_ms() RETURNS int8 LANGUAGE sql VOLATILE
     AS 'SELECT ${ms}::int8'`,
  );
}

export function orderOf(n: number, changes: Partial<Order> = {}, from: Address = ANNA): Order {
  return {
    authorization: {
      from,
      to: PROVIDER,
      value: 10n,
      validAfter: 0n,
      validBefore: 1n << 200n,
      nonce: pad(`0x${n.toString(16)}`),
    },
    signature: "0x51",
    cid: CID,
    request: new Uint8Array([1, 2]),
    key: null,
    block: 5n,
    ...changes,
  };
}

export function idOf(ordered: Ordered): number {
  if ("purchase" in ordered) return ordered.purchase.id;
  throw new Error(`refused: ${ordered.refusal.reason}`);
}

export function reasonOf(ordered: Ordered): string {
  if ("refusal" in ordered) return ordered.refusal.reason;
  throw new Error("taken");
}
