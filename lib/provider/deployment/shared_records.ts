/**
 * What is kept about deployments, as all nodes of a fleet keep it. Calls ask the file of this node,
 * as where there is one node only; what comes to be is told the others with the next beat, and what
 * an owner waits for before it is answered.
 */
import { isDeepStrictEqual } from "node:util";
import type { Permit } from "../../permit.ts";
import { inTransaction } from "../../transaction.ts";
import { Position } from "../fleet/position.ts";
import type { Outgoing, Replica, ReplicaPart } from "../fleet/replica.ts";
import type { Change, SharedLog, SharedRow } from "../fleet/shared_log.ts";
import { tariffsIn } from "./agreements.ts";
import type { CurrentOffer, TermsTexts } from "./current_offer.ts";
import { type PermitShelf, permitText } from "./owner_permits.ts";
import type { Records } from "./records.ts";
import type { SharedDeployment } from "./registrations.ts";
import { OFFER_KINDS, SharedOffer, tariffsOf, termsRows } from "./shared_offer.ts";
import { permitRow, SharedOutbox, stopRow } from "./shared_outbox.ts";
import type { Stoppable, Stops } from "./stops.ts";
import type { Offer } from "./tariff_book.ts";

export interface SharedRecordsOptions {
  readonly records: Records;
  /** Is changed whenever the fleet offers something else. */
  readonly current: Pick<CurrentOffer, "replace">;
  /** Unix ms. */
  readonly now: () => number;
}

/** What this node's configuration offers, and the texts that it lists. */
export interface Configured {
  readonly offer: Offer;
  readonly texts: TermsTexts;
}

const KINDS = ["deployment", "stop", "permit", ...OFFER_KINDS];

export class SharedRecords implements ReplicaPart {
  readonly kinds: ReadonlySet<string> = new Set(KINDS);
  readonly position: Position;
  readonly #outbox: SharedOutbox;
  readonly #offer: SharedOffer;

  constructor(private readonly options: SharedRecordsOptions) {
    const { records: { database, ownerPermits, tariffs }, current } = options;
    this.position = new Position(database, KINDS);
    this.#outbox = new SharedOutbox(database, ownerPermits);
    this.#offer = new SharedOffer(database, tariffs, current);
  }

