/** A node's place among those of its fleet: the session that its runs are held by. */
import { nodeUrlOf } from "../../config_fleet.ts";
import type { FleetNode } from "../../ipfs/rendezvous.ts";
import { asKhachapuriError } from "../../errors.ts";
import { VERSION } from "../../version.ts";
import type { SharedBooks } from "../deployment/shared_books.ts";
import type { Database } from "../fleet/database.ts";
import { type LiveNode, type NodeFacts, Sessions } from "../fleet/sessions.ts";
import type { PostgresLedger } from "../ledger/postgres/postgres_ledger.ts";
import type { Site } from "./site.ts";

export interface MembershipOptions extends Pick<Site, "log"> {
  database: Database;
  fleet: NonNullable<Site["provider"]["fleet"]>;
  shared: Pick<SharedBooks, "beat" | "seen">;
}

export class Membership {
  #sessions!: Sessions;
  /** Opened by the session, and told when there is another. */
  #ledger: Pick<PostgresLedger, "beginAnew" | "heldHere"> | null = null;
  #beat: Promise<void> = Promise.resolve();
  #hasLeft = false;

  private constructor(private readonly options: MembershipOptions) {}

  /** @throws KhachapuriError `database_unavailable` */
  static async begin(options: MembershipOptions): Promise<Membership> {
    const member = new Membership(options);
    const { database, fleet, log } = options;
    member.#sessions = await Sessions.begin({
      database,
      card: { node: fleet.node, url: nodeUrlOf(fleet), version: VERSION },
      beforeBeat: () => member.#beforeBeat(),
      facts: () => member.#facts(),
      onLost: () => member.#ledger?.beginAnew(),
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

  follow(ledger: Pick<PostgresLedger, "beginAnew" | "heldHere">): void {
    this.#ledger = ledger;
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

  async #beforeBeat(): Promise<void> {
    if (this.#hasLeft) return;
    this.#beat = this.options.shared.beat().catch((error) => {
      this.options.log.debug("what is shared is not read", { error });
    });
    await this.#beat;
  }

  #facts(): NodeFacts {
    const held = { held: String(this.#ledger?.heldHere() ?? 0n) };
    // Whoever has left hears of stops by the process that has its place.
    return this.#hasLeft ? held : { ...held, seen: this.options.shared.seen() };
  }
}

function heldBy({ facts: { held } }: LiveNode): bigint {
  return typeof held === "string" && /^[0-9]{1,39}$/.test(held) ? BigInt(held) : 0n;
}
