/**
 * The operator's transactions, durable: one is on disk, signed, before it is broadcast, and keeps
 * its nonce whatever happens. A retry is the same nonce again (with a higher fee when it is stuck),
 * so a call that is not idempotent is mined once or never.
 */
import type { LocalAccount, TransactionReceipt } from "viem";
import type { Chain } from "../../chain/client.ts";
import { alarmsOf, type OutboxState } from "../../chain/outbox/alarms.ts";
import { gasPriceOf } from "../../chain/outbox/fees.ts";
import type { Launched } from "../../chain/outbox/options.ts";
import { Outbox } from "../../chain/outbox/outbox.ts";
import type { After } from "../../chain/outbox/pace.ts";
import type { Call } from "../../chain/outbox/store.ts";
import { KhachapuriError } from "../../errors.ts";
import { NONCE_HOLE_MAX, RELAYS_OUT_MAX } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { breathe } from "../../slices.ts";
import { bytesOf, type OperatorCall } from "./operator_call.ts";
import { logNotice, wordGiveUp } from "./operator_notices.ts";
import { askChain, type GasBounds, type OperatorQuestions } from "./operator_questions.ts";
import type { DurableOutboxStore } from "./outbox_store.ts";

export type { OperatorCall };

export interface OperatorOptions {
  /** Closed with it. */
  store: DurableOutboxStore;
  chain: Chain;
  account: LocalAccount;
  log: Log;
  /** Called once for every mined transaction, also those of an earlier process. */
  onMined(receipt: TransactionReceipt): Promise<void>;
  /** Between two looks for receipts, ms. */
  pollMs?: number;
  /** After this long without a receipt the fee is raised, ms. */
  bumpAfterMs?: number;
  /** The most that is paid for a unit of gas, wei; null: no limit. */
  feeMax?: bigint | null;
  now?: () => number;
  /** The timer of the looks; a test passes its own. */
  after?: After;
}

/** How one transaction stands among the others. */
export interface Sending extends GasBounds {
  /** What is settled goes before what is relayed for others. */
  rank: "settlement" | "relay";
  /** The most that it may cost, wei, by what it is worth; null: what the configuration allows. */
  costMax: bigint | null;
}

/** For who measures. */
export interface OperatorFigures {
  /** Since the oldest transaction that is out was signed, ms; 0: none is. */
  oldestMs: number;
  /** As it was read last, wei; null: it was not. */
  balance: bigint | null;
  /** What a unit of gas cost when that was asked last, wei; null: it was not. */
  gasPrice: bigint | null;
  /** Fees raised since the start. */
  raises: number;
  lacksCoin: boolean;
}

export interface Operator extends OperatorQuestions {
  /** Resolves when all that an earlier process left is mined or dropped. */
  readonly inherited: Promise<void>;
  /**
   * Simulates, signs, stores and broadcasts `call`; it is out when this resolves.
   * @throws KhachapuriError `chain_refused` with the custom error in `data.reason`, `overloaded`
   *   for a relay too many, `chain_unavailable`, with `data.reason` "GasTooDear" where gas costs
   *   more than `sending` allows: nothing was sent
   */
  launch(call: OperatorCall, sending: Sending): Promise<Launched>;
  /**
   * Launches `call`; resolves with its receipt, whether it succeeded or reverted.
   * @throws KhachapuriError as `launch`; `chain_unavailable` also when it was given up because its
   *   nonce is used, or when it gave way to a settlement
   */
  send(call: OperatorCall, sending: Sending): Promise<TransactionReceipt>;
  /** Whether a transaction with this call is neither mined nor dropped. */
  isOut(call: OperatorCall): boolean;
  /** The calls of all that is neither mined nor dropped. */
  calls(): readonly Call[];
  /** What becomes of the transaction with this call, as `send` tells it; null: none is out. */
  endOf(call: OperatorCall): Promise<TransactionReceipt> | null;
  /** A block was made: what is out is looked for in it now. */
  lookNow(): void;
  /** Transactions that are neither mined nor dropped. */
  pending(): number;
  /** What a person must look at, in plain words; empty when all is well. */
  alarms(): readonly string[];
  figures(): OperatorFigures;
  close(): Promise<void>;
}

