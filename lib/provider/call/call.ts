/**
 * One call: who pays, may it run, take the credit, run, answer, charge. Everything that can refuse
 * comes before the credit; once the program has started, its run costs one credit unless the
 * failure is ours.
 */
import type { Hex } from "viem";
import type { Run } from "../../../sandbox/sandbox.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  REQUEST_BODY_BYTES_MAX,
  REQUEST_HEADER_BYTES_MAX,
  REQUEST_TARGET_BYTES_MAX,
} from "../../limits.ts";
import { UINT128_MAX } from "../../permit.ts";
import { type AnswerParts, respond, type Running } from "./answer.ts";
import { type Bill, billOf } from "../money/bill.ts";
import type { Credits, Reservation } from "../money/credits.ts";
import { curlInvocation } from "../program/interface/curl.ts";
import type { Deployment, Deployments } from "../deployment/deployments.ts";
import { attend, type Attendance } from "../http/attendance.ts";
import type { HeaderField } from "../http/header_rules.ts";
import {
  type Claim,
  fingerprintOf,
  type Idempotency,
  REPLAYED_HEADER,
  type RequestKey,
  requestKey,
  type StoredAnswer,
} from "./idempotency.ts";
import type { OwnerCredits } from "../money/owner_credits.ts";
import type { Onboarding } from "../settlement/onboarding.ts";
import type { Target } from "../http/target.ts";
import {
  bodyTooLarge,
  hungUp,
  meterBody,
  type ReadBody,
  type RequestBody,
} from "../http/request_body.ts";
import type { Lease, Sandboxes } from "../program/sandboxes.ts";
import type { Slot, Slots } from "./slots.ts";

export interface CallParts extends AnswerParts {
  /** What callers know us by, e.g. `https://provider.example`. */
  webDomain: URL;
  deployments: Deployments;
  credits: Credits;
  ownerCredits: OwnerCredits;
  onboarding: Onboarding;
  idempotency: Idempotency;
  readBody: ReadBody;
  slots: Slots;
  sandboxes: Sandboxes;
  now: () => number;
}

export interface Caller {
  address: string;
}

type DeploymentTarget = Extract<Target, { form: "path" | "host" }>;

/** A call as it arrived. */
interface Arrived {
  target: DeploymentTarget;
  /** The query with its question mark; "" when there is none. */
  search: string;
  request: Request;
  headers: readonly HeaderField[];
  caller: Caller;
  attendance: Attendance;
}

/** And what it is about. */
interface Call extends Arrived {
  deployment: Deployment;
  bill: Bill;
}

/** What a call holds while it runs. */
interface Place {
  lease: Lease;
  slot: Slot;
  attendance: Attendance;
}

/** How it is to be run, beyond the plain case. */
interface Manner {
  deposited: Hex | null;
  /** The body, when it was read before. */
  body: RequestBody | null;
  claim: Claim | null;
}

const PLAIN: Manner = { deposited: null, body: null, claim: null };

/**
 * Answers a call to a deployment.
 * @param search the URL's query with its question mark; "" when there is none
 * @throws KhachapuriError for everything that is not the program's answer or failure; nobody was
 * charged
 */
export async function handleCall(
  parts: CallParts,
  target: DeploymentTarget,
  search: string,
  request: Request,
  caller: Caller,
): Promise<Response> {
  const headers: HeaderField[] = [];
  request.headers.forEach((value, name) => headers.push([name, value]));
  assertSizes(request, headers);
  const attendance = attend(request, parts.soon);
  try {
    return await serve(parts, { target, search, request, headers, caller, attendance });
  } catch (error) {
    attendance.end();
    throw error;
  }
}

async function serve(parts: CallParts, arrived: Arrived): Promise<Response> {
  const { target, request } = arrived;
  const deployment = await parts.deployments.get(target.cid);
  const bill = billOf(parts.us, deployment, request.headers);
  const call = { ...arrived, deployment, bill };
  if (bill.source === "owner") {
    await parts.credits.assertPayable(bill);
    return await runOnce(parts, call, PLAIN);
  }
  assertCallersLane(parts, bill);
  const key = requestKey(request.headers, bill);
  if (key) return await answerOnce(parts, call, key);
  return await runOnce(parts, call, { ...PLAIN, deposited: await admit(parts, bill) });
}

/**
 * Other providers of a deployment read its owner's permits. They may not pay with them: not on a
 * lane that a deployment counts on, and not with the owner's unlimited kind.
 */
function assertCallersLane({ registrations }: CallParts, { permit }: Bill): void {
  const isOwners = registrations.isDeploymentLane(permit.payer, permit.lane);
  if (!isOwners && permit.credits < UINT128_MAX) return;
  throw new KhachapuriError("payment_required", "this is a deployment's permit, not a caller's", {
    hints: ["sign a permit for a number of credits on a lane of your own"],
  });
}

/**
 * The payer can pay, if need be with the deposit that the call brings along.
 * @returns the deposit's transaction when one was mined for this call
 */
async function admit({ credits, onboarding }: CallParts, bill: Bill): Promise<Hex | null> {
  const { payer, deposit } = bill;
  if (deposit === null) {
    await credits.assertPayable(bill);
    return null;
  }
  try {
    await credits.assertPayable(bill);
    return null;
  } catch (error) {
    if (!(error instanceof KhachapuriError) || error.code !== "payment_required") throw error;
    const transaction = await onboarding.relay(payer, deposit);
    await credits.assertPayable(bill);
    return transaction;
  }
}

