/**
 * One call from its arrival to the end of its run. It owns what it holds while it lasts: the lease
 * of its sandbox or server, a slot, the credit, a place, the run. Each stage can refuse, up to the
 * credit for free; whatever was taken by then is given back.
 */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { stopped } from "../deployment/stops.ts";
import type { FieldReader } from "../http/fields.ts";
import { withHost } from "../http/header_rules.ts";
import type { HttpRequest } from "../http/request.ts";
import { hungUp, meterBody, type RequestBody, type WholeBody } from "../http/request_body.ts";
import type { DeploymentTarget } from "../http/target.ts";
import type { Asked, Bill, Hold, PaymentScheme } from "../money/scheme.ts";
import type {
  ProgramInterface,
  ProgramPlace,
  ProgramRequest,
  ProgramRun,
  StartProgram,
} from "../program/interface/interface.ts";
import { interfaceOf } from "../program/interface/interfaces.ts";
import { runCreditsMax } from "../program/run_limits.ts";
import type { Lease } from "../program/sandboxes.ts";
import type { Seat, SeatWait } from "../server/life.ts";
import type { Claim } from "./idempotency.ts";
import { withDescription } from "./described.ts";
import { lostRun } from "./lost_run.ts";
import { PaidTime } from "./paid_time.ts";
import type { CallParts } from "./parts.ts";
import { PlaceWait } from "./place_wait.ts";
import { withCreditsMax } from "./run_credits.ts";
import { sharedClock } from "./shared_timer.ts";
import type { Slot } from "./taken_slot.ts";
import { assertServed } from "./unserved.ts";
import { askedTiming, type CallTiming } from "./timing.ts";
import { Uptake } from "./uptake.ts";
import type { Waiting } from "./waiting_room.ts";

/** A call as it arrived. */
export interface Arrival {
  readonly target: DeploymentTarget;
  readonly request: HttpRequest;
}

/** A run in progress, with what was taken for it. */
export interface Started {
  readonly run: ProgramRun;
  readonly hold: Hold;
  readonly body: RequestBody;
  /** Null where the run may take no further credit. */
  readonly paidTime: PaidTime | null;
  readonly uptake: Uptake;
  /** Unix ms. */
  readonly at: number;
}

export class Call {
  readonly interface: ProgramInterface;
  #lease: Lease | null = null;
  #slot: Slot | null = null;
  #hold: Hold | null = null;
  #wait: PlaceWait | null = null;
  #run: ProgramRun | null = null;
  #paidTime: PaidTime | null = null;
  #body: WholeBody | null = null;
  #isKilled = false;

  private constructor(
    readonly parts: CallParts,
    readonly arrival: Arrival,
    readonly deployment: Deployment,
    readonly scheme: PaymentScheme,
    readonly bill: Bill,
    /** How many credits the run may take. */
    readonly creditsMax: number,
    /** Null unless the caller pays and asks. */
    readonly timing: CallTiming | null,
  ) {
    this.interface = interfaceOf(deployment.spec.interface);
  }

  /**
   * Finds out what is called and who pays.
   * @throws KhachapuriError for everything that is wrong with either
   */
  static async open(parts: CallParts, arrival: Arrival): Promise<Call> {
    const { target, request: { fields, sender } } = arrival;
    const { schemes } = parts.money;
    const timing = askedTiming(fields);
    const deployment = await parts.programs.deployments.get(
      target.cid,
      sender.address,
      (mayRecover) => provenPayer(schemes, fields, mayRecover),
      arrival.request,
    );
    timing?.lap("fetch");
    assertServed(arrival.request, deployment.spec.interface);
    const creditsMax = runCreditsMax(deployment.spec, parts.programs.creditsMax);
    try {
      const { scheme, bill } = await readBill(schemes, deployment, arrival);
      // Before it is asked for money. Whose money came already is owed its answer.
      if (!bill.isOwed) parts.gate.welcome.assertPayer(bill.payer);
      const paidMax = Math.min(creditsMax, bill.creditsMax ?? Infinity);
      const payersTiming = bill.source === "caller" ? timing : null;
      return new Call(parts, arrival, deployment, scheme, bill, paidMax, payersTiming);
    } catch (error) {
      throw withDescription(withCreditsMax(error, creditsMax), deployment.spec);
    }
  }

