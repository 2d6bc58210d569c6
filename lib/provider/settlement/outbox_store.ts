/** The operator's outbox on disk: what was signed outlives the process, and a power cut. */
import { DatabaseSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import type { OutboxStore, Rank, SignedForm } from "../../chain/outbox/store.ts";
import { openDurable } from "../ledger/durable.ts";

export interface DurableOutboxStore extends OutboxStore {
  close(): void;
}

/** A row for each signed form; amounts in wei, as text because SQLite's integers have 64 bits. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS outbox (
    raw TEXT PRIMARY KEY,
    nonce INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    data TEXT NOT NULL,
    gas TEXT NOT NULL,
    maxFeePerGas TEXT NOT NULL,
    maxPriorityFeePerGas TEXT NOT NULL
  ) STRICT;
`;

/** Columns that a store of an earlier version does not have; null in its rows. */
const ADDED = ["rank TEXT", "costMax TEXT", "signedAt INTEGER"];

const SELECT = "SELECT * FROM outbox ORDER BY nonce, rowid";

/** Of an earlier version's store, which is only read, the added columns are not there. */
interface Row {
  raw: Hex;
  nonce: number;
  recipient: Address;
  data: Hex;
  gas: string;
  maxFeePerGas: string;
  maxPriorityFeePerGas: string;
  rank?: Rank | null;
  costMax?: string | null;
  signedAt?: number | null;
}

/** Opens (or creates) the store at `path`. It holds calls only, no contract creations. */
export function openOutboxStore(path: string): DurableOutboxStore {
  const durable = openDurable(path, SCHEMA);
  const { database } = durable;
  addColumns(database);
  const select = database.prepare(SELECT);
  const insert = database.prepare("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const removeForm = database.prepare("DELETE FROM outbox WHERE raw = ?");
  const removeNonce = database.prepare("DELETE FROM outbox WHERE nonce = ?");
  return {
    load: () => Promise.resolve((select.all() as unknown as Row[]).map(formOf)),
    async remember({ raw, nonce, to, data, gas, rank, costMax, signedAt, ...fees }) {
      if (to === null) throw new TypeError("a contract creation is no operator's transaction");
      const { maxFeePerGas, maxPriorityFeePerGas } = fees;
      const amounts = [gas, maxFeePerGas, maxPriorityFeePerGas].map(String);
      const worth = costMax === null ? null : String(costMax);
      insert.run(raw, nonce, to, data, ...amounts, rank, worth, signedAt);
      try {
        await durable.sync();
      } catch (error) {
        removeForm.run(raw);
        throw error;
      }
    },
    // Not synced: a receipt that is found again after a crash changes nothing.
    forget(nonce) {
      removeNonce.run(nonce);
      return Promise.resolve();
    },
    close: () => durable.close(),
  };
}

/** What the store at `path` holds, for who only looks: its provider may be running. */
export function readOutbox(path: string): SignedForm[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = database.prepare(SELECT).all();
    return (rows as unknown as Row[]).map(formOf);
  } finally {
    database.close();
  }
}

function addColumns(database: DatabaseSync): void {
  const held = database.prepare("PRAGMA table_info(outbox)").all().map(({ name }) => name);
  for (const column of ADDED) {
    const [name] = column.split(" ");
    if (!held.includes(name!)) database.exec(`ALTER TABLE outbox ADD COLUMN ${column}`);
  }
}

function formOf({ raw, nonce, recipient, data, gas, ...row }: Row): SignedForm {
  return {
    raw,
    nonce,
    to: recipient,
    data,
    gas: BigInt(gas),
    maxFeePerGas: BigInt(row.maxFeePerGas),
    maxPriorityFeePerGas: BigInt(row.maxPriorityFeePerGas),
    // What nobody ranked gives way to nothing.
    rank: row.rank ?? "settlement",
    costMax: row.costMax ? BigInt(row.costMax) : null,
    signedAt: row.signedAt ?? null,
  };
}