/** Under a key the same request is charged once, however often it is sent. */
async function answerOnce(parts: CallParts, call: Call, key: RequestKey): Promise<Response> {
  const { request, bill, target } = call;
  const { idempotency, credits } = parts;
  // The answer is the payer's alone, and its permit may well be used up by now.
  const isKnown = idempotency.isKnown(key);
  if (isKnown) await credits.countOf(bill);
  const deposited = isKnown ? null : await admit(parts, bill);
  const body = await parts.readBody(request.body, bill.payer);
  let claim: Claim | null = null;
  try {
    const path = target.path + call.search;
    const taken = idempotency.take(key, fingerprintOf(request, path, body.sha256));
    if ("stored" in taken) {
      call.attendance.end();
      return replay(taken.stored);
    }
    claim = taken.claim;
    if (isKnown) await credits.assertPayable(bill);
    return await runOnce(parts, call, { deposited, body, claim });
  } catch (error) {
    claim?.end();
    throw error;
  } finally {
    body.free();
  }
}

function replay({ status, headers, body }: StoredAnswer): Response {
  const fields = new Headers(headers);
  fields.set(REPLAYED_HEADER, "true");
  return new Response(body.length === 0 ? null : body, { status, headers: fields });
}

async function runOnce(parts: CallParts, call: Call, manner: Manner): Promise<Response> {
  const { deployment, bill, target, request, attendance } = call;
  if (!parts.sandboxes.isOpen(deployment.cid)) attendance.expectLong();
  let lease: Lease | null = null;
  let slot: Slot | null = null;
  let running: Running;
  try {
    // Before a slot is taken: a program that nobody has takes long to fail.
    lease = await parts.sandboxes.acquire(deployment);
    slot = parts.slots.take(deployment, bill);
    running = await start(parts, call, manner, { lease, slot, attendance });
  } catch (error) {
    slot?.undo();
    lease?.release();
    throw error;
  }
  return await respond(parts, target.form, request, running);
}

/** Program and sandbox ready first, then the credit, then the run: our failures cost nothing. */
async function start(
  parts: CallParts,
  call: Call,
  manner: Manner,
  place: Place,
): Promise<Running> {
  const { deployment, bill, request } = call;
  const { lease, attendance } = place;
  let reservation: Reservation | null = null;
  try {
    // Looked at before the credit is taken, as `--settle each` takes it on chain, and after.
    if (attendance.hasGone()) throw hungUp();
    reservation = await parts.credits.reserve(bill);
    parts.registrations.add(deployment);
    if (attendance.hasGone()) throw hungUp();
    const killing = createKilling();
    // An answer that can be asked for again is finished without its caller.
    if (!manner.claim) attendance.whenGone(killing.kill);
    const isHashed = bill.source === "caller";
    const body = manner.body ?? meterBody(request.body, isHashed, killing.kill);
    const run = await lease.sandbox.run({ ...invocation(parts, call), stdin: body.stream });
    killing.meant(run);
    if (bill.source === "owner") parts.ownerCredits.note(bill, reservation.standing());
    const leave = () => vacate(place);
    const startedAt = parts.now();
    const { claim, deposited } = manner;
    const { kill, isKilled } = killing;
    return {
      ...{ deployment, bill, startedAt, run, kill, isKilled, reservation, body, claim, deposited },
      leave,
    };
  } catch (error) {
    reservation?.release(error instanceof KhachapuriError ? error.code : "internal");
    throw error;
  }
}

/** Ends a run for a reason of ours or the caller's, which may come before the run does. */
function createKilling() {
  let run: Pick<Run, "kill"> | null = null;
  let isKilled = false;
  return {
    kill(): void {
      isKilled = true;
      run?.kill();
    },
    isKilled: () => isKilled,
    meant(started: Pick<Run, "kill">): void {
      run = started;
      if (isKilled) run.kill();
    },
  };
}

function vacate({ lease, slot, attendance }: Place): void {
  attendance.end();
  slot.free();
  lease.release();
}

function invocation({ webDomain }: CallParts, call: Call) {
  const { target, search, request, headers, caller, deployment: { spec, cid } } = call;
  const isOwnHost = target.form === "host";
  const base = isOwnHost ? new URL(webDomain) : webDomain;
  if (isOwnHost) base.hostname = `${cid}.${webDomain.hostname}`;
  const mount = isOwnHost ? "" : `/${cid}`;
  const { args, env } = curlInvocation({
    method: request.method,
    base,
    mount,
    path: target.path,
    query: search.slice(1),
    headers,
    hasBody: request.body !== null,
    remoteAddress: caller.address,
    style: spec.interface,
  });
  return {
    argv: [spec.program.entrypoint, ...spec.program.args, ...args],
    env: { ...spec.env, ...env },
  };
}

/** @throws KhachapuriError `body_too_large`, `headers_too_large`, `invalid_input` */
function assertSizes({ headers, url }: Request, fields: readonly HeaderField[]): void {
  let bytes = 0;
  for (const [name, value] of fields) bytes += name.length + value.length + 4;
  if (bytes > REQUEST_HEADER_BYTES_MAX) {
    const limit = `request headers have at most ${REQUEST_HEADER_BYTES_MAX} bytes`;
    throw new KhachapuriError("headers_too_large", limit);
  }
  if (url.length > REQUEST_TARGET_BYTES_MAX) {
    const limit = `a request's URL has at most ${REQUEST_TARGET_BYTES_MAX} bytes`;
    throw new KhachapuriError("headers_too_large", limit);
  }
  if (Number(headers.get("content-length") ?? 0) > REQUEST_BODY_BYTES_MAX) throw bodyTooLarge();
}
