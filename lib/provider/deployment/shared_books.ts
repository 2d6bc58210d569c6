/** Opens what a node keeps of deployments and of denials as all nodes of its fleet keep it. */
import { UNPAID_RENEWALS_MAX } from "../../limits.ts";
import type { Denial } from "../denial/denial.ts";
import type { DenialBook } from "../denial/denial_book.ts";
import type { Denials } from "../denial/denials.ts";
import { SharedDenials } from "../denial/shared_denials.ts";
import type { Database } from "../fleet/database.ts";
import { type JoiningPart, Replica } from "../fleet/replica.ts";
import { SharedLog } from "../fleet/shared_log.ts";
import type { CurrentOffer } from "./current_offer.ts";
import type { Records } from "./records.ts";
import {
  type Configured,
  type SharedPermits,
  SharedRecords,
  type SharedStops,
} from "./shared_records.ts";
import { SharedRuns } from "./shared_runs.ts";

export interface SharedBooksOptions {
  readonly database: Database;
  /** This one's name among the nodes. */
  readonly node: string;
  readonly records: Records;
  readonly denials: { readonly book: DenialBook; readonly denials: Denials };
  /** Becomes what the fleet offers, and follows it. */
  readonly current: CurrentOffer;
  readonly configured: Configured;
  /** What else follows the fleet's log: its names. */
  readonly others?: readonly JoiningPart[];
  /** This node's, now. */
  session(): number;
  /** Unix ms. */
  readonly now: () => number;
  /** Told of each denial in force, whoever was told of it. */
  onDenied?(denial: Denial): void;
  /** What could not be sent now is sent later. */
  onTrouble?(error: unknown): void;
  /** So many lines of the run log were sent without what programs wrote. */
  onShortened?(lines: number): void;
}

export interface SharedBooks {
  readonly stops: SharedStops;
  readonly permits: SharedPermits;
  readonly denials: SharedDenials;
  readonly runs: SharedRuns;
  /** Whether the fleet offers what is configured here. */
  readonly isAsConfigured: boolean;
  /** Up to which change of the fleet this node knows all, for the facts of its session. */
  seen(): number;
  /** Beside each beat of the session. */
  beat(): Promise<void>;
}

/**
 * Resolves when this node knows all that its fleet does, and offers what that offers: before a call
 * is served.
 * @throws KhachapuriError `database_unavailable`
 */
export async function openSharedBooks(options: SharedBooksOptions): Promise<SharedBooks> {
  const { database, node, records, configured, session, onTrouble, onShortened } = options;
  const log = new SharedLog(database, UNPAID_RENEWALS_MAX);
  const own = new SharedRecords(options);
  const denials = new SharedDenials({ ...options, ...options.denials });
  const others = [denials, ...options.others ?? []];
  const id = await log.id();
  await own.join(log, id, configured);
  for (const part of others) part.join(id);
  const replica = new Replica(log, [own, ...others]);
  await replica.sync();
  const isAsConfigured = await own.begin(replica, configured);
  for (const part of others) await part.begin(replica);
  const { runLog, database: file } = records;
  const runs = await SharedRuns.begin({
    database,
    node,
    file,
    runLog,
    ...(onTrouble ? { onTrouble } : {}),
    ...(onShortened ? { onShortened } : {}),
  });
  return {
    stops: own.stopsOf(replica, session),
    permits: own.permitsOf(replica),
    denials,
    runs,
    isAsConfigured,
    seen: () => replica.seen,
    async beat() {
      await Promise.all([replica.beat(), runs.beat()]);
    },
  };
}
