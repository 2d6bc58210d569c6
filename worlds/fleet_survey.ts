/** What `khachapuri fleet` finds of a fleet that is well, for tests that have something ail it. */
import { VERSION } from "../lib/version.ts";
import { SCHEMA_VERSION } from "../lib/provider/fleet/migrations.ts";
import type { NodeSeen, Survey } from "../lib/provider/fleet/survey.ts";

export function wellNode(node: string, session: number, changes: Partial<NodeSeen> = {}): NodeSeen {
  return {
    ...{ node, session, url: `http://${node}:1`, version: VERSION },
    ...{ beatAgeMs: 400, clockAheadMs: -20, heldCredits: 64, heldLanes: 1 },
    state: {
      ...{ startedAtMs: 1_000, clockMs: 2_000, price: 1_000n, isDraining: false },
      ...{ runs: 3, slots: 16, sandboxes: 5, heldUsdc: 3_000n },
      ...{ aheadCredits: 61, aheadUsdc: 61_000n, block: 9n, chainAgeMs: 500, seen: 7 },
      leadsSinceMs: null,
    },
    ...changes,
  };
}

export const WELL: Survey = {
  server: {
    ...{ version: "15.18", isPrimary: true, databaseBytes: 8e6 },
    ...{ connections: 9, connectionsMost: 100, fsync: true, autovacuum: true },
    ...{ synchronousNames: "ANY 1 (*)", synchronousCommit: "on" },
    standbys: ["one", "two"].map((name) => ({
      ...{ name, state: "streaming", sync: "quorum", lagBytes: 0, lagMs: null } as const,
    })),
    timeouts: { statement_timeout: "0", lock_timeout: "0" },
    ignored: [],
  },
  clock: { aheadMs: 3, roundTripMs: 2 },
  isShared: false,
  schema: SCHEMA_VERSION,
  fleet: {
    nodes: [wellNode("n1", 1), wellNode("n2", 2)],
    left: [],
    leader: { term: 7, session: 1, leaderlessMs: 0 },
    ...{ outbox: 1, wishes: 0, dueLanes: 2, dueUsdc: 4_000n, shared: 7 },
    ...{ journalRows: 1_000, journalBytes: 2e6, deadShare: 0.1 },
  },
};
