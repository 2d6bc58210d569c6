/**
 * Calls without a chain, IPFS or a sandbox. What a call takes is counted, each of its stages can be
 * made to wait or to fail, and the test plays the program. Slots, keys, records, timer and the
 * provider's own side of a run are the real ones.
 */
import assert from "node:assert/strict";
import { getAddress } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import type { RunLimits, Sandbox } from "../sandbox/sandbox.ts";
import type { CidText } from "../lib/cid.ts";
import { KhachapuriError } from "../lib/errors.ts";
import { KEEP_NOTHING } from "../lib/keep.ts";
import { BUFFERED_BODY_BYTES_MAX } from "../lib/limits.ts";
import { SLOT_WAIT_MS } from "../lib/limits_of_slots.ts";
import { Call } from "../lib/provider/call/call.ts";
import { handleCall } from "../lib/provider/call/handle.ts";
import { SqliteIdempotency } from "../lib/provider/call/sqlite_idempotency.ts";
import type { CallParts } from "../lib/provider/call/parts.ts";
import { Slots } from "../lib/provider/call/slots.ts";
import { EVERYBODY } from "../lib/provider/denial/welcome.ts";
import type { Deployment } from "../lib/provider/deployment/deployment.ts";
import { openRecords, type Records } from "../lib/provider/deployment/records.ts";
import { createBodyReader } from "../lib/provider/http/request_body.ts";
import type { HttpRequest } from "../lib/provider/http/request.ts";
import type { DeploymentTarget } from "../lib/provider/http/target.ts";
import type { RunFacts } from "../lib/provider/ledger/ledger.ts";
import { type Counters, createCounters } from "../lib/provider/metrics/gauges.ts";
import type { Bill, Hold, PaymentScheme } from "../lib/provider/money/scheme.ts";
import type { Seller } from "../lib/provider/money/seller.ts";
import { AT_A_PROVIDER } from "../lib/provider/program/detector.ts";
import type { Lease } from "../lib/provider/program/sandboxes.ts";
import { requestOf, responseOf } from "./answers.ts";
import { type HeardLog, hearLog } from "./heard_log.ts";
import { LIMITS, type PlayedRun, playRun } from "./sandbox/played_run.ts";
import { sampleSpec } from "./spec/sample_spec.ts";

export const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" as CidText;
export const PAYER = getAddress(`0x${"bb".repeat(20)}`);
/** Unix ms, on the clock of every world. */
export const NOW = 1_700_000_000_000;
/** The most that a request's body may have, of every world. */
export const REQUEST_BYTES = 20 * 1024 * 1024;
/** Who sends it pays itself; what it holds is the lane. */
const PAYMENT_HEADER = "payment-signature";
/** The lane of somebody whose money is here before its answer, and stays whatever becomes of it. */
export const PREPAID = "prepaid";

/** What a call goes through, in this order; a caller's known key is proved instead of admitted. */
export type Stage =
  | "deployment"
  | "read"
  | "prove"
  | "admit"
  | "acquire"
  | "slot"
  | "hold"
  | "seat"
  | "run"
  | "extend"
  | "begin"
  | "notice"
  | "charge";

/** A credit that was held. */
export interface HeldCredit {
  readonly reservation: number;
  /** How it ended, e.g. "charged answered" or "released overloaded": once, if all is well. */
  readonly endings: string[];
  /** For the receipt; null until it is charged, and where the owner pays. */
  facts: RunFacts | null;
  /** What was taken for its run beyond it, in order, e.g. "taken", "begun", "given back". */
  readonly further: string[];
}

export interface CallOptions {
  method?: string;
  /** With its query. */
  path?: string;
  form?: "path" | "host";
  headers?: Record<string, string>;
  body?: BodyInit;
  /** The lane on which the caller pays itself; without one the owner pays. */
  lane?: string;
  /** Its Idempotency-Key. */
  key?: string;
  signal?: AbortSignal;
}

export interface CallWorld extends Omit<HeardLog, "log">, Disposable {
  readonly parts: Omit<CallParts, "gate"> & { gate: CallParts["gate"] & { slots: Slots } };
  readonly deployment: Deployment;
  readonly records: Records;
  readonly counters: Counters;
  /** Called before a stage: throws to fail it; it waits for a promise, at most of the stages. */
  readonly before: { [S in Stage]?: () => unknown };
  /** What programs do once they are started; prints "hello\n" and exits unless replaced. */
  program: (run: PlayedRun) => unknown;
  /** Whether the deployment's sandbox is open before the call. */
  isOpen: boolean;
  /** Whether the provider shuts down. */
  isClosed: boolean;
  readonly holds: readonly HeldCredit[];
  /** Resolves with the next run; to be asked before the call. */
  nextRun(): Promise<PlayedRun>;
  request(options?: CallOptions): HttpRequest;
  /** The call as `handleCall` has it. */
  call(options?: CallOptions): Promise<Response>;
  /** The call as far as `Call.open` goes. */
  open(options?: CallOptions): Promise<Call>;
  /** How each credit ended. */
  endings(): string[][];
  /** Fails when something is still taken, or somebody still looks after a caller. */
  assertNothingTaken(): Promise<void>;
}

