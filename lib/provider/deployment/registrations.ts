/** Which deployments have been paid for here, and whose they are. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { OWNERS_REMEMBERED_MAX, REGISTRATIONS_REMEMBERED_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { inTransaction } from "../../transaction.ts";
import { Abouts } from "./abouts.ts";
import type { Agreements } from "./agreements.ts";
import type { Deployment } from "./deployment.ts";
import { DeploymentLanes } from "./deployment_lanes.ts";
import { SealedTo } from "./sealed_to.ts";
import type { Stops } from "./stops.ts";
import type { TariffBook } from "./tariff_book.ts";

export interface Registration {
  cid: CidText;
  id: Hex;
  /** Unix ms of the first call that was paid for. */
  firstSeen: number;
  stopped: boolean;
}

/** All that is kept of a deployment that was paid for, as the nodes of a fleet tell each other. */
export interface SharedDeployment {
  readonly cid: CidText;
  readonly id: Hex;
  readonly owner: Address;
  /** That it counts on. */
  readonly lane: Hex;
  /** Unix ms. */
  readonly firstSeen: number;
  /** Which tariff it came under. */
  readonly came: number;
  /** What its permit pays at most, USDC base units; null where callers pay, or it is not known. */
  readonly price: string | null;
  /** That it signed; null where an early release met it. */
  readonly terms: Hex | null;
  readonly recipient: string | null;
  readonly access: string | null;
  /** What its owner says of it, JSON. */
  readonly about: string | null;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS deployments (
    cid TEXT PRIMARY KEY, id TEXT NOT NULL, owner TEXT NOT NULL, firstSeen INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS deployments_by_owner ON deployments (owner);
`;

export class Registrations {
  /** Known to be on disk already. */
  readonly #added = new Set<CidText>();
  /** Who owns one that was paid for stays its owner: each call asks for it. */
  readonly #owners = new Lru<Address, true>(OWNERS_REMEMBERED_MAX);
  readonly #lanes: DeploymentLanes;
  readonly #sealedTo: SealedTo;
  /** What their owners say of them in public. */
  readonly abouts: Abouts;
  #onAdded: (cid: CidText) => void = () => {};
  readonly #insert: StatementSync;
  readonly #correct: StatementSync;
  readonly #find: StatementSync;
  readonly #isOwner: StatementSync;
  readonly #ofOwner: StatementSync;

  constructor(
    private readonly database: DatabaseSync,
    private readonly stops: Stops,
    private readonly agreements: Agreements,
    private readonly tariffs: Pick<TariffBook, "note" | "learnCame" | "forget">,
    private readonly now: () => number,
  ) {
    database.exec(SCHEMA);
    this.#sealedTo = new SealedTo(database);
    this.abouts = new Abouts(database);
    this.#lanes = new DeploymentLanes(database);
    this.#insert = database.prepare("INSERT OR IGNORE INTO deployments VALUES (?, ?, ?, ?)");
    this.#correct = database.prepare("UPDATE deployments SET firstSeen = ? WHERE cid = ?");
    this.#find = database.prepare("SELECT firstSeen FROM deployments WHERE cid = ?");
    this.#isOwner = database.prepare("SELECT 1 FROM deployments WHERE owner = ? LIMIT 1");
    this.#ofOwner = database.prepare(
      "SELECT cid, id, firstSeen FROM deployments WHERE owner = ? ORDER BY firstSeen",
    );
  }

  /** Remembers a deployment that somebody has paid for; what costs nothing leaves no trace. */
  add(deployment: Deployment): void {
    const { cid } = deployment;
    if (this.#added.has(cid)) return;
    inTransaction(this.database, () => this.#write(deployment));
    if (this.#added.size >= REGISTRATIONS_REMEMBERED_MAX) this.#added.clear();
    this.#added.add(cid);
    this.#onAdded(cid);
  }

  #write(deployment: Deployment): void {
    const { cid, spec: { id, owner } } = deployment;
    this.tariffs.note(cid);
    const { changes, lastInsertRowid } = this.#insert.run(cid, id, owner, this.now());
    if (changes === 1) this.#lanes.add(Number(lastInsertRowid), owner, id);
    this.agreements.note(deployment);
    this.#sealedTo.note(deployment);
    this.abouts.note(deployment);
  }

  /**
   * Writes deployments that the fleet has, in the transaction that is open: who was first is said
   * by the fleet.
   * @returns to be called once they are written
   */
  learn(deployments: readonly SharedDeployment[]): () => void {
    for (const deployment of deployments) this.#learnOne(deployment);
    return () => this.tariffs.forget(deployments.map(({ cid }) => cid));
  }

  #learnOne({ cid, id, owner, lane, firstSeen, came, ...facts }: SharedDeployment): void {
    const { changes, lastInsertRowid } = this.#insert.run(cid, id, owner, firstSeen);
    if (changes === 1) this.#lanes.add(Number(lastInsertRowid), owner, id, lane);
    else this.#correct.run(firstSeen, cid);
    this.tariffs.learnCame(cid, came);
    const { price, terms, recipient, access, about } = facts;
    if (terms !== null) this.agreements.learn(cid, price, terms);
    if (recipient !== null) this.#sealedTo.learn(cid, recipient);
    if (about !== null) this.abouts.learn(cid, access!, about);
  }

  /** Tells of each that is paid for from now on. */
  whenAdded(tell: (cid: CidText) => void): void {
    this.#onAdded = tell;
  }

  /** Whether somebody has paid for a call to `cid`. */
  isKnown(cid: CidText): boolean {
    return this.#added.has(cid) || this.#find.get(cid) !== undefined;
  }

  /** When the first call to `cid` was paid for, Unix ms; null: none was. */
  firstSeen(cid: CidText): number | null {
    return this.#find.get(cid)?.firstSeen as number | undefined ?? null;
  }

  /** Whether somebody has paid for a call to a deployment of this owner. */
  isOwner(owner: Address): boolean {
    if (this.#owners.get(owner)) return true;
    if (this.#isOwner.get(owner) === undefined) return false;
    this.#owners.set(owner, true);
    return true;
  }

  /** Whether a payer's lane is one that a deployment of its own counts on. */
  isDeploymentLane(payer: Address, lane: Hex): boolean {
    return this.#lanes.has(payer, lane);
  }

  /** An owner's deployments, oldest first. */
  ofOwner(owner: Address): Registration[] {
    const rows = this.#ofOwner.all(owner) as unknown as Omit<Registration, "stopped">[];
    return rows.map((row) => ({ ...row, stopped: this.stops.has({ owner, id: row.id }) }));
  }
}