  /**
   * Has this node's records follow the fleet's log. Where that is at its beginning, the fleet has
   * from then on what is in the records, and offers what is configured here.
   * @param id of the log
   * @throws KhachapuriError `database_unavailable`
   */
  async join(log: SharedLog, id: string, configured: Configured): Promise<void> {
    const isNew = this.position.log !== id;
    if (isNew || this.#outbox.permits.isWaiting()) {
      // What a lone node took in the place of a permit that the fleet has is read again.
      this.position.advance(id, 0, () => isNew && this.#startOver());
    }
    for (;;) {
      const tariffs = tariffsOf(await log.ofKind("tariff"));
      if (tariffs) return this.#adopt(tariffs);
      this.options.records.tariffs.begin(configured.offer);
      await this.#offerAs(log, configured);
    }
  }

  /**
   * Offers what the fleet does from now on; once all that the log has is here.
   * @returns whether it is what is configured here
   * @throws KhachapuriError `database_unavailable`
   */
  async begin(replica: Pick<Replica, "share" | "sync">, configured: Configured): Promise<boolean> {
    if (this.#offer.wasOther(configured.offer)) {
      while (await this.#offerAs(replica, configured) === null) await replica.sync();
    }
    this.#offer.noteServed(configured.offer);
    this.#offer.follow();
    return this.#offer.isOffered(configured.offer);
  }

  outgoing(): Outgoing | null {
    return this.#outbox.next();
  }

  apply(changes: readonly Change[]): () => void {
    const { records: { registrations, stops, ownerPermits } } = this.options;
    const { deployments, stops: ownStops, permits } = this.#outbox;
    const tell: (() => void)[] = [];
    const of = (kind: string) => changes.filter((change) => change.kind === kind);
    deployments.learn(() => tell.push(registrations.learn(of("deployment").map(deploymentIn))));
    ownStops.learn(() => {
      for (const { owner, id, at } of of("stop").map(stopIn)) {
        tell.push(stops.learn({ owner, id }, at));
      }
    });
    permits.learn(() => {
      for (const { key, value } of of("permit")) {
        const [payer, lane] = key.split(":") as [Permit["payer"], Permit["lane"]];
        tell.push(ownerPermits.learn({ payer, lane }, value));
      }
    });
    const offers = changes.filter(({ kind }) => (OFFER_KINDS as readonly string[]).includes(kind));
    if (offers.map((change) => this.#offer.learn(change)).includes(true)) {
      tell.push(() => this.#offer.follow());
    }
    return () => tell.forEach((each) => each());
  }

  /** @param session of this node */
  stopsOf(
    replica: Pick<Replica, "share" | "seen" | "seenByAll">,
    session: () => number,
  ): SharedStops {
    return new SharedStops(this.options.records.stops, replica, session, this.options.now);
  }

  permitsOf(replica: Pick<Replica, "share">): SharedPermits {
    return new SharedPermits(replica, this.options.records.ownerPermits);
  }

  #startOver(): void {
    this.#outbox.startOver();
    this.#offer.startOver();
  }

  #adopt(tariffs: NonNullable<ReturnType<typeof tariffsOf>>): void {
    const { database, tariffs: book } = this.options.records;
    if (isDeepStrictEqual(tariffsIn(database), [...tariffs])) return;
    inTransaction(database, () => book.adopt(tariffs));
  }

  /** The texts first, each by itself, so that no node ever lacks one. */
  async #offerAs(
    log: { share(rows: readonly SharedRow[]): Promise<number | null> },
    { offer, texts }: Configured,
  ): Promise<number | null> {
    for (const row of termsRows(texts)) await log.share([row]);
    const seconds = BigInt(Math.floor(this.options.now() / 1_000));
    return await log.share(this.#offer.rowsOf(offer, seconds));
  }
}

/** Ends deployments at all nodes. */
export class SharedStops {
  constructor(
    private readonly own: Pick<Stops, "has">,
    private readonly replica: Pick<Replica, "share" | "seen" | "seenByAll">,
    private readonly session: () => number,
    private readonly now: () => number,
  ) {}

  has(spec: Stoppable): boolean {
    return this.own.has(spec);
  }

  /**
   * Resolves when no node takes calls of it any more.
   * @throws KhachapuriError `database_unavailable`; `provider_unavailable` while a node has not
   * heard of it
   */
  async add({ owner, id }: Stoppable): Promise<void> {
    await this.replica.share([stopRow({ owner, id, at: this.now() })]);
    await this.heard();
  }

  /** Resolves when all nodes know what is stopped here. @throws KhachapuriError as `add` */
  async heard(): Promise<void> {
    await this.replica.seenByAll(this.replica.seen, this.session());
  }
}

/** The permits that owners signed after they deployed, as all nodes have them. */
export class SharedPermits implements PermitShelf {
  readonly of: Records["ownerPermits"]["of"];

  constructor(
    private readonly replica: Pick<Replica, "share">,
    private readonly own: Records["ownerPermits"],
  ) {
    this.of = (deployment) => own.of(deployment);
  }

  /** On disk, and here, when it resolves; false: another node was told of another one meanwhile. */
  async put(permit: Permit): Promise<boolean> {
    const { payer, lane } = permit;
    const row = permitRow({ payer, lane, permit: permitText(permit) }, this.own.isLoose(permit));
    const seq = await this.replica.share([{ ...row, was: this.own.textAt(permit) }]);
    return seq !== null;
  }
}

function deploymentIn({ key, value }: Change): SharedDeployment {
  return { cid: key, ...JSON.parse(value!) };
}

function stopIn({ value }: Change): Stoppable & { at: number } {
  return JSON.parse(value!);
}