export interface CallWorldOptions {
  /** What each run may use, where that differs from `LIMITS`. */
  limits?: Partial<RunLimits>;
  /** Signs the spec; somebody unless given. */
  owner?: PrivateKeyAccount;
  /** Whom the spec names. */
  seller?: Seller;
  /** Spec fields that replace the sample's own. */
  spec?: Record<string, unknown>;
  /** Credits that the provider lets one run take; 1 unless given. */
  creditsMax?: number;
  /** Runs of the provider at the same time. */
  concurrency?: number;
  /** How long a call waits for a slot, ms. */
  slotWaitMs?: number;
}

/** Opens a world in which every call succeeds until a test says otherwise. */
export async function openCallWorld(options: CallWorldOptions = {}): Promise<CallWorld> {
  const { owner, seller, spec: fields = {} } = options;
  const spec = await sampleSpec({
    ...(owner ? { owner } : {}),
    ...(seller ?? {}),
    fields,
  });
  const deployment: Deployment = { cid: CID, spec, entry: spec.providers[0]! };
  const before: CallWorld["before"] = {};
  const holds: HeldCredit[] = [];
  const { log, ...heard } = hearLog();
  const records = openRecords(":memory:", { now: () => NOW });
  const { permit: { price }, terms } = deployment.entry;
  const keep = { price: KEEP_NOTHING, terms: KEEP_NOTHING };
  records.tariffs.begin({ price, terms: [terms], keep });
  const counters = createCounters();
  const programs = playPrograms(before, deployment, options.limits);
  const gate = openGate(before, holds, options);
  const watched = { callers: 0 };

  const world: CallWorld = {
    ...heard,
    parts: {
      money: { schemes: [countingScheme(before, holds)], startDebits: { of: () => null } },
      programs: {
        deployments: {
          async get(cid) {
            await before.deployment?.();
            if (cid !== CID) throw new KhachapuriError("not_found", "no gateway has it");
            if (records.stops.has(spec)) throw new KhachapuriError("stopped", "it was stopped");
            return deployment;
          },
        },
        place: AT_A_PROVIDER,
        creditsMax: options.creditsMax ?? 1,
        sandboxes: {
          acquire: programs.acquire,
          isOpen: () => world.isOpen,
          isClosed: () => world.isClosed,
        },
        webDomain: new URL("https://provider.test"),
      },
      gate,
      records: { ...records, ...counters, log, now: () => NOW },
    },
    deployment,
    records,
    counters,
    before,
    program(run) {
      run.print("hello\n");
      run.exit();
    },
    isOpen: true,
    isClosed: false,
    holds,
    nextRun: programs.nextRun,
    request: (call) => callRequest(watched, call),
    async call(call = {}) {
      return responseOf(await handleCall(world.parts, targetOf(call), world.request(call)));
    },
    open: (call = {}) =>
      Call.open(world.parts, { target: targetOf(call), request: world.request(call) }),
    endings: () => holds.map(({ endings }) => endings),
    async assertNothingTaken() {
      assert.equal(programs.leases(), 0, "a lease is out");
      assert.equal(gate.slots.busy(), 0, "a slot is taken");
      for (const { endings } of holds) assert.equal(endings.length, 1, `ended: ${endings}`);
      assert.equal(watched.callers, 0, "a caller is still looked after");
      await Promise.resolve();
    },
    [Symbol.dispose]() {
      gate.idempotency.close();
      records.close();
    },
  };
  programs.play((run) => world.program(run));
  return world;
}

