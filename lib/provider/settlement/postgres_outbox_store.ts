/**
 * The operator's outbox in the database of a fleet. Whatever is written checks that its writer
 * leads still, and keeps others from beginning to until it is written: so who leads next finds all
 * that may have been broadcast, and no nonce is ever signed for two calls.
 */
import { type Address, type Hex, keccak256 } from "viem";
import type { Rank, SignedForm } from "../../chain/outbox/store.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Database } from "../fleet/database.ts";
import type { Term } from "../fleet/leadership.ts";
import type { DurableOutboxStore } from "./outbox_store.ts";

/** What of a nonce could not be dropped, or may be stored though nobody said so. */
interface Stray {
  readonly nonce: number;
  /** Null: every form. */
  readonly form: Hex | null;
}

interface Row {
  raw: Hex;
  nonce: string;
  recipient: Address;
  data: Hex;
  gas: string;
  max_fee: string;
  max_priority_fee: string;
  rank: Rank;
  cost_max: string | null;
  signed_at: string | null;
}

const SELECT = "SELECT * FROM outbox ORDER BY nonce, seq";
const REMEMBER = `
  SELECT remember_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS outcome
`;
const FORGET = "SELECT forget_1($1, $2, $3, $4)";

/** What has led and leads no more. */
const NOT_LEADING = "NotLeading";

/** Of the node that leads in `term`, for that term. */
export function postgresOutboxStore(database: Database, term: Term): DurableOutboxStore {
  let strays: readonly Stray[] = [];

  async function drop(stray: Stray): Promise<void> {
    if (!strays.includes(stray)) strays = [...strays, stray];
    await database.ask(FORGET, [term.session, term.term, stray.nonce, stray.form]);
    strays = strays.filter((other) => other !== stray);
  }

  return {
    load: () => readSharedOutbox(database),
    async remember(form) {
      const { nonce, to } = form;
      if (to === null) throw new TypeError("a contract creation is no operator's transaction");
      for (const stray of strays) if (stray.nonce === nonce) await drop(stray);
      const hash = keccak256(form.raw);
      const outcome = await write(database, term, hash, form).catch((error) => {
        // It may be written all the same.
        strays = [...strays, { nonce, form: hash }];
        throw error;
      });
      if (outcome !== "stored") throw refused(outcome, nonce);
    },
    forget: (nonce) => drop({ nonce, form: null }),
    close: () => {},
  };
}

/** What the fleet's outbox holds, for whoever looks. @throws KhachapuriError */
export async function readSharedOutbox(database: Database): Promise<SignedForm[]> {
  return (await database.ask<Row>(SELECT)).map(formOf);
}

/** Whether it failed because this node leads no more: another one may carry it out. */
export function isNotLeading(error: unknown): boolean {
  return error instanceof KhachapuriError && error.data.reason === NOT_LEADING;
}

async function write(
  database: Database,
  { session, term }: Term,
  hash: Hex,
  { raw, nonce, to, data, gas, maxFeePerGas, maxPriorityFeePerGas, ...form }: SignedForm,
): Promise<string> {
  const amounts = [gas, maxFeePerGas, maxPriorityFeePerGas].map(String);
  const worth = form.costMax === null ? null : String(form.costMax);
  const [row] = await database.ask<{ outcome: string }>(
    REMEMBER,
    [session, term, nonce, hash, raw, to, data, ...amounts, form.rank, worth, form.signedAt],
  );
  return row!.outcome;
}

function refused(outcome: string, nonce: number): KhachapuriError {
  if (outcome === "taken") {
    return new KhachapuriError("internal", `nonce ${nonce} is another transaction's`);
  }
  return new KhachapuriError("chain_unavailable", "another node of the provider sends by now", {
    retryAfterSeconds: 1,
    hints: ["nothing was sent; try again"],
    data: { reason: NOT_LEADING },
  });
}

function formOf({ raw, nonce, recipient, data, gas, rank, ...row }: Row): SignedForm {
  return {
    raw,
    nonce: Number(nonce),
    to: recipient,
    data,
    gas: BigInt(gas),
    maxFeePerGas: BigInt(row.max_fee),
    maxPriorityFeePerGas: BigInt(row.max_priority_fee),
    rank,
    costMax: row.cost_max === null ? null : BigInt(row.cost_max),
    signedAt: row.signed_at === null ? null : Number(row.signed_at),
  };
}
