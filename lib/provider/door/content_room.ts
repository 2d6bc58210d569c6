/** Opens what a provider keeps for owners, and looks after it. */
import { join } from "node:path";
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import { systemClock } from "../../clock.ts";
import type { Copies } from "../content/copies.ts";
import { Ingest } from "../content/ingest.ts";
import { Kept } from "../content/kept.ts";
import { ownerReader, PeerBlocks } from "../content/peer_blocks.ts";
import { Parts } from "../content/parts.ts";
import { Retention } from "../content/retention.ts";
import { bytesFor, Room } from "../content/room.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { OwnerAllowances } from "../money/owner_allowances.ts";
import type { Books } from "./books.ts";
import { dryRunLimits, pushLimits } from "./content_limits.ts";
import { copiesIn, joinFleet } from "./fleet_content.ts";
import type { Site } from "./site.ts";

/** Between two looks for what is needed no more, ms. */
const SWEEP_MS = 600_000;

/** A process that hands over waits so long for pushes to end, ms. */
const PUSHES_WAIT_MS = 2_000;

export type OpenContent = Awaited<ReturnType<typeof openContent>>;

/** To be closed with `stack`. */
export async function openContent(
  site: Site,
  { stops, payments: { payers, policy } }: Pick<Books, "stops" | "payments">,
  stack: AsyncDisposableStack,
) {
  const { provider, state, log, now } = site;
  const sweeping = new AsyncDisposableStack();
  stack.defer(() => sweeping.disposeAsync());
  const indexPath = join(state.book, "content.db");
  const kept = await Kept.open({ dir: state.kept, indexPath, log, now });
  stack.defer(() => kept.close());
  const parts = await Parts.open(kept.files, now);
  const allowances = new OwnerAllowances({ payers, viewAgeMs: () => policy.viewAgeMs() });
  const allowed = (owner: Address, from: string) => allowances.of(owner, from);
  const { push, bytesPerUsdc, bytesMax, bytesPerOwnerMax, keepSeconds } = provider.ipfs;
  const retention = new Retention({
    kept,
    isStopped: (use) => stops.has(use),
    allowedBytes: async (owner) => {
      const amount = await allowances.of(owner).catch(() => null);
      return amount === null ? null : bytesFor(amount, provider.ipfs);
    },
    keepMs: keepSeconds * 1_000,
    now,
  });
  const room = new Room({ kept, parts, retention, bytesMax, bytesPerOwnerMax });
  const listeners: ((root: CidText) => void)[] = [];
  const ingest = new Ingest({
    kept,
    parts,
    room,
    policy: { bytesPerUsdc, bytesPerOwnerMax, keepSeconds },
    allowed,
    onKept: (root) => listeners.forEach((listener) => listener(root)),
    clock: { ...systemClock, now },
  });
  const fleet = joinFleet(site);
  const copies = fleet && sweeping.use(copiesIn(fleet, kept, site));
  if (copies) listeners.push((root) => copies.note(root));
  lookAfter({ kept, parts, retention, copies, now }, sweeping);
  return {
    kept,
    ingest: push ? ingest : null,
    fleet,
    takeCopy: (...copied: Parameters<Ingest["takeCopy"]>) => ingest.takeCopy(...copied),
    ofOwner: (owner: Address, root: CidText) =>
      kept.ofOwner(owner, root) ??
        (fleet && new PeerBlocks(fleet.peers, ownerReader(owner, root))),
    dryRuns: dryRunLimits(now),
    pushes: pushLimits(now),
    allowed,
    noteUse({ cid, spec: { owner, id, program } }: Deployment): void {
      kept.noteUse([cid, program.cid], { owner, id });
    },
    /** Nothing of it is changed from here once it resolves: another process does that. */
    async retire(): Promise<void> {
      kept.retire();
      await Promise.all([sweeping.disposeAsync(), ingest.retire(PUSHES_WAIT_MS)]);
    },
    /** Has something ended as nothing is changed from here any more. */
    untilRetired: (end: () => Promise<void>) => sweeping.defer(end),
    /** Calls back when a root is here that may have been looked for in vain. */
    whenKept: (listener: (root: CidText) => void) => void listeners.push(listener),
  };
}

interface LookedAfter {
  kept: Kept;
  parts: Parts;
  retention: Retention;
  copies: Copies | null;
  now: () => number;
}

/** Gives up what is needed no more, from time to time, and has copied what is. */
function lookAfter(
  { kept, parts, retention, copies, now }: LookedAfter,
  stack: AsyncDisposableStack,
) {
  let sweep = Promise.resolve();
  const timer = setInterval(() => {
    kept.index.forgetNonces(BigInt(Math.floor(now() / 1_000)));
    sweep = sweep.then(() => parts.sweep()).then(() => retention.sweep()).catch(() => {});
    void copies?.sweep();
  }, SWEEP_MS);
  stack.defer(() => {
    clearInterval(timer);
    return sweep;
  });
}
