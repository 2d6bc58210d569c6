/**
 * Keeps a certificate: has it, renews it in time, and leaves the CA alone for as long as it should
 * after a failure. What it knows is on disk before it acts on it, so that a process which ends
 * again and again orders no more often than one that runs.
 */
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import type { CertificateSource, KeyPair } from "../wire/certificate.ts";
import { caRequests } from "./ca_requests.ts";
import type { HeldCertificate, TlsFolder } from "./tls_folder.ts";
import { Orders, type OrdersOptions } from "./orders.ts";
import { renewalInfoOf } from "./renewal_info.ts";
import {
  boundedTime,
  expiryAlarm,
  type RenewalWindow,
  restAfterSuccessMs,
  restMs,
} from "./renewal.ts";
import { type CertificateReport, reportOf } from "./report.ts";
import { type Failure, type Status, statusFor } from "./status.ts";

export interface KeeperOptions extends Omit<OrdersOptions, "signal"> {
  readonly folder: TlsFolder;
  /** The directory at which a first order is tried before; null: it is not. */
  readonly rehearsal: string | null;
  /** What is wanted, as `wishOf` has it. */
  readonly wish: string;
  /** Makes ready what a CA looks at. @throws KhachapuriError */
  prepare(): Promise<void>;
  readonly alpn: Pick<CertificateSource, "isChallenged" | "challengePair">;
  /** From 0 to 1. */
  chance(): number;
}

/** Between two looks at what is due; a clock that is set meanwhile is noticed by then, ms. */
const LOOK_MS = 30_000;

/** A failure that the CA knows nothing of: nothing is counted there. */
const OWN = "not ready";

type Use = (pair: KeyPair) => void;

export class CertificateKeeper implements CertificateSource {
  readonly #closing = new AbortController();
  #stamp: string | null = null;
  #held: HeldCertificate | null;
  #status: Status;
  #window: RenewalWindow | null = null;
  #askWindowAt = -Infinity;
  #use: Use = () => {};
  #cancel: () => void = () => {};
  #working: Promise<void> = Promise.resolve();

  private constructor(
    private readonly options: KeeperOptions,
    held: HeldCertificate | null,
    stamp: string | null,
    status: Status,
  ) {
    this.#held = held;
    this.#stamp = stamp;
    this.#status = status;
  }

  static async open(options: KeeperOptions): Promise<CertificateKeeper> {
    const { folder, wish } = options;
    const stamp = await folder.stamp();
    const held = await folder.held();
    return new CertificateKeeper(options, held, stamp, statusFor(wish, await folder.status()));
  }

  get first(): KeyPair | null {
    return this.#held?.pair ?? null;
  }

  watch(use: Use): void {
    this.#use = use;
  }

  /** Begins to keep it; the CA may look from then on. */
  start(): void {
    this.#lookIn(0);
  }

  async renew(): Promise<boolean> {
    return await this.#reread();
  }

  isChallenged(): boolean {
    return this.options.alpn.isChallenged();
  }

  challengePair(serverName: string | null): KeyPair | null {
    return this.options.alpn.challengePair(serverName);
  }

  /**
   * Has one now, due or not.
   * @throws KhachapuriError what it failed with; `rate_limited` while the CA wants to be left alone
   */
  async renewNow(): Promise<void> {
    const { restUntil, lastFailure } = this.#status;
    const now = this.options.clock.now();
    if (lastFailure?.problem === "rateLimited" && boundedTime(restUntil, now) > now) {
      throw new KhachapuriError(
        "rate_limited",
        `the CA wants to be left alone until ${
          new Date(restUntil).toISOString()
        }: ${lastFailure.message}`,
      );
    }
    await this.#turn(true);
    if (this.#status.lastFailure && this.#status.failures > 0) {
      throw asError(this.#status.lastFailure);
    }
  }

  report(): CertificateReport {
    const { names, directory, clock } = this.options;
    const facts = this.#held?.facts ?? null;
    const known = { names, directory, facts, status: this.#status, window: this.#window };
    return reportOf(known, clock.now());
  }

  /** What a health check says of it; null: nothing. */
  trouble(): string | null {
    const { lastFailure } = this.#status;
    const why = lastFailure ? ` (${lastFailure.message})` : "";
    if (!this.#held) return `there is no certificate${why}`;
    const alarm = expiryAlarm(this.#held.facts, this.options.clock.now());
    return alarm && `${alarm.words}${why}`;
  }

  close(): void {
    this.#cancel();
    this.#closing.abort(new KhachapuriError("no_certificate", "the provider stops"));
  }

  /** Resolves when nothing is under way any more. */
  async closed(): Promise<void> {
    this.close();
    await this.#working;
  }

  #lookIn(ms: number): void {
    if (this.#closing.signal.aborted) return;
    this.#cancel();
    this.#cancel = this.options.clock.after(ms, () => {
      void this.#turn(false).finally(() => this.#lookIn(LOOK_MS));
    });
  }

  /** One at a time. */
  #turn(isForced: boolean): Promise<void> {
    const turn = this.#working.then(async () => {
      if (this.#closing.signal.aborted) return;
      try {
        await this.#reread();
        await this.#askForWindow();
        if (isForced || this.#isDue()) {
          await this.options.folder.alone(() => this.#attempt(isForced));
        }
      } catch (error) {
        this.options.log.error("the certificate is not looked after", { error });
      }
    });
    this.#working = turn;
    return turn;
  }

  /** Another process may have replaced it. @returns whether one had */
  async #reread(): Promise<boolean> {
    const stamp = await this.options.folder.stamp();
    if (stamp === this.#stamp) return false;
    this.#stamp = stamp;
    const held = await this.options.folder.held();
    if (held === null) return false;
    this.#held = held;
    this.#window = null;
    this.#askWindowAt = -Infinity;
    this.#use(held.pair);
    return true;
  }

  #isDue(): boolean {
    return this.options.clock.now() >= this.report().nextAt;
  }

