/** Opens what content is read by, for this node, and for others where there are any. */
import { openCache, unjudgedDir } from "../../ipfs/cache.ts";
import { CachedBlocks } from "../../ipfs/cached_blocks.ts";
import { createFetcher, type FetchNotes } from "../../ipfs/gateway.ts";
import { CACHE_BYTES_MAX, CACHE_FILES_MAX } from "../../limits.ts";
import type { OpenContent } from "./content_room.ts";
import { openPeerDoor } from "./fleet_content.ts";
import type { Site } from "./site.ts";

/** What of the site reading goes by. */
interface ReadingGround extends Pick<Site, "succession" | "log"> {
  config: Pick<Site["config"], "gateways">;
  state: Pick<Site["state"], "cache">;
}

/** To be closed with `stack`. */
export async function openReading(
  { config: { gateways }, state, succession, log }: ReadingGround,
  content: Pick<OpenContent, "kept" | "fleet" | "takeCopy" | "untilRetired">,
  notes: FetchNotes,
  stack: AsyncDisposableStack,
) {
  const { kept, fleet } = content;
  const blocksIn = async (dir: string) => {
    const blocks = await CachedBlocks.open(dir);
    stack.defer(() => blocks.close());
    return blocks;
  };
  const useful = await blocksIn(state.cache);
  // What is fetched for another node is judged there, if anywhere.
  const unjudged = fleet && await blocksIn(unjudgedDir(state.cache));
  const cache = await openCache(state.cache, {
    maxBytes: CACHE_BYTES_MAX,
    maxFiles: CACHE_FILES_MAX,
    watcher: useful,
    ...(unjudged && { unjudgedWatcher: unjudged }),
  });
  const peers = fleet && fleet.peers;
  const fetcher = createFetcher({ kept, gateways, peers, cache, notes });
  if (!fleet || !unjudged) return { cache, useful, fetcher, peerUrl: null };
  const door = await openPeerDoor(fleet, {
    content,
    cached: { useful, unjudged },
    fetcher,
    hasGateways: gateways.length > 0,
    log,
    isShared: succession !== null,
  });
  stack.defer(() => door.close());
  content.untilRetired(() => door.close());
  return { cache, useful, fetcher, peerUrl: door.url };
}
