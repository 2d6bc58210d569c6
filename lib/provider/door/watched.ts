/** Where the figures of `/metrics` are read, of a provider whose parts are open. */
import { VERSION } from "../../version.ts";
import { machineFigures } from "../../../sandbox/machine_figures.ts";
import type { Chain } from "../../chain/client.ts";
import type { BlockCache } from "../../ipfs/cache.ts";
import type { Slots } from "../call/slots.ts";
import type { Denials } from "../denial/denials.ts";
import { type Counters, providerMetrics, type Watched } from "../metrics/gauges.ts";
import type { MachineWatch } from "../metrics/machine_watch.ts";
import { ProcessUsage } from "../metrics/process_usage.ts";
import type { OwnerCredits } from "../money/owner_credits.ts";
import type { Sandboxes } from "../program/sandboxes.ts";
import type { Books } from "./books.ts";
import type { OpenContent } from "./content_room.ts";
import { MetricsReaders } from "./metrics_readers.ts";
import { Readiness } from "./readiness.ts";
import type { Site } from "./site.ts";

/** What of a provider's parts is for those who look after it; to be closed with `stack`. */
export function openMonitoring(
  site: Site,
  counters: Counters,
  parts: Omit<WatchedParts, "readiness">,
  stack: AsyncDisposableStack,
) {
  const readiness = new Readiness();
  const { programs: { webDomain } } = parts;
  return {
    requests: counters.requests,
    wire: counters.wire,
    readiness,
    alarms: () => alarmsOf({ ...parts, ...parts.books }),
    metricsFor: new MetricsReaders(site.provider.metricsReaders, webDomain),
    metrics: [
      ...openProcessUsage(site, stack).metrics,
      ...providerMetrics(counters, watched({ ...parts, readiness })),
    ],
  };
}

export interface WatchedParts {
  chain: Pick<Chain, "endpoints" | "usage">;
  books: Pick<Books, "payments" | "figures" | "fleet">;
  programs: { sandboxes: Pick<Sandboxes, "figures" | "servers">; webDomain: URL };
  gate: { slots: Pick<Slots, "busy" | "count" | "queued" | "waiting"> };
  money: { ownerCredits: Pick<OwnerCredits, "low"> };
  content: Pick<OpenContent, "kept">;
  cache: Pick<BlockCache, "size">;
  denials: Pick<Denials, "counts">;
  machine: Pick<MachineWatch, "alarms" | "figures">;
  readiness: Pick<Readiness, "isReady">;
}

function watched(parts: WatchedParts): Watched {
  const { chain, programs: { sandboxes }, gate: { slots }, money, content: { kept } } = parts;
  const { books: { figures } } = parts;
  const { ledger, follower, payers, elsewhere, ...payments } = parts.books.payments;
  return {
    unsettledAmount: () => ledger.totals().unsettled,
    exact: () => figures.purchases(),
    heldAmount: () => ledger.totals().held,
    lanes: () => ledger.figures(),
    chargedElsewhere: () => elsewhere.credits(),
    outboxPending: () => figures.outboxPending(),
    operator: () => figures.operator(),
    settlement: () => ({
      ...payments.tally.figures(),
      behindSeconds: payments.settlement.behindSeconds(),
    }),
    ledger: () => figures.ledger(),
    rpc: chain.usage,
    chainAgeMs: () => follower.ageMs(),
    endpoints: () => chain.endpoints(),
    headAgeMs: () => follower.headAgeMs(),
    views: () => payers.figures(),
    sandboxes: () => sandboxes.figures(),
    servers: () => sandboxes.servers().map(({ view }) => view),
    runsBusy: () => slots.busy(),
    slots: () => slots.count(),
    callsQueued: () => slots.queued(),
    callsWaiting: () => slots.waiting(),
    ownersLow: () => money.ownerCredits.low(),
    cacheBytes: () => parts.cache.size(),
    kept: () => ({ bytes: kept.bytes(), roots: kept.count() }),
    denials: () => parts.denials.counts(),
    ...(parts.books.fleet ? { fleet: parts.books.fleet } : {}),
    isReady: () => parts.readiness.isReady(),
    alarms: () => alarmsOf({ ...parts, ...parts.books }),
    machine: () => parts.machine.figures(),
  };
}

/** What a person must look at, in plain words; nothing is asked for it. */
export function alarmsOf(
  { machine, payments }: {
    machine: Pick<MachineWatch, "alarms">;
    payments: Pick<Books["payments"], "alarms">;
  },
): readonly string[] {
  return [...machine.alarms(), ...payments.alarms()];
}

/** To be closed with `stack`. */
function openProcessUsage(
  { ground }: Pick<Site, "ground">,
  stack: AsyncDisposableStack,
): ProcessUsage {
  const usage = new ProcessUsage({
    version: VERSION,
    figures: () => machineFigures(ground.sandbox.host),
  });
  stack.defer(() => usage.close());
  return usage;
}