  /** A CA that cannot be asked for it, or has none, leaves two thirds of the life. */
  async #askForWindow(): Promise<void> {
    const { clock, directory, fetch, log } = this.options;
    const now = clock.now();
    if (!this.#held || now < this.#askWindowAt) return;
    this.#askWindowAt = now + LOOK_MS * 120;
    const request = caRequests({ fetch, now: clock.now, signal: this.#closing.signal });
    try {
      const info = await renewalInfoOf(this.#held.facts, {
        directoryUrl: directory,
        request,
        now: clock.now,
      });
      this.#window = info.window;
      this.#askWindowAt = now + info.againSeconds * 1_000;
    } catch (error) {
      log.debug("the CA does not say when to renew", { error });
    }
  }

  async #attempt(isForced: boolean): Promise<void> {
    const { clock, names, log } = this.options;
    if (!isForced && !this.#isDue()) return;
    const before = this.#status;
    const failures = before.failures + 1;
    const rest = (asked?: number) => clock.now() + restMs(failures, this.options.chance(), asked);
    // Before anything is asked of the CA: an end of the process in its midst is a failure, too.
    await this.#note({ ...before, failures, restUntil: rest() });
    try {
      await this.options.prepare().catch((error) => {
        throw asKhachapuriError(error).toldWith({ data: { problem: OWN } });
      });
      await this.#order();
      await this.#note({
        ...this.#status,
        failures: 0,
        restUntil: clock.now() + restAfterSuccessMs(),
        lastFailure: null,
      });
      log.info("a certificate was had", { ...this.report().certificate, names });
    } catch (thrown) {
      if (this.#closing.signal.aborted) return await this.#note(before);
      const error = asKhachapuriError(thrown);
      const failure = failureOf(error, clock.now());
      const isOwn = failure.problem === OWN;
      await this.#note({
        ...this.#status,
        failures: isOwn ? before.failures || 1 : failures,
        restUntil: isOwn ? clock.now() + LOOK_MS : rest(error.retryAfterSeconds),
        lastFailure: failure,
        isRehearsed: this.#status.isRehearsed && isUnreachable(failure),
      });
      const next = new Date(this.#status.restUntil).toISOString();
      log.error("no certificate could be had", { names, next, error, hints: error.hints });
    }
  }

  /** At the staging directory first, whose limits are generous, and which anybody may use up. */
  async #order(): Promise<void> {
    const { folder, directory, rehearsal } = this.options;
    const orders = new Orders({ ...this.options, signal: this.#closing.signal }, folder);
    if (rehearsal !== null && !this.#held && !this.#status.isRehearsed) {
      await orders.have(rehearsal, null).catch((error) => {
        const told = asKhachapuriError(error);
        throw told.toldWith({ message: `tried at the staging directory: ${told.shortMessage}` });
      });
      await this.#note({ ...this.#status, isRehearsed: true });
    }
    const replaced = this.#window ? this.#held?.facts.renewalId ?? null : null;
    const pair = await orders.have(directory, replaced);
    await folder.hold(pair);
    await folder.noteBegun(null);
    await this.#reread();
  }

  async #note(status: Status): Promise<void> {
    this.#status = status;
    await this.options.folder.noteStatus(status);
  }
}

function isUnreachable({ problem }: Failure): boolean {
  return problem === "unreachable" || problem === "rateLimited";
}

function failureOf({ shortMessage, hints, data }: KhachapuriError, at: number): Failure {
  const problem = typeof data.problem === "string" ? data.problem : null;
  return { at, message: shortMessage, hints: [...hints], problem };
}

function asError({ message, hints }: Failure): KhachapuriError {
  return new KhachapuriError("no_certificate", message, { hints });
}