  /**
   * Program and sandbox ready first, then the credit, then the run: our failures cost nothing. An
   * instance of a server is started with the credit held: it computes from then on.
   * @param admission what the scheme's `admit` returned
   * @param claim where the answer will be kept; such a run goes on when its caller goes away
   * @param asked tells what the request is known by
   * @throws KhachapuriError when it does not start; nothing is held or charged then
   */
  async start(
    admission: unknown,
    claim: Claim | null,
    asked?: () => Asked,
  ): Promise<Started> {
    const { programs: { sandboxes }, gate, records } = this.parts;
    const { deployment, bill, timing } = this;
    try {
      const startProgram = this.#prepare();
      // Before a slot is taken: a program that nobody has takes long to fail.
      timing?.lap("queue");
      this.#lease = await sandboxes.acquire(deployment, this.arrival.request);
      timing?.lap("fetch", this.#lease.fetchedAt);
      timing?.lap("start");
      const slot = gate.slots.take(deployment, bill);
      this.#slot = slot instanceof Promise ? await this.#waitForSlot(slot) : slot;
      // Before the credit is taken, as `--settle each` takes it on chain, and after.
      this.#assertCallerIsHere();
      this.#hold = await this.scheme.hold(admission, asked);
      if (this.#hold.isPaid) records.registrations.add(deployment);
      this.#assertCallerIsHere();
      // The operator may have denied it while its program was fetched.
      this.#assertWelcome();
      if (!claim) this.arrival.request.whenGone(() => this.kill());
      const started = await this.#begin(startProgram, this.#lease, this.#hold);
      this.#hold.started();
      if (this.#hold.isPaid) this.arrival.target.onPaid?.(bill);
      if (claim && this.#paidTime) this.arrival.request.whenGone(() => this.keepToOneCredit());
      return started;
    } catch (error) {
      this.#abandon(error);
      throw error;
    }
  }

  /** Its money has come: from now on the deployment is one that was paid for here. */
  notePaid(): void {
    if (this.#hold === null || this.#hold.isPaid) return;
    this.parts.records.registrations.add(this.deployment);
    this.arrival.target.onPaid?.(this.bill);
  }

  /**
   * Whether the body must arrive before the run, as its program has to know how long it is and its
   * caller did not say so.
   */
  needsWholeBody(): boolean {
    const { body, fields } = this.arrival.request;
    return this.interface.needsBodyLength && body !== null && announced(fields) === null;
  }

  /** The body was read before the run, which is given it; its memory is taken until `release`. */
  keepBody(body: WholeBody): void {
    this.#body = body;
  }

  /** Ends the run before its time, or as soon as there is one. */
  kill(): void {
    this.#isKilled = true;
    this.#wait?.giveUp();
    this.#paidTime?.stop();
    this.#run?.kill();
  }

  /**
   * The caller has gone, and the answer is to be kept for it: it is as long as the run takes no
   * second credit, so the run gets none, and one that has is ended.
   */
  keepToOneCredit(): void {
    if (this.#hold && this.#hold.credits > 1) this.kill();
    else this.#paidTime?.takeNoMore();
  }

  isKilled(): boolean {
    return this.#isKilled;
  }

  /** Whether the operator has ended its sandbox, as it serves the deployment no more. */
  isExpelled(): boolean {
    return this.#lease?.isExpelled() ?? false;
  }

  /** The run may last for hours in which it mostly waits: others may have its slot. */
  freeSlot(): void {
    this.#slot?.free();
  }

  /** The run is over, or there will be none: gives back slot, sandbox and memory. */
  release(): void {
    this.arrival.request.whenGone(null);
    this.#body?.free();
    this.#body = null;
    this.#slot?.free();
    this.#lease?.release();
  }

  #prepare(): StartProgram {
    const { program, env } = this.deployment.spec;
    const command = { entrypoint: program.entrypoint, args: program.args, env };
    return this.interface.prepare(command, this.#programRequest());
  }

  /** Nothing is held or taken meanwhile; who leaves is gone at once. */
  async #waitForSlot(wait: Waiting<Slot>): Promise<Slot> {
    const { arrival: { request }, parts: { records: { stops } } } = this;
    request.whenGone(() => wait.giveUp());
    const slot = await wait.finally(() => request.whenGone(null));
    if (!stops.has(this.deployment.spec)) return slot;
    slot.undo();
    throw stopped();
  }

  /** The place at a server, or the run of a request that gets none and is to be paid for. */
  async #waitFor(seat: SeatWait): Promise<Seat | ProgramRun> {
    const begunAt = performance.now();
    const { money: { startDebits } } = this.parts;
    this.#wait = new PlaceWait(seat, this.#slot!, startDebits);
    if (this.#isKilled) this.#wait.giveUp();
    const place = await this.#wait.place();
    this.#wait = null;
    return place instanceof KhachapuriError ? lostRun(place, begunAt) : place;
  }

  async #begin(startProgram: StartProgram, lease: Lease, hold: Hold): Promise<Started> {
    const body: RequestBody = this.#body ?? meterBody(this.arrival.request.body, {
      bytesMax: this.parts.gate.requestBytes,
      isHashed: this.bill.source === "caller",
      onFailure: () => this.kill(),
      clock: sharedClock,
    });
    try {
      return await this.#runProgram(startProgram, lease, { hold, body });
    } catch (error) {
      // Nobody reads it, so nobody looks after its pace.
      body.source?.cancel();
      throw error;
    }
  }

  async #runProgram(
    startProgram: StartProgram,
    lease: Lease,
    { hold, body }: Pick<Started, "hold" | "body">,
  ): Promise<Started> {
    this.timing?.lap("queue");
    const taken = lease.take();
    const place = taken instanceof Promise ? await this.#waitFor(taken) : taken;
    const at = this.parts.records.now();
    if ("respond" in place) {
      body.source?.cancel();
      const uptake = new Uptake(this.deployment.spec.limits.timeoutMs);
      return { run: place, hold, body, paidTime: null, uptake, at };
    }
    const run = await startProgram(place, body.source);
    this.timing?.lap("start");
    this.#run = run;
    const uptake = new Uptake(place.limits.timeoutMs);
    this.#paidTime = this.#startTime({ run, hold, uptake }, place);
    if (this.#isKilled) this.kill();
    return { run, hold, body, paidTime: this.#paidTime, uptake, at };
  }

  #startTime(
    { run, hold, uptake }: Pick<Started, "run" | "hold" | "uptake">,
    { limits }: ProgramPlace,
  ): PaidTime | null {
    const { timeoutMs: creditMs } = limits;
    const { creditsMax } = this;
    if (creditsMax === 1) return null;
    const slot = this.#slot!;
    const admit = () => {
      if (this.parts.records.stops.has(this.deployment.spec)) throw stopped();
      this.#assertWelcome();
      uptake.assertTaken();
      slot.extend(creditMs);
    };
    return new PaidTime({ run, hold, creditsMax, creditMs, admit, undo: () => slot.giveBack() });
  }

  #assertCallerIsHere(): void {
    if (this.arrival.request.hasGone()) throw hungUp();
  }

  /** @throws KhachapuriError `denied` */
  #assertWelcome(): void {
    const { deployment: { cid, spec }, bill, parts: { gate: { welcome } } } = this;
    welcome.assertDeployment(cid);
    welcome.assertOwner(spec.owner);
    if (!bill.isOwed) welcome.assertPayer(bill.payer);
  }

