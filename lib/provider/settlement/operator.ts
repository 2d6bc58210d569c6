/**
 * The operator's transactions, durable: one is on disk, signed, before it is broadcast, and keeps
 * its nonce whatever happens. A retry is the same nonce again (with a higher fee when it is stuck),
 * so a call that is not idempotent is mined once or never.
 */
import type { Address, LocalAccount, TransactionReceipt } from "viem";
import type { Chain } from "../../chain/client.ts";
import { alarmsOf, type OutboxState } from "../../chain/outbox/alarms.ts";
import { gasPriceOf } from "../../chain/outbox/fees.ts";
import { estimateGas } from "../../chain/outbox/gas.ts";
import { type Launched, Outbox } from "../../chain/outbox/outbox.ts";
import type { After } from "../../chain/outbox/pace.ts";
import { readPrice } from "../../chain/outbox/price.ts";
import type { OutboxStore, Outgoing } from "../../chain/outbox/store.ts";
import { asChainError } from "../../chain/refusal.ts";
import { KhachapuriError } from "../../errors.ts";
import { NONCE_HOLE_MAX, RELAYS_OUT_MAX } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { breathe } from "../../slices.ts";
import { bytesOf, type OperatorCall, refusal, TooMuchGas } from "./operator_call.ts";
import { logNotice, wordGiveUp } from "./operator_notices.ts";
import { openOutboxStore } from "./outbox_store.ts";

export type { OperatorCall };

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
  /** The most that is paid for a unit of gas, wei; null: no limit. */
  feeMax?: bigint | null;
  now?: () => number;
  /** The timer of the looks; a test passes its own. */
  after?: After;
}

/** How one transaction stands among the others. */
export interface Sending {
  /** What is settled goes before what is relayed for others. */
  rank: "settlement" | "relay";
  /** The most that it may cost, wei, by what it is worth; null: what the configuration allows. */
  costMax: bigint | null;
  /** Gas that it is given at least, whatever the estimate says. */
  gasMin?: bigint;
  /** One that wants more is not sent. */
  gasMax?: bigint;
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

export interface Operator {
  readonly address: Address;
  /**
   * Whether the chain would take `call` now, as far as one can tell; beside the queue of what is
   * sent.
   * @returns the gas that it would be given
   * @throws KhachapuriError `chain_refused`, `chain_unavailable`, as `send`
   */
  simulate(call: OperatorCall): Promise<bigint>;
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
  /**
   * What a unit of gas costs now, base fee and tip, wei; a few seconds old at most.
   * @throws KhachapuriError `chain_unavailable`
   */
  gasPrice(): Promise<bigint>;
  /** Whether a transaction with this call is neither mined nor dropped. */
  isOut(call: OperatorCall): boolean;
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
/** A price of gas is good for this long, ms: about as long as a block. */
const GAS_PRICE_MS = 2_000;

/** Opens the operator's outbox and takes up what an earlier process left unmined. */
export function openOperator(options: OperatorOptions): Operator {
  const { account, chain: { public: client, endpoint } } = options;
  const now = options.now ?? Date.now;
  const store = openOutboxStore(options.path);
  const outbox = openOutbox(options, store);

  /** As of now: what is out and not mined yet is not in the simulation. */
  async function prepare(
    call: OperatorCall,
    { gasMin = 0n, gasMax }: Pick<Sending, "gasMin" | "gasMax"> = {},
  ): Promise<Outgoing> {
    const bytes = bytesOf(call);
    const gas = await estimateGas(client, account.address, bytes);
    if (gasMax !== undefined && gas > gasMax) throw new TooMuchGas(gas, gasMax);
    return { ...bytes, gas: gas > gasMin ? gas : gasMin };
  }

  const refused = (call: OperatorCall) => (cause: unknown) => {
    throw refusal(cause, call, account.address, endpoint);
  };

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

  const gasPrice = readGasPrice(options.chain, now);

  return {
    address: account.address,
    async simulate(call) {
      const { gas } = await prepare(call).catch(refused(call));
      return gas;
    },
    launch,
    async send(call, sending) {
      const { mined } = await launch(call, sending);
      return await mined;
    },
    gasPrice,
    isOut: (call) => outbox.has(bytesOf(call)),
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

function openOutbox(options: OperatorOptions, store: OutboxStore): Outbox {
  const { account, log, onMined, chain: { public: client, chainId, endpoint } } = options;
  const pollMs = options.pollMs ?? 500;
  return new Outbox({
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

/** Reads the price of gas, once for all who ask within `GAS_PRICE_MS`. */
function readGasPrice({ public: client, endpoint }: Chain, now: () => number) {
  let last: { at: number; price: Promise<bigint> } | null = null;
  return async () => {
    if (last && now() - last.at < GAS_PRICE_MS) return await last.price;
    const asked = { at: now(), price: readPrice(client).then(gasPriceOf) };
    last = asked;
    try {
      return await asked.price;
    } catch (error) {
      if (last === asked) last = null;
      throw asChainError(error, endpoint);
    }
  };
}

function tooManyRelays(): KhachapuriError {
  return new KhachapuriError("overloaded", "too much is being relayed and not mined yet", {
    retryAfterSeconds: 10,
    hints: ["nothing was sent; try again"],
  });
}
