/** A node among a provider's nodes: what it gives the others of its content, and has of theirs. */
import type { FleetConfig } from "../../config_fleet.ts";
import { systemClock } from "../../clock.ts";
import { type BlockReader, readersInTurn } from "../../ipfs/block_reader.ts";
import type { CachedBlocks } from "../../ipfs/cached_blocks.ts";
import type { Fetcher } from "../../ipfs/fetcher.ts";
import { Peers } from "../../ipfs/peers.ts";
import type { FleetNode } from "../../ipfs/rendezvous.ts";
import type { Log } from "../../log.ts";
import { Copies } from "../content/copies.ts";
import type { Ingest } from "../content/ingest.ts";
import type { Kept } from "../content/kept.ts";
import { PeerDoor } from "../content/peer_door.ts";
import { PeerPass } from "../content/peer_pass.ts";
import { addressPrefix } from "../http/address_prefix.ts";
import { listen } from "../wire/listener.ts";
import { placeOf } from "./listening.ts";
import type { Site } from "./site.ts";

/** Who asks as this process ends has its answer by then, ms, or asks another node. */
const GRACE_MS = 1_000;

/** What a node finds others by. */
interface FleetGround extends Pick<Site, "nodes" | "now"> {
  provider: Pick<Site["provider"], "fleet">;
  ground: { keys: Pick<Site["ground"]["keys"], "account"> };
}

/** What a node knows of the others. */
export interface Fleet {
  readonly config: FleetConfig;
  /** Those that live, this one among them. */
  nodes(): readonly FleetNode[];
  readonly pass: PeerPass;
  readonly peers: Peers;
}

/** null: the provider is this machine alone. */
export function joinFleet(
  { provider: { fleet: config }, ground: { keys }, nodes = nobody, now }: FleetGround,
): Fleet | null {
  if (!config) return null;
  const { node } = config;
  // Whoever has an operator has its key.
  const pass = new PeerPass(keys.account!);
  const peers = new Peers({ node, nodes, authorization: pass.wordOf(node), now });
  return { config, nodes, pass, peers };
}

function nobody(): readonly FleetNode[] {
  return [];
}

/** Has what is kept here copied to another node. */
export function copiesIn(
  { config: { node }, nodes, pass }: Fleet,
  kept: Kept,
  { log, now }: Pick<Site, "log" | "now">,
): Copies {
  return new Copies({ kept, node, nodes, pass, log, now });
}

export interface PeerDoorGround {
  content: { kept: BlockReader & Pick<Kept, "used" | "ofOwner">; takeCopy: Ingest["takeCopy"] };
  cached: { useful: BlockReader; unjudged: BlockReader & Pick<CachedBlocks, "settled"> };
  fetcher: Pick<Fetcher, "bring">;
  hasGateways: boolean;
  log: Log;
  /** Another process of the provider may listen there still. */
  isShared: boolean;
}

/**
 * Listens for the other nodes.
 * @throws KhachapuriError `invalid_config` for a place that cannot be listened on
 */
export async function openPeerDoor(
  { config, pass, peers }: Fleet,
  { content, cached, fetcher, hasGateways, log, isShared }: PeerDoorGround,
): Promise<{ url: string; close(): Promise<void> }> {
  const door = new PeerDoor({
    pass,
    blocks: readersInTurn([content.kept, cached.useful, cached.unjudged]),
    given: readersInTurn([content.kept.used, cached.useful]),
    ofOwner: (owner, root) => content.kept.ofOwner(owner, root),
    isHomeOf: (cid) => peers.isHomeOf(cid),
    bring: hasGateways ? bringer(fetcher, cached.unjudged) : null,
    ingest: content,
    clock: systemClock,
  });
  const listener = await listen({
    place: { ...placeOf(config.listen), isShared },
    setting: "provider.fleet.listen",
    tls: null,
    handle: door.handle,
    log,
    networkOf: addressPrefix,
    senderOf: ({ socket }) => ({ address: socket.remoteAddress ?? "", scheme: null }),
  });
  log.info("the other nodes are answered", { node: config.node, url: listener.url });
  let closed: Promise<void> | null = null;
  return { url: listener.url, close: () => closed ??= listener.stop(GRACE_MS) };
}

/** What was brought can be read by its blocks, which stand in an index once it resolves. */
function bringer(
  fetcher: Pick<Fetcher, "bring">,
  unjudged: Pick<CachedBlocks, "settled">,
): NonNullable<Fetcher["bring"]> {
  return async (cid, maxBytes) => {
    try {
      await fetcher.bring!(cid, maxBytes);
    } finally {
      await unjudged.settled();
    }
  };
}