  #abandon(error: unknown): void {
    this.#hold?.release(error instanceof KhachapuriError ? error.code : "internal");
    this.#slot?.undo();
    this.release();
  }

  #programRequest(): ProgramRequest {
    const { target, request } = this.arrival;
    return {
      method: request.method,
      protocol: request.protocol,
      base: this.#base(),
      mount: target.mount,
      path: target.path,
      query: request.query,
      headers: withHost(request.fields.list, request.host),
      hasBody: request.body !== null,
      bodyBytes: this.#body?.bytes ?? announced(request.fields),
      remoteAddress: request.sender.address,
      upgrade: request.upgrade,
      // By then the scheme has admitted the bill: its bearer is the payer.
      payer: this.bill.source === "caller" ? this.bill.payer : null,
    };
  }

  /** What the caller asked: mostly our own URL, which then is not made anew for each call. */
  #base(): URL {
    const { target: { form, cid, name }, request: { host, sender } } = this.arrival;
    const { webDomain } = this.parts.programs;
    // Where nobody says which scheme it was, it is taken to be that of our own URL.
    const isOurScheme = sender.scheme === null || webDomain.protocol === `${sender.scheme}:`;
    if (form === "path" && isOurScheme) return webDomain;
    const ownScheme = form === "root" ? "http:" : form === "domain" ? webDomain.protocol : null;
    const asked = ownScheme === null ? null : URL.parse(`${ownScheme}//${host}`);
    const base = asked ?? new URL(webDomain);
    if (form === "host") base.hostname = `${name ?? cid}.${webDomain.hostname}`;
    if (sender.scheme !== null) base.protocol = sender.scheme;
    return base;
  }
}

/** What Content-Length says; null when it says nothing. */
export function announced(fields: FieldReader): number | null {
  const value = fields.get("content-length");
  return value === null ? null : Number(value);
}

async function provenPayer(
  schemes: readonly PaymentScheme[],
  fields: FieldReader,
  mayRecover: () => boolean,
): Promise<Address | null> {
  for (const scheme of schemes) {
    const payer = await scheme.provenPayer(fields, mayRecover);
    if (payer) return payer;
  }
  return null;
}

interface Payment {
  scheme: PaymentScheme;
  bill: Bill;
}

async function readBill(
  schemes: readonly PaymentScheme[],
  deployment: Deployment,
  { request: { fields, sender } }: Arrival,
): Promise<Payment> {
  for (const scheme of schemes) {
    const bill = await scheme.read(deployment, fields, sender.address);
    if (bill) return { scheme, bill };
  }
  throw new KhachapuriError("payment_required", "no way to pay that is taken here was offered");
}