/** What a node has is broadcast to it again: others may have dropped it, ms. */
const REBROADCAST_AFTER_MS = 10_000;
/**
 * With all out that may be a close look asks twenty questions, one that finds nothing mined asks
 * one: most of what the chain is asked in a minute would be this.
 */
const CLOSE_EVERY = 8;

/** Opens the operator's outbox and takes up what an earlier process left unmined. */
export async function openOperator(options: OperatorOptions): Promise<Operator> {
  const { store, chain, account: { address } } = options;
  const now = options.now ?? Date.now;
  const outbox = await openOutbox(options);
  const { prepare, refused, ...questions } = askChain(chain, address, now);
  let relaysLaunching = 0;

  async function launch(call: OperatorCall, sending: Sending): Promise<Launched> {
    const { rank, costMax } = sending;
    const isRelay = rank === "relay";
    const relaysOut = relaysLaunching + outbox.count("relay");
    if (isRelay && relaysOut >= RELAYS_OUT_MAX) throw tooManyRelays();
    if (isRelay) relaysLaunching += 1;
    const launched = outbox.launch({ rank, costMax }, () => prepare(call, sending));
    return await launched.catch(refused(call)).finally(() => {
      if (isRelay) relaysLaunching -= 1;
    });
  }

  return {
    ...questions,
    inherited: outbox.inherited,
    launch,
    async send(call, sending) {
      const { mined } = await launch(call, sending);
      return await mined;
    },
    isOut: (call) => outbox.has(bytesOf(call)),
    calls: () => outbox.calls(),
    endOf: (call) => outbox.endOf(bytesOf(call)),
    lookNow: () => outbox.lookNow(),
    pending: () => outbox.size,
    alarms: () => alarmsOf(outbox.state(), now()),
    figures: () => figuresOf(outbox.state(), now()),
    async close() {
      await outbox.close();
      store.close();
    },
  };
}

function openOutbox(options: OperatorOptions): Promise<Outbox> {
  const { account, store, log, onMined, chain: { public: client, chainId, endpoint } } = options;
  const pollMs = options.pollMs ?? 500;
  return Outbox.open({
    client,
    endpoint,
    chainId,
    account: inTurns(account),
    store,
    policy: {
      rebroadcastAfterMs: REBROADCAST_AFTER_MS,
      giveUpAfterMs: null,
      repair: {
        afterMs: options.bumpAfterMs ?? 30_000,
        feeMax: options.feeMax ?? null,
        holeMax: NONCE_HOLE_MAX,
        closeEvery: CLOSE_EVERY,
      },
    },
    pause: { firstMs: pollMs, lastMs: pollMs },
    launchAttempts: null,
    now: options.now ?? Date.now,
    ...(options.after === undefined ? {} : { after: options.after }),
    onMined,
    wordGiveUp,
    notice: (notice) => logNotice(log, notice),
  });
}

/** Signing a batch takes about as long as the event loop may be kept, so nothing is added to it. */
function inTurns(account: LocalAccount): LocalAccount {
  return {
    ...account,
    async signTransaction(...transaction) {
      await breathe();
      const raw = await account.signTransaction(...transaction);
      await breathe();
      return raw;
    },
  };
}

function figuresOf(state: OutboxState, now: number): OperatorFigures {
  const { flights, balance, price, raises, minedAt } = state;
  const oldest = Math.min(now, ...flights.map(({ since }) => since ?? minedAt));
  return {
    oldestMs: now - oldest,
    balance,
    gasPrice: price && gasPriceOf(price),
    raises,
    lacksCoin: flights.some(({ lacksCoin }) => lacksCoin),
  };
}

function tooManyRelays(): KhachapuriError {
  return new KhachapuriError("overloaded", "too much is being relayed and not mined yet", {
    retryAfterSeconds: 10,
    hints: ["nothing was sent; try again"],
  });
}
