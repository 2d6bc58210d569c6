/** The operator's outbox on disk: what was signed outlives the process, and a power cut. */
import type { Address, Hex } from "viem";
import type { OutboxStore, SignedForm } from "../../chain/outbox/store.ts";
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

interface Row {
  raw: Hex;
  nonce: number;
  recipient: Address;
  data: Hex;
  gas: string;
  maxFeePerGas: string;
  maxPriorityFeePerGas: string;
}

/** Opens (or creates) the store at `path`. It holds calls only, no contract creations. */
export function openOutboxStore(path: string): DurableOutboxStore {
  const durable = openDurable(path, SCHEMA);
  const { database } = durable;
  const select = database.prepare("SELECT * FROM outbox ORDER BY nonce, rowid");
  const insert = database.prepare("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)");
  const removeForm = database.prepare("DELETE FROM outbox WHERE raw = ?");
  const removeNonce = database.prepare("DELETE FROM outbox WHERE nonce = ?");
  return {
    load: () => (select.all() as unknown as Row[]).map(formOf),
    async remember({ raw, nonce, to, data, gas, maxFeePerGas, maxPriorityFeePerGas }) {
      if (to === null) throw new TypeError("a contract creation is no operator's transaction");
      const fees = [String(maxFeePerGas), String(maxPriorityFeePerGas)] as const;
      insert.run(raw, nonce, to, data, String(gas), ...fees);
      try {
        await durable.sync();
      } catch (error) {
        removeForm.run(raw);
        throw error;
      }
    },
    // Not synced: a receipt that is found again after a crash changes nothing.
    forget: (nonce) => void removeNonce.run(nonce),
    close: () => durable.close(),
  };
}

function formOf({ raw, nonce, recipient, data, gas, ...fees }: Row): SignedForm {
  return {
    raw,
    nonce,
    to: recipient,
    data,
    gas: BigInt(gas),
    maxFeePerGas: BigInt(fees.maxFeePerGas),
    maxPriorityFeePerGas: BigInt(fees.maxPriorityFeePerGas),
  };
}
