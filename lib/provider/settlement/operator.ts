/**
 * The operator's transactions, durable: one is on disk, signed, before it is broadcast, and keeps
 * its nonce whatever happens. A retry is the same nonce again (with a higher fee when it is stuck),
 * so a call that is not idempotent is mined once or never.
 */
import type { DatabaseSync } from "node:sqlite";
import {
  type Address,
  BaseError,
  encodeFunctionData,
  getContractError,
  type Hex,
  keccak256,
  type LocalAccount,
  type PublicClient,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import type { Chain, ContractCall } from "../../chain/client.ts";
import { asChainError, readFailure, wordFailure } from "../../chain/refusal.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { openDurable } from "../ledger/durable.ts";

export interface OperatorOptions {
  path: string;
  chain: Chain;
  account: LocalAccount;
  log: Log;
  /** Called once for every mined transaction, also those of an earlier process. */
  onMined(receipt: TransactionReceipt): Promise<void>;
  /** Between two looks for receipts, ms. */
  pollMs?: number;
  /** After this long without a receipt the fee is raised, ms. */
  bumpAfterMs?: number;
  now?: () => number;
}

interface Call {
  to: Address;
  data: Hex;
}

export interface Operator {
  readonly address: Address;
  /**
   * Simulates, signs, stores and broadcasts `call`; resolves with its receipt, whether it succeeded
   * or reverted.
   * @throws KhachapuriError `chain_refused` with the custom error in `data.reason`,
   * `chain_unavailable`: nothing was or will be sent
   */
  send(call: ContractCall): Promise<TransactionReceipt>;
  /** Transactions that are neither mined nor dropped. */
  pending(): number;
  close(): Promise<void>;
}

interface Flight {
  nonce: number;
  call: Call;
  gas: bigint;
  /** Every signed form of this nonce, oldest first. */
  signed: Hex[];
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
  sentAt: number;
  /** Since when its nonce counts as used while no form of it has a receipt; null while it waits. */
  usedSince: number | null;
  resolve(receipt: TransactionReceipt): void;
  reject(error: unknown): void;
  done: Promise<TransactionReceipt>;
}

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

/** A hole below our nonces up to this size is filled; beyond it the count behind it was a lie. */
const HOLE_MAX = 64;

/** A stuck transaction is replaced at 1.25 times its fee; nodes ask for at least 1.1. */
const BUMP_NUMERATOR = 5n;
const BUMP_DENOMINATOR = 4n;

/** Opens the operator's outbox and takes up what an earlier process left unmined. */
export function openOperator(options: OperatorOptions): Operator {
  const { account, log, chain: { public: client, chainId, endpoint } } = options;
  const pollMs = options.pollMs ?? 500;
  const bumpAfterMs = options.bumpAfterMs ?? 30_000;
  const now = options.now ?? Date.now;
  const durable = openDurable(options.path, SCHEMA);
  const { database } = durable;
  const remember = database.prepare("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)");
  const forget = database.prepare("DELETE FROM outbox WHERE nonce = ?");

  const flights = new Map<number, Flight>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  let looking: Promise<void> | null = null;
  let closed = false;
  let turn: Promise<unknown> = Promise.resolve();
  let nextNonce: number | null = null;
  let holeSince: number | null = null;

  async function sign(flight: Flight): Promise<void> {
    const raw = await account.signTransaction({
      type: "eip1559",
      chainId,
      nonce: flight.nonce,
      gas: flight.gas,
      maxFeePerGas: flight.maxFeePerGas,
      maxPriorityFeePerGas: flight.maxPriorityFeePerGas,
      ...flight.call,
    });
    const { nonce, call, gas, maxFeePerGas, maxPriorityFeePerGas } = flight;
    const fees = [String(gas), String(maxFeePerGas), String(maxPriorityFeePerGas)] as const;
    remember.run(raw, nonce, call.to, call.data, ...fees);
    await durable.sync();
    flight.signed.push(raw);
    flight.sentAt = now();
  }

  /** Broadcasting may fail or be lost; the next look tries again. */
  async function broadcast(flight: Flight): Promise<void> {
    try {
      await client.sendRawTransaction({ serializedTransaction: flight.signed.at(-1)! });
    } catch (error) {
      const { message } = asChainError(error, endpoint);
      log.debug("operator transaction not accepted yet", { nonce: flight.nonce, message });
    }
  }

  async function receiptOf(flight: Flight): Promise<TransactionReceipt | null> {
    for (const raw of [...flight.signed].reverse()) {
      try {
        return await client.getTransactionReceipt({ hash: keccak256(raw) });
      } catch (error) {
        if (!(error instanceof TransactionReceiptNotFoundError)) throw error;
      }
    }
    return null;
  }

  async function settleFlight(flight: Flight, receipt: TransactionReceipt): Promise<void> {
    await options.onMined(receipt);
    flights.delete(flight.nonce);
    // Not synced: a receipt that is found again after a crash changes nothing.
    forget.run(flight.nonce);
    flight.resolve(receipt);
  }

  /** This nonce will never be mined as ours. */
  function drop(flight: Flight, why: string): void {
    flights.delete(flight.nonce);
    forget.run(flight.nonce);
    nextNonce = null;
    log.error("operator transaction given up", { nonce: flight.nonce, why });
    flight.reject(
      new KhachapuriError("chain_unavailable", why, {
        hints: ["use the operator key on one provider only"],
      }),
    );
  }

  /**
   * Mined between two questions, or used by a transaction that is none of ours. A node may also
   * count too far for a moment, and what we give up could still be mined: so not at once.
   */
  function lookAtUsed(flight: Flight): void {
    flight.usedSince ??= now();
    if (now() - flight.usedSince < bumpAfterMs) return;
    drop(flight, "the operator's nonce was used elsewhere");
  }

  async function look(flight: Flight, chainNonce: number): Promise<void> {
    const receipt = await receiptOf(flight);
    if (receipt) return await settleFlight(flight, receipt);
    if (chainNonce > flight.nonce) return lookAtUsed(flight);
    flight.usedSince = null;
    if (now() - flight.sentAt >= bumpAfterMs) {
      flight.maxFeePerGas = flight.maxFeePerGas * BUMP_NUMERATOR / BUMP_DENOMINATOR + 1n;
      flight.maxPriorityFeePerGas =
        flight.maxPriorityFeePerGas * BUMP_NUMERATOR / BUMP_DENOMINATOR + 1n;
      await sign(flight);
      log.warn("operator transaction stuck, fee raised", { nonce: flight.nonce });
    }
    await broadcast(flight);
  }

  /**
   * Nothing of ours is mined while a nonce below it is free: a reorganised chain has lost one, or a
   * node once counted too far. Once that has lasted, transfers of nothing to ourselves take the
   * free ones.
   */
  async function closeHole(chainNonce: number): Promise<void> {
    const lowest = Math.min(...flights.keys());
    if (lowest <= chainNonce) return void (holeSince = null);
    holeSince ??= now();
    if (now() - holeSince < bumpAfterMs) return;
    holeSince = null;
    if (lowest - chainNonce > HOLE_MAX) {
      for (const flight of [...flights.values()]) drop(flight, "the operator's nonce is far ahead");
      return;
    }
    log.warn("filling the operator's free nonces", { from: chainNonce, below: lowest });
    const call: Call = { to: account.address, data: "0x" };
    const prepared = await prepare(client, account.address, call);
    for (let nonce = chainNonce; nonce < lowest; nonce++) {
      const filler = newFlight({ nonce, call, ...prepared }, now());
      await sign(filler);
      flights.set(nonce, filler);
    }
  }

  async function lookAtAll(): Promise<void> {
    try {
      const chainNonce = await client.getTransactionCount({
        address: account.address,
        blockTag: "latest",
      });
      await closeHole(chainNonce);
      for (const flight of [...flights.values()]) await look(flight, chainNonce);
    } catch (error) {
      // A book that cannot be written is no reason to end the provider: it is asked again.
      const message = error instanceof BaseError
        ? asChainError(error, endpoint).message
        : String(error);
      log.warn("looking for receipts again", { message });
    }
  }

  function schedule(afterMs: number): void {
    if (timer || looking || closed || flights.size === 0) return;
    timer = setTimeout(() => {
      timer = null;
      looking = lookAtAll().finally(() => {
        looking = null;
        schedule(pollMs);
      });
    }, afterMs);
  }

  /** What the node counts, and never a nonce that we have out: the node may lag behind. */
  async function freeNonce(): Promise<number> {
    const { address } = account;
    const pending = await client.getTransactionCount({ address, blockTag: "pending" });
    return Math.max(pending, ...[...flights.keys()].map((nonce) => nonce + 1));
  }

  async function launch(wanted: ContractCall): Promise<Flight> {
    const call = encode(wanted);
    const prepared = await prepare(client, account.address, call);
    const flight = newFlight({ nonce: nextNonce ??= await freeNonce(), call, ...prepared }, now());
    await sign(flight);
    nextNonce += 1;
    flights.set(flight.nonce, flight);
    await broadcast(flight);
    schedule(0);
    return flight;
  }

  // What is stored may lie below what is mined already, so the next nonce is asked for.
  for (const flight of stored(database, now())) flights.set(flight.nonce, flight);
  schedule(0);

  return {
    address: account.address,
    async send(call) {
      // One at a time, so that nonces are handed out in order and none is skipped on a failure.
      const launched = turn.then(() => launch(call)).catch((cause) => {
        throw refusal(cause, call, account.address, endpoint);
      });
      turn = launched.catch(() => {});
      return await (await launched).done;
    },
    pending: () => flights.size,
    async close() {
      closed = true;
      if (timer) clearTimeout(timer);
      await turn;
      await looking;
      durable.close();
    },
  };
}

type FlightPlan = Pick<
  Flight,
  "nonce" | "call" | "gas" | "maxFeePerGas" | "maxPriorityFeePerGas"
>;

function newFlight(plan: FlightPlan, sentAt: number): Flight {
  const { promise, resolve, reject } = Promise.withResolvers<TransactionReceipt>();
  // A flight of an earlier process has nobody waiting for it.
  promise.catch(() => {});
  return { ...plan, signed: [], sentAt, usedSince: null, done: promise, resolve, reject };
}

/** Gas with room for state that changes before the block, and fees for two full blocks. */
async function prepare(client: PublicClient, from: Address, call: Call) {
  const [gas, fees] = await Promise.all([
    client.estimateGas({ account: from, ...call, prepare: false }),
    client.estimateFeesPerGas(),
  ]);
  return { gas: gas * 5n / 4n, ...fees };
}

function encode({ address, abi, functionName, args = [] }: ContractCall): Call {
  return { to: address, data: encodeFunctionData({ abi, functionName, args }) };
}

/** The escrow's own no stays `chain_refused`; that we lack gas is our trouble, not the payer's. */
function refusal(
  cause: unknown,
  call: ContractCall,
  sender: Address,
  endpoint: string,
): KhachapuriError {
  const { abi, address, functionName, args = [], messages } = call;
  const about = { abi, address, functionName, args, sender };
  const failure = readFailure(getContractError(cause as Error, about), endpoint, messages);
  const error = wordFailure(failure);
  if (failure.kind === "reverted" || failure.kind === "no contract") return error;
  return new KhachapuriError("chain_unavailable", "the provider cannot settle right now", {
    cause: error,
    retryAfterSeconds: 5,
    hints: ["nothing was charged; try again"],
  });
}

interface StoredFlight {
  raw: Hex;
  nonce: number;
  recipient: Address;
  data: Hex;
  gas: string;
  maxFeePerGas: string;
  maxPriorityFeePerGas: string;
}

function stored(database: DatabaseSync, sentAt: number): Flight[] {
  const flights = new Map<number, Flight>();
  const rows = database.prepare("SELECT * FROM outbox ORDER BY nonce, rowid").all();
  for (const row of rows as unknown as StoredFlight[]) {
    const flight = flights.get(row.nonce) ?? newFlight({
      nonce: row.nonce,
      call: { to: row.recipient, data: row.data },
      gas: BigInt(row.gas),
      maxFeePerGas: 0n,
      maxPriorityFeePerGas: 0n,
    }, sentAt);
    flight.signed.push(row.raw);
    flight.maxFeePerGas = BigInt(row.maxFeePerGas);
    flight.maxPriorityFeePerGas = BigInt(row.maxPriorityFeePerGas);
    flights.set(row.nonce, flight);
  }
  return [...flights.values()];
}
