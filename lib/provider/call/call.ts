/**
 * One call from its arrival to the end of its run. It owns what it holds while it lasts: the watch
 * over its caller, the lease of a sandbox, a slot, the credit, the run. Each stage can refuse, up
 * to the credit for free; whatever was taken by then is given back.
 */
import { KhachapuriError } from "../../errors.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { Attendance } from "../http/attendance.ts";
import type { HeaderField } from "../http/header_rules.ts";
import { hungUp, meterBody, type RequestBody, type WholeBody } from "../http/request_body.ts";
import type { DeploymentTarget } from "../http/target.ts";
import type { Bill, Hold, PaymentScheme } from "../money/scheme.ts";
import type {
  ProgramInterface,
  ProgramRequest,
  ProgramRun,
  StartProgram,
} from "../program/interface/interface.ts";
import { interfaceOf } from "../program/interface/interfaces.ts";
import type { Lease } from "../program/sandboxes.ts";
import type { Claim } from "./idempotency.ts";
import type { CallParts } from "./parts.ts";
import type { Slot } from "./slots.ts";

/** A call as it arrived. */
export interface Arrival {
  readonly target: DeploymentTarget;
  /** The query with its question mark, as sent; "" when there is none. */
  readonly search: string;
  readonly request: Request;
  /** All of the request's fields, in lower case, repeated ones joined. */
  readonly headers: readonly HeaderField[];
  readonly remoteAddress: string;
}

/** A run in progress, with what was taken for it. */
export interface Started {
  readonly run: ProgramRun;
  readonly hold: Hold;
  readonly body: RequestBody;
  /** Unix ms. */
  readonly at: number;
}

export class Call {
  readonly interface: ProgramInterface;
  readonly #attendance: Attendance;
  #lease: Lease | null = null;
  #slot: Slot | null = null;
  #hold: Hold | null = null;
  #run: ProgramRun | null = null;
  #body: WholeBody | null = null;
  #isKilled = false;

  private constructor(
    readonly parts: CallParts,
    readonly arrival: Arrival,
    attendance: Attendance,
    readonly deployment: Deployment,
    readonly scheme: PaymentScheme,
    readonly bill: Bill,
  ) {
    this.#attendance = attendance;
    this.interface = interfaceOf(deployment.spec.interface);
  }

  /**
   * Finds out what is called and who pays.
   * @throws KhachapuriError for everything that is wrong with either
   */
  static async open(parts: CallParts, arrival: Arrival): Promise<Call> {
    const attendance = new Attendance(arrival.request, parts.gate.shortTimer);
    try {
      const deployment = await parts.programs.deployments.get(arrival.target.cid);
      const { scheme, bill } = readBill(parts.money.schemes, deployment, arrival);
      return new Call(parts, arrival, attendance, deployment, scheme, bill);
    } catch (error) {
      attendance.end();
      throw error;
    }
  }

  /**
   * Program and sandbox ready first, then the credit, then the run: our failures cost nothing.
   * @param admission what the scheme's `admit` returned
   * @param claim where the answer will be kept; such a run goes on when its caller goes away
   * @throws KhachapuriError when it does not start; nothing is held or charged then
   */
  async start(admission: unknown, claim: Claim | null): Promise<Started> {
    const { programs: { sandboxes }, gate, records } = this.parts;
    const { deployment, bill } = this;
    if (!sandboxes.isOpen(deployment.cid)) this.#attendance.expectLong();
    try {
      const startProgram = this.#prepare();
      // Before a slot is taken: a program that nobody has takes long to fail.
      this.#lease = await sandboxes.acquire(deployment);
      this.#slot = gate.slots.take(deployment, bill);
      // Before the credit is taken, as `--settle each` takes it on chain, and after.
      this.#assertCallerIsHere();
      this.#hold = await this.scheme.hold(admission);
      records.registrations.add(deployment);
      this.#assertCallerIsHere();
      if (!claim) this.#attendance.whenGone(() => this.kill());
      return await this.#runProgram(startProgram, this.#lease, this.#hold);
    } catch (error) {
      this.#abandon(error);
      throw error;
    }
  }

  /**
   * Whether the body must arrive before the run, as its program has to know how long it is and its
   * caller did not say so.
   */
  needsWholeBody(): boolean {
    const { request, headers } = this.arrival;
    return this.interface.needsBodyLength && request.body !== null && announced(headers) === null;
  }

  /** The body was read before the run, which is given it; its memory is taken until `release`. */
  keepBody(body: WholeBody): void {
    this.#body = body;
  }

  /** Ends the run before its time, or as soon as there is one. */
  kill(): void {
    this.#isKilled = true;
    this.#run?.kill();
  }

  isKilled(): boolean {
    return this.#isKilled;
  }

  /** The run is over, or there will be none: gives back slot, sandbox and memory. */
  release(): void {
    this.#attendance.end();
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

  async #runProgram(startProgram: StartProgram, lease: Lease, hold: Hold): Promise<Started> {
    const isHashed = this.bill.source === "caller";
    const body: RequestBody = this.#body ??
      meterBody(this.arrival.request.body, isHashed, () => this.kill());
    const run = await startProgram(lease.sandbox, body.stream);
    this.#run = run;
    if (this.#isKilled) run.kill();
    return { run, hold, body, at: this.parts.records.now() };
  }

  #assertCallerIsHere(): void {
    if (this.#attendance.hasGone()) throw hungUp();
  }

  #abandon(error: unknown): void {
    this.#hold?.release(error instanceof KhachapuriError ? error.code : "internal");
    this.#slot?.undo();
    this.release();
  }

  #programRequest(): ProgramRequest {
    const { target, search, request, headers, remoteAddress } = this.arrival;
    const { cid } = this.deployment;
    const { webDomain } = this.parts.programs;
    const isOwnHost = target.form === "host";
    const base = isOwnHost ? new URL(webDomain) : webDomain;
    if (isOwnHost) base.hostname = `${cid}.${webDomain.hostname}`;
    const hasBody = request.body !== null;
    const length = this.#body?.bytes ?? announced(headers);
    return {
      method: request.method,
      protocol: "HTTP/1.1",
      base,
      mount: target.mount,
      path: target.path,
      query: search === "" ? null : search.slice(1),
      headers,
      hasBody,
      bodyBytes: hasBody || length === 0 ? length : null,
      remoteAddress,
    };
  }
}

/** What Content-Length says; null when it says nothing. */
function announced(headers: readonly HeaderField[]): number | null {
  const value = headers.find(([name]) => name === "content-length")?.[1];
  return value === undefined || !/^[0-9]+$/.test(value) ? null : Number(value);
}

interface Payment {
  scheme: PaymentScheme;
  bill: Bill;
}

function readBill(
  schemes: readonly PaymentScheme[],
  deployment: Deployment,
  { request, remoteAddress }: Arrival,
): Payment {
  for (const scheme of schemes) {
    const bill = scheme.read(deployment, request.headers, remoteAddress);
    if (bill) return { scheme, bill };
  }
  throw new KhachapuriError("payment_required", "no way to pay that is taken here was offered");
}
