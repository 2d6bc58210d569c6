/** Opens what a provider finds, unpacks and runs deployments with. */
import type { Address } from "viem";
import { makeEtc } from "../../../sandbox/etc.ts";
import { machineFigures } from "../../../sandbox/machine_figures.ts";
import type { SandboxHost } from "../../../sandbox/policy.ts";
import { Spares } from "../../../sandbox/spares.ts";
import { parseCid } from "../../cid.ts";
import { systemClock } from "../../clock.ts";
import { type BlockReader, readersInTurn } from "../../ipfs/block_reader.ts";
import type { ProviderConfig } from "../../config.ts";
import { ContentGateway } from "../content/gateway.ts";
import { GatewayPlaces } from "../content/gateway_places.ts";
import { ANYBODY, PeerBlocks } from "../content/peer_blocks.ts";
import type { Welcome } from "../denial/welcome.ts";
import type { CurrentOffer } from "../deployment/current_offer.ts";
import { Deployments } from "../deployment/deployments.ts";
import { Openings } from "../deployment/openings.ts";
import { openPrograms } from "../deployment/programs.ts";
import type { Records } from "../deployment/records.ts";
import type { Counters } from "../metrics/gauges.ts";
import type { MachineWatch } from "../metrics/machine_watch.ts";
import type { Seller } from "../money/seller.ts";
import { AT_A_PROVIDER } from "../program/detector.ts";
import { egressNotes } from "../program/egress_notes.ts";
import { findRuntimes, lookOnce } from "../program/runtimes.ts";
import { type NoteServer, Sandboxes } from "../program/sandboxes.ts";
import { sandboxesMost } from "../program/sandboxes_most.ts";
import { SocketFolders } from "../program/socket_folders.ts";
import { InstanceBudget } from "../server/instance_budget.ts";
import { StartGate } from "../server/start_gate.ts";
import type { OpenContent } from "./content_room.ts";
import { openReading } from "./reading_room.ts";
import type { Site } from "./site.ts";

/** A sandbox that no call uses for this long is closed, ms. */
const SANDBOX_IDLE_MS = 60_000;

/** What deployments are opened by and told to. */
interface Workplaces {
  seller: Seller;
  records: Records;
  offer: Pick<CurrentOffer, "whenChanged">;
  counters: Counters;
  content: Pick<
    OpenContent,
    "kept" | "noteUse" | "whenKept" | "fleet" | "takeCopy" | "untilRetired"
  >;
  noteServer: NoteServer;
  welcome: Welcome;
  machine: Pick<MachineWatch, "assertMemory" | "sandboxRefusal" | "figures">;
}

export async function openWorkplaces(
  site: Site,
  { seller, records, offer, counters, content, machine, ...told }: Workplaces,
  stack: AsyncDisposableStack,
) {
  const { ground, provider, state, succession, log } = site;
  const { keys, sandbox } = ground;
  const { registrations, stops, tariffs } = records;
  const { egress, settlement, sandbox: { timeoutMs, memoryMb, credits, responseBytes } } = provider;
  const { instances, instanceIdleSeconds } = provider.sandbox;
  const { cache, useful, fetcher } = await openReading(site, content, counters.content, stack);
  const isPaying = (owner: Address) => registrations.isOwner(owner);
  const openings = new Openings(isPaying);
  const programs = await openPrograms({ dir: state.programs, fetcher, openings });
  stack.defer(() => programs.close());
  const sockets = await SocketFolders.open(state.sockets);
  stack.defer(() => sockets.close());
  const host = { ...sandbox.host, etc: succession?.etc ?? makeEtc(state.etc) };
  const sandboxes = new Sandboxes({
    host,
    programs,
    isPaying,
    firstPaid: (cid) => registrations.firstSeen(cid),
    limits: { timeoutMs, memoryMb, credits, responseBytes },
    egress,
    noteEgress: egressNotes(counters.egress, egress.log ? log : null),
    servers: {
      budget: new InstanceBudget(instances),
      starts: new StartGate(),
      idleMs: instanceIdleSeconds * 1_000,
      sockets,
    },
    noteServer: told.noteServer,
    usage: counters.sandboxes,
    idleMs: SANDBOX_IDLE_MS,
    assertRoom: () => machine.assertMemory(),
    ...await sandboxRoom(provider, host, state.programs, machine),
  });
  stack.defer(() => sandboxes.close());
  const deployments = new Deployments({
    fetcher,
    identities: keys.identities ?? [],
    takesTerms: (cid, signed) => tariffs.takesTerms(cid, signed),
    egressHosts: egress.hosts,
    minesEach: settlement.mode === "each",
    takesServers: instances > 0,
    seller,
    registrations,
    isHere: (cid) => content.kept.has(parseCid(cid)),
    stops,
    welcome: told.welcome,
    onOpened: (deployment) => content.noteUse(deployment),
  });
  registrations.whenAdded((cid) => deployments.notePaid(cid));
  offer.whenChanged(() => deployments.forgetRefusals());
  content.whenKept((root) => {
    deployments.forgetAbsence(root);
    programs.forgetAbsence(root);
  });
  const elsewhere = content.fleet ? [new PeerBlocks(content.fleet.peers, ANYBODY)] : [];
  const given = [content.kept.used, useful, ...elsewhere];
  const gateway = provider.ipfs.public ? openGateway(given) : null;
  const webDomain = new URL(provider.webDomain);
  const runtimes = lookOnce(() => findRuntimes(host, memoryMb), log);
  const parts = { deployments, sandboxes, runtimes, place: AT_A_PROVIDER, webDomain };
  return { programs: { ...parts, creditsMax: credits }, gateway, cache };
}

/** How many sandboxes may be open, of which so many as stand ready are none that is in use. */
async function sandboxRoom(
  { sandbox }: Pick<ProviderConfig, "sandbox">,
  host: SandboxHost,
  programs: string,
  machine: Pick<MachineWatch, "sandboxRefusal" | "figures">,
) {
  const { memoryMaxBytes, descriptorsMax, processesMax } = await machineFigures(host);
  const availableBytes = machine.figures().memoryAvailableBytes;
  const share = { availableBytes, memoryMaxBytes, descriptorsMax, processesMax };
  const open = sandboxesMost(sandbox.open ?? null, share);
  const most = Math.min(sandbox.spares, open - 1);
  const mayStart = () => machine.sandboxRefusal() === null;
  return { openMax: open - most, spares: new Spares({ host, programs, most, mayStart }) };
}

function openGateway(keepers: readonly BlockReader[]): ContentGateway {
  const blocks = readersInTurn(keepers);
  return new ContentGateway({ blocks, places: new GatewayPlaces(), clock: systemClock });
}
