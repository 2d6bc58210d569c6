/** One process's time with the books: how it begins, passes on, and ends. */
import { leaveRunUids } from "../../../sandbox/uid.ts";
import type { Config } from "../../config.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { HANDOVER_TUNNEL_MS } from "../../limits_of_handover.ts";
import type { Log } from "../../log.ts";
import { pause } from "../../pause.ts";
import { within } from "../../within.ts";
import { extendAheadMs } from "../call/paid_time.ts";
import { placeForControl } from "../control/control_path.ts";
import { type Control, openControl } from "../control/control_server.ts";
import type { Desk } from "../handover/desk.ts";
import { Turnstile } from "../handover/turnstile.ts";
import type { Listener } from "../wire/listener.ts";
import type { Place } from "../wire/place.ts";
import type { Denial } from "../denial/denial.ts";
import { openCertificates, type OwnCertificates, watchedBy } from "./certificate_room.ts";
import { takeCertificateCommands, takeCommands, takeSettleCommand } from "./commands.ts";
import { takeDenials } from "./denials.ts";
import { handOver, hearStop, type Incumbent } from "./handing_over.ts";
import { listenForCarried, openListener, placeOf } from "./listening.ts";
import { prepareSuccession } from "./prepare.ts";
import { createRoutes } from "./routes.ts";
import { leftGenerations, removeGeneration, type Site } from "./site.ts";
import type { Bequest, Predecessor } from "./taking_over.ts";
import { type OpenProvider, openProvider } from "./wiring.ts";

export interface RunningProvider {
  /** Where it listens, e.g. `http://127.0.0.1:8402`. */
  readonly url: string;
  /** Lets runs end (for `graceMs` at most), settles what is due, closes everything. */
  stop(): Promise<void>;
  /** Uses the certificate's files as they are now; whether they had changed. */
  renewCertificate(): Promise<boolean>;
  /** Resolves when another process has taken its place and its last run has ended. */
  readonly replaced: Promise<void>;
  /** Resolves when it can serve no more: it is to be stopped, and a new process begun. */
  readonly failed: Promise<KhachapuriError>;
}

/** What whoever starts a provider hears of it. */
export interface Hooks {
  /** Has further commands of this machine handled, wherever they reach it. */
  onControl?(control: Control): void;
  /** A successor serves from now on. */
  onSucceeded?(): void;
  /** The socket that was passed accepts nobody any more: only another process can have it again. */
  onLost?(): void;
}

export interface TenancyOptions extends Hooks {
  config: Config;
  log: Log;
  now: () => number;
  /** How long runs may go on after `stop`, ms; null: as long as one that is paid for takes. */
  graceMs: number | null;
  /** Of a socket that listens already; null: none was passed. */
  fd: number | null;
  /** Of one for authorities that look whether the domain is ours, likewise. */
  httpFd: number | null;
}

/** Between two looks at whether runs have ended, ms. */
const LOOK_MS = 100;
/** A process that died with the lock in its hands lets go of it within so many looks. */
const LOCK_LOOKS = 100;

export class Tenancy implements RunningProvider, Incumbent {
  readonly turnstile = new Turnstile();
  readonly log: Log;
  #listener!: Listener;
  #control: Control | null = null;
  #carried: Listener | null = null;
  #isPassingOn = false;
  #isReplaced = false;
  /** Whether the process before goes on. */
  #isFollowed = false;
  /** What it left is removed. */
  #cleared: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | null = null;
  readonly #followed = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<KhachapuriError>();

  private constructor(
    private readonly options: TenancyOptions,
    public open: OpenProvider,
    private owned: AsyncDisposableStack,
    private readonly predecessor: Predecessor | null,
    /** Not among what is owned: it outlasts books that were given away and come back. */
    private readonly certificates: OwnCertificates | null,
  ) {
    this.log = options.log;
    this.#over.promise.catch(() => {});
  }

  /** Opens the books of a provider that does not run. */
  static async begin(options: TenancyOptions, site: Site): Promise<Tenancy> {
    await using stack = new AsyncDisposableStack();
    const open = await openProvider(site, stack);
    for (const left of await leftGenerations(site.state, new Set([site.state.generation]))) {
      await removeGeneration(site.state, left);
    }
    await using kept = new AsyncDisposableStack();
    const certificates = await openCertificates(options, site.provider);
    kept.defer(() => certificates?.close());
    const tenancy = new Tenancy(options, open, stack, null, certificates);
    await tenancy.#listen(placeAt(options, site.provider.listen));
    await tenancy.#serve();
    await certificates?.start();
    tenancy.owned = stack.move();
    kept.move();
    return tenancy;
  }