/** A request that tells whether somebody looks after its caller. */
function callRequest(watched: { callers: number }, options: CallOptions = {}): HttpRequest {
  const { method = "GET", path = "/", form = "path", lane, key, body, signal } = options;
  const headers = new Headers(options.headers);
  if (lane !== undefined) headers.set(PAYMENT_HEADER, lane);
  if (key !== undefined) headers.set("idempotency-key", key);
  const base = form === "path" ? `https://provider.test/${CID}` : `https://${CID}.provider.test`;
  const request = requestOf(`${base}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
    ...(signal ? { signal } : {}),
  });
  return { ...request, ...lookedAfter(watched, request) };
}

function lookedAfter(watched: { callers: number }, { whenGone }: HttpRequest) {
  let isWatched = false;
  return {
    whenGone(callback: (() => void) | null) {
      const isWatchedNow = callback !== null;
      if (isWatched !== isWatchedNow) watched.callers += isWatchedNow ? 1 : -1;
      isWatched = isWatchedNow;
      whenGone(callback);
    },
  };
}

function targetOf({ path = "/", form = "path" }: CallOptions): DeploymentTarget {
  return { form, cid: CID, mount: form === "path" ? `/${CID}` : "", path: path.split("?")[0]! };
}

/** A scheme that takes everything and counts what it holds. */
function countingScheme(before: CallWorld["before"], holds: HeldCredit[]): PaymentScheme {
  function holdFor(bill: Bill): Hold {
    const reservation = holds.length + 1;
    const held: HeldCredit = { reservation, endings: [], facts: null, further: [] };
    holds.push(held);
    let credits = 1;
    let isAhead = false;
    return {
      ...(bill.scope === PREPAID ? { owed: "it is paid" } : {}),
      reservation,
      get credits() {
        return credits;
      },
      isPaid: true,
      started() {},
      async extend() {
        await before.extend?.();
        isAhead = true;
        held.further.push("taken");
      },
      async begin() {
        credits += 1;
        isAhead = false;
        held.further.push("begun");
        await before.begin?.();
      },
      giveBack() {
        if (isAhead) held.further.push("given back");
        isAhead = false;
      },
      async charge(outcome, facts) {
        await before.charge?.();
        held.endings.push(`charged ${outcome}`);
        held.facts = facts;
      },
      release: (reason) => void held.endings.push(`released ${reason}`),
      async notice() {
        await before.notice?.();
        const receipt: [string, string] = ["khachapuri-receipt", `/receipts/${reservation}`];
        return bill.source === "caller" ? [receipt] : [];
      },
    };
  }
  const scheme: PaymentScheme<Bill, Bill> = {
    provenPayer: () => Promise.resolve(null),
    ownersBill: ({ cid, spec: { owner } }) => ({ source: "owner", payer: owner, cid, scope: "" }),
    offer: ({ lane, creditsMax } = {}) => ({
      scheme: "counting",
      ...(lane ? { lane: lane.id } : {}),
      ...(creditsMax === undefined ? {} : { creditsMax }),
    }),
    read({ cid, spec: { owner } }, fields) {
      before.read?.();
      const scope = fields.get(PAYMENT_HEADER);
      if (scope === null) return { source: "owner", payer: owner, cid, scope: "" };
      return { source: "caller", payer: PAYER, cid, scope };
    },
    prove: async () => void await before.prove?.(),
    async admit(bill) {
      await before.admit?.();
      return bill;
    },
    async hold(bill) {
      await before.hold?.();
      return holdFor(bill);
    },
  };
  return scheme;
}

/** A sandbox whose runs the test plays, and leases of it that are counted. */
function playPrograms(
  before: CallWorld["before"],
  { cid }: Deployment,
  limits: Partial<RunLimits> = {},
) {
  let program: (run: PlayedRun) => unknown = () => {};
  let next = Promise.withResolvers<PlayedRun>();
  let leases = 0;
  const sandbox: Sandbox = {
    limits: { ...LIMITS, ...limits },
    async run(request) {
      await before.run?.();
      const run = playRun(request);
      program(run);
      next.resolve(run);
      next = Promise.withResolvers();
      return run.live;
    },
    close: () => Promise.resolve(),
  };
  return {
    play: (its: typeof program) => void (program = its),
    nextRun: () => next.promise,
    leases: () => leases,
    async acquire(deployment: Deployment): Promise<Lease> {
      await before.acquire?.();
      assert.equal(deployment.cid, cid);
      leases += 1;
      let isOut = true;
      return {
        take() {
          const place = before.seat?.() as ReturnType<Lease["take"]> | undefined;
          return place ?? sandbox;
        },
        fetchedAt: performance.now(),
        isExpelled: () => false,
        release() {
          if (isOut) leases -= 1;
          isOut = false;
        },
      };
    },
  };
}

function openGate(
  before: CallWorld["before"],
  holds: readonly HeldCredit[],
  { concurrency = 4, slotWaitMs = SLOT_WAIT_MS }: CallWorldOptions,
) {
  const slots = new Slots(concurrency, { now: () => NOW, waitMs: slotWaitMs });
  const take = slots.take.bind(slots);
  slots.take = (...about) => {
    before.slot?.();
    return take(...about);
  };
  const wasCharged = (reservation: number) =>
    holds[reservation - 1]?.endings.some((ending) => ending.startsWith("charged")) ?? false;
  return {
    slots,
    idempotency: new SqliteIdempotency({ path: ":memory:", wasCharged, now: () => NOW }),
    requestBytes: REQUEST_BYTES,
    welcome: { ...EVERYBODY },
    readBody: createBodyReader({ heldBytesMax: BUFFERED_BODY_BYTES_MAX, bytesMax: REQUEST_BYTES }),
  };
}
