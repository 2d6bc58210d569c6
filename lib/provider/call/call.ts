/**
 * One call from its arrival to the end of its run. It owns what it holds while it lasts: the watch
 * over its caller, the lease of a sandbox, a slot, the credit, the run. Each stage can refuse, up
 * to the credit for free; whatever was taken by then is given back.
 */
import type { Address } from "viem";
import type { Run } from "../../../sandbox/sandbox.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { Attendance } from "../http/attendance.ts";
import type { HeaderField } from "../http/header_rules.ts";
import { hungUp, meterBody, type RequestBody, type WholeBody } from "../http/request_body.ts";
import type { DeploymentTarget } from "../http/target.ts";
import type { Bill, Hold, PaymentScheme } from "../money/scheme.ts";
import type { ProgramInterface, ProgramRequest } from "../program/interface/interface.ts";
import { interfaceOf } from "../program/interface/interfaces.ts";
import type { Lease } from "../program/sandboxes.ts";
import type { Claim } from "./idempotency.ts";
import type { CallParts } from "./parts.ts";
import type { Slot } from "./slots.ts";

/** A call as it arrived. */
export interface Arrival {
  readonly target: DeploymentTarget;
  /** The query with its question mark; "" when there is none. */
  readonly search: string;
  readonly request: Request;
  /** All of the request's fields, in lower case, repeated ones joined. */
  readonly headers: readonly HeaderField[];
  readonly remoteAddress: string;
}

/** A run in progress, with what was taken for it. */
export interface Started {
  readonly run: Run;
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
  #run: Run | null = null;
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
      const { target, request, remoteAddress } = arrival;
      const { schemes } = parts.money;
      const deployment = await parts.programs.deployments.get(
        target.cid,
        remoteAddress,
        (mayRecover) => provenPayer(schemes, request.headers, mayRecover),
      );
      const { scheme, bill } = readBill(schemes, deployment, arrival);
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
      // Before a slot is taken: a program that nobody has takes long to fail.
      this.#lease = await sandboxes.acquire(deployment);
      this.#slot = gate.slots.take(deployment, bill);
      // Before the credit is taken, as `--settle each` takes it on chain, and after.
      this.#assertCallerIsHere();
      this.#hold = await this.scheme.hold(admission);
      records.registrations.add(deployment);
      this.#assertCallerIsHere();
      if (!claim) this.#attendance.whenGone(() => this.kill());
      return await this.#runProgram(this.#lease, this.#hold);
    } catch (error) {
      this.#abandon(error);
      throw error;
    }
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

  async #runProgram(lease: Lease, hold: Hold): Promise<Started> {
    const { spec: { program, env } } = this.deployment;
    const { records } = this.parts;
    const isHashed = this.bill.source === "caller";
    const body: RequestBody = this.#body ??
      meterBody(this.arrival.request.body, isHashed, () => this.kill());
    const command = { entrypoint: program.entrypoint, args: program.args, env };
    const request = this.#programRequest();
    const run = await this.interface.start(lease.sandbox, command, request, body.stream);
    this.#run = run;
    if (this.#isKilled) run.kill();
    return { run, hold, body, at: records.now() };
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
    return {
      method: request.method,
      base,
      mount: isOwnHost ? "" : `/${cid}`,
      path: target.path,
      query: search.slice(1),
      headers,
      hasBody: request.body !== null,
      remoteAddress,
    };
  }
}

async function provenPayer(
  schemes: readonly PaymentScheme[],
  headers: Headers,
  mayRecover: () => boolean,
): Promise<Address | null> {
  for (const scheme of schemes) {
    const payer = await scheme.provenPayer(headers, mayRecover);
    if (payer) return payer;
  }
  return null;
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