  /** Takes the books of one that runs, and its place. */
  static async succeed(
    options: TenancyOptions,
    site: Site,
    predecessor: Predecessor,
  ): Promise<Tenancy> {
    const { log } = options;
    await using stack = new AsyncDisposableStack();
    const place = placeAt(options, site.provider.listen, predecessor);
    await using kept = new AsyncDisposableStack();
    const certificates = await openCertificates({ ...options, isSecond: true }, site.provider);
    kept.defer(() => certificates?.close());
    const bequest = await predecessor.books();
    const backUids = leaveRunUids(bequest.uids);
    const open = await openProvider(site, stack);
    const desk = open.estate.deskFor(bequest);
    const tenancy = new Tenancy(options, open, stack, predecessor, certificates);
    await tenancy.#listen(place);
    const path = `${await placeForControl(site.state.book)}.${site.state.generation}`;
    tenancy.#carried = await listenForCarried(path, tenancy.turnstile.handle, {
      log,
      usage: open.parts.wire,
    });
    await tenancy.#serve();
    predecessor.replaced(path, desk, open.books.records.stops);
    tenancy.#isFollowed = true;
    tenancy.#cleared = predecessor.ended.then(() => tenancy.#clearUp(path, backUids));
    tenancy.#cleared.catch((error) => {
      log.warn("what the process before left is not removed", { message: String(error) });
    });
    await certificates?.start();
    tenancy.owned = stack.move();
    kept.move();
    return tenancy;
  }

  get url(): string {
    return this.#listener.url;
  }

  get replaced(): Promise<void> {
    return this.#over.promise;
  }

  get failed(): Promise<KhachapuriError> {
    return this.#failed.promise;
  }

  renewCertificate(): Promise<boolean> {
    return this.#listener.renewCertificate();
  }

  /** Calling it again waits for the same. */
  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  async #stop(): Promise<void> {
    await this.#drain();
    const { parts, site: { provider: { sandbox: { timeoutMs } } } } = this.open;
    const graceMs = this.options.graceMs ?? timeoutMs + extendAheadMs(timeoutMs);
    parts.gate.slots.close();
    parts.records.runLog.followers.close();
    parts.programs.sandboxes.drain();
    this.predecessor?.askToStop();
    const stopped = this.#listener.stop(graceMs);
    // The process before goes by these books to its end.
    if (this.#isFollowed) await within(this.predecessor!.ended, graceMs);
    await stopped;
    if (this.#isReplaced) return await this.#over.promise;
    await this.#close();
  }

  /**
   * Whoever spreads calls over nodes asks /readyz now and then, and until it has, sends some here;
   * none comes once another process has this one's place.
   */
  async #drain(): Promise<void> {
    const { parts, estate, site: { provider: { drainSeconds } } } = this.open;
    parts.readiness.drain();
    const left = estate.drain();
    if (drainSeconds === 0) return await left;
    this.log.info("draining", { seconds: drainSeconds });
    await within(
      Promise.race([this.#failed.promise, this.#followed.promise]),
      drainSeconds * 1_000,
    );
    await left;
  }

  /** Nothing new comes here by now: what there is ends in its own time, and then this process. */
  async replacedBy(settled: () => Promise<void>): Promise<void> {
    this.#isReplaced = true;
    this.#followed.resolve();
    this.options.onSucceeded?.();
    // An authority's looks are for the process that orders from now on.
    await this.certificates?.close();
    const { programs: { sandboxes }, gate: { slots }, readiness } = this.open.parts;
    readiness.drain();
    sandboxes.retireAll();
    try {
      await this.#listener.retire(HANDOVER_TUNNEL_MS);
      // Also runs whose callers have gone, and those of the process before.
      if (this.predecessor) await this.predecessor.ended;
      while (slots.calls() > 0) await pause(LOOK_MS);
      await settled();
      await this.#close();
      this.log.info("the last run has ended, and with it this process");
    } finally {
      this.#over.resolve();
    }
  }

  fail(error: KhachapuriError): void {
    this.#failed.resolve(error);
  }

  async takeBack(bequest: Bequest, heir: PromiseWithResolvers<Desk>): Promise<void> {
    this.log.warn("the process that took over has ended: taking the books back");
    try {
      const { site } = this.open;
      const again = prepareSuccession(site, site.state.generation + 2);
      const stack = new AsyncDisposableStack();
      const open = await this.#reopen(again, stack);
      const desk = open.estate.deskFor(bequest);
      const former = { open: this.open, owned: this.owned };
      [this.open, this.owned] = [open, stack];
      await this.#serve();
      heir.resolve(desk);
      const unhear = open.books.records.stops.onStop((spec) => hearStop(former.open, spec));
      former.open.parts.programs.sandboxes.retireAll();
      this.#isPassingOn = false;
      this.#endFormer(former, desk).finally(unhear);
    } catch (error) {
      heir.reject(error);
      this.log.error("the books cannot be taken back", { error: asKhachapuriError(error) });
      this.#over.reject(error);
    }
  }

  /** What was begun before the books came back ends in its own time. */
  async #endFormer(
    { open, owned }: { open: OpenProvider; owned: AsyncDisposableStack },
    desk: { leave(): void; held: number },
  ): Promise<void> {
    const { slots } = open.parts.gate;
    while (slots.calls() + desk.held > 0) await pause(LOOK_MS);
    await owned.disposeAsync();
    desk.leave();
    await removeGeneration(open.site.state, open.site.state.generation);
    await removeGeneration(open.site.state, open.site.state.generation + 1);
    this.log.info("what was begun before the books came back has ended");
  }

  /** Its lock is let go of when the process is gone, which takes a moment. */
  async #reopen(site: Site, stack: AsyncDisposableStack): Promise<OpenProvider> {
    for (let looks = 1;; looks++) {
      try {
        return await openProvider(site, stack);
      } catch (error) {
        if (asKhachapuriError(error).code !== "access_denied" || looks === LOCK_LOOKS) throw error;
        await pause(LOOK_MS);
      }
    }
  }

  async #listen(place: Place): Promise<void> {
    const { config, log } = this.options;
    const { parts: { wire: usage }, site: { provider } } = this.open;
    const told = { log, usage, certificate: this.certificates?.keeper };
    this.#listener = await openListener(config, provider, this.turnstile.handle, told, place);
  }

  /** Answers requests, and says where. */
  async #serve(): Promise<void> {
    const { parts, books, failed, lock, site: { state, provider } } = this.open;
    failed.then(this.#failed.resolve);
    const { log, now } = this.options;
    const { certificates } = this;
    this.turnstile.lead(createRoutes(certificates ? watchedBy(parts, certificates) : parts));
    await lock.announce(this.url);
    const before = this.#control;
    const control = this.#control = await openControl(await placeForControl(state.book));
    await before?.close();
    takeCommands(control, parts, { pid: Deno.pid, url: this.url, since: now() });
    takeSettleCommand(control, parts.money);
    if (certificates) takeCertificateCommands(control, certificates.keeper);
    const tell = (denial: Denial) => this.predecessor?.denied(denial);
    takeDenials(control, { ...parts.programs, denials: books.denialDesk, log, now, tell });
    books.onDenied(tell);
    // Until this control was there a command could reach the process before, with the books here.
    parts.denials.reread();
    this.options.onControl?.(control);
    control.on("take-over", (body, lines) => this.#passOn(body, lines));
    parts.readiness.begin();
    this.open.estate.keepLanes();
    log.info("serving", { url: this.url, name: provider.name, escrow: parts.seller.escrow });
  }

  async #passOn(...asked: [unknown, Parameters<typeof handOver>[2]]): Promise<null> {
    if (this.#isPassingOn) throw takenOver();
    this.#isPassingOn = true;
    await handOver(this, ...asked).finally(() => {
      if (!this.#isReplaced) this.#isPassingOn = false;
    });
    return null;
  }

  /** Nothing comes from the process before any more, and nothing of it stays. */
  async #clearUp(carriedPath: string, backUids: () => void): Promise<void> {
    this.#isFollowed = false;
    backUids();
    await this.#carried?.stop(0);
    this.#carried = null;
    await Deno.remove(carriedPath).catch(() => {});
    const { generation, pid } = this.predecessor!.agreed;
    await removeGeneration(this.open.site.state, generation);
    this.log.info("the process before has ended", { pid });
  }

  async #close(): Promise<void> {
    // The parts first and at once: what ends by this ends for our sake, and costs nobody.
    const closed = this.owned.disposeAsync();
    const beside = [this.#control?.close(), this.#carried?.stop(0), this.certificates?.close()];
    await Promise.all([closed, ...beside]);
    if (!this.#isFollowed) await this.#cleared.catch(() => {});
  }
}

/**
 * Where to listen: beside the process before where that listens there, or by the socket that was
 * passed.
 */
function placeAt(
  { fd, onLost = () => {} }: TenancyOptions,
  said: string,
  before: Predecessor | null = null,
): Place {
  const place = placeOf(said);
  const isSame = before?.agreed.listen === said;
  const port = isSame ? placeOf(before.agreed.url).port : place.port;
  if (fd !== null) return { ...place, port, fd, onLost };
  return { ...place, port, ...(isSame ? { isShared: true } : {}) };
}

function takenOver(): KhachapuriError {
  return new KhachapuriError("overloaded", "another process takes this one's place already", {
    retryAfterSeconds: 5,
  });
}
