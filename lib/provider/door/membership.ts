/** A node's place among those of its fleet: the session that its runs are held by. */
import { nodeUrlOf } from "../../config_fleet.ts";
import type { FleetNode } from "../../ipfs/rendezvous.ts";
import { asKhachapuriError } from "../../errors.ts";
import { VERSION } from "../../version.ts";
import type { SharedBooks } from "../deployment/shared_books.ts";
import type { Database } from "../fleet/database.ts";
import { readLastSession, writeLastSession } from "../fleet/last_session.ts";
import type { Leadership } from "../fleet/leadership.ts";
import { fromNodeFacts, type NodeState, toNodeFacts } from "../fleet/node_facts.ts";
import { type LiveNode, type NodeFacts, Sessions } from "../fleet/sessions.ts";
import type { PostgresLedger } from "../ledger/postgres/postgres_ledger.ts";
import type { Follower } from "../settlement/follower.ts";
import type { Site } from "./site.ts";

/** What others are told of its work. */
export type NodeWork = Pick<NodeState, "price" | "isDraining" | "runs" | "slots" | "sandboxes">;

/** Its money. */
export interface Followed {
  ledger: Pick<PostgresLedger, "beginAnew" | "heldHere">;
  follower: Pick<Follower, "head" | "ageMs">;
  leadership: Pick<Leadership, "term">;
}

export interface MembershipOptions extends Pick<Site, "log" | "now"> {
  database: Database;
  fleet: NonNullable<Site["provider"]["fleet"]>;
  shared: Pick<SharedBooks, "beat" | "seen">;
  /** Where it is told which session this node has. */
  sessionPath: string;
  /** No other process of this node lives. */
  isAlone: boolean;
}

export class Membership {
  #sessions!: Sessions;
  /** Of which the others are told. */
  #followed: Followed | null = null;
  #work: (() => NodeWork) | null = null;
  readonly #startedAtMs: number;
  #leads: { readonly term: number; readonly sinceMs: number } | null = null;
  #beat: Promise<void> = Promise.resolve();
  #hasLeft = false;

  private constructor(private readonly options: MembershipOptions) {
    this.#startedAtMs = options.now();
  }

  /** @throws KhachapuriError `database_unavailable` */
  static async begin(options: MembershipOptions): Promise<Membership> {
    const member = new Membership(options);
    const { database, fleet, log, sessionPath, isAlone } = options;
    member.#sessions = await Sessions.begin({
      database,
      card: { node: fleet.node, url: nodeUrlOf(fleet), version: VERSION },
      gone: isAlone ? await readLastSession(sessionPath) : null,
      onBegun: (session) => member.#noteSession(session),
      besideBeats: () => member.#besideBeats(),
      facts: () => member.#facts(),
      onLost: () => member.#followed?.ledger.beginAnew(),
      onTrouble: (error) => log.debug("the fleet is not heard", { error }),
    });
    return member;
  }

  /** As it is now: whoever was silent for too long has another. */
  get session(): number {
    return this.#sessions.session;
  }

  /** Resolves when it has another session, where its own was given up. */
  async renew(): Promise<void> {
    await this.#sessions.beat();
  }

  /** Resolves when it has another session: what its own holds is not what it knows of. */
  async giveUp(): Promise<void> {
    await this.#sessions.giveUp();
  }

  /** Its money, which begins anew with each session. */
  follow(followed: Followed): void {
    this.#followed = followed;
  }

  /** What it does, for whoever looks at the fleet. */
  tellOf(work: () => NodeWork): void {
    this.#work = work;
  }

  /** As of the last beat. */
  live(): readonly LiveNode[] {
    return this.#sessions.nodes();
  }

  /** Those that live, this one among them, each once. */
  nodes(): FleetNode[] {
    // Of a node that is followed by another process of it the newer session is told.
    const byName = new Map(this.#sessions.nodes().map(({ node, url }) => [node, url]));
    return [...byName].map(([name, url]) => ({ name, url }));
  }

  /** What the others' runs and what they hold ahead may cost, USDC base units. */
  heldElsewhere(): bigint {
    const others = this.#sessions.nodes().filter(({ session }) => session !== this.session);
    return others.reduce((sum, other) => sum + heldBy(other), 0n);
  }

  /** Another process has the files that hold what all know: they are followed here no more. */
  async leaveFiles(): Promise<void> {
    this.#hasLeft = true;
    await this.#beat;
  }

  /** Nothing is held by it any more. */
  async end(): Promise<void> {
    await this.#sessions.end().catch((thrown) => {
      const error = asKhachapuriError(thrown);
      this.options.log.warn("the others hear late that this node has gone", { error });
    });
  }

  async #noteSession(session: number): Promise<void> {
    if (this.#hasLeft) return;
    await writeLastSession(this.options.sessionPath, session).catch((error) => {
      this.options.log.debug("the session is not noted", { error });
    });
  }

  async #besideBeats(): Promise<void> {
    if (this.#hasLeft) return;
    this.#beat = this.options.shared.beat().catch((error) => {
      this.options.log.debug("what is shared is not read", { error });
    });
    await this.#beat;
  }

  #facts(): NodeFacts {
    const { shared, now } = this.options;
    const chain = this.#followed?.follower;
    return toNodeFacts({
      startedAtMs: this.#startedAtMs,
      clockMs: now(),
      ...this.#followed?.ledger.heldHere(),
      ...(chain ? { block: chain.head() ?? 0n, chainAgeMs: chain.ageMs() } : {}),
      ...this.#work?.(),
      leadsSinceMs: this.#leadsSinceMs(),
      // Whoever has left hears of stops by the process that has its place.
      ...(this.#hasLeft ? {} : { seen: shared.seen() }),
    });
  }

  #leadsSinceMs(): number | null {
    const term = this.#followed?.leadership.term?.term ?? null;
    if (term === null) this.#leads = null;
    else if (term !== this.#leads?.term) this.#leads = { term, sinceMs: this.options.now() };
    return this.#leads?.sinceMs ?? null;
  }
}

function heldBy({ facts }: LiveNode): bigint {
  const { heldUsdc, aheadUsdc } = fromNodeFacts(facts);
  return (heldUsdc ?? 0n) + (aheadUsdc ?? 0n);
}
