/**
 * Nodes of one provider on loopback, each with a disk and a listener of its own: what they keep,
 * read and give one another, and nothing else of a provider.
 */
import { join } from "node:path";
import type { Hex } from "viem";
import type { CID } from "../lib/cid.ts";
import { type Dag, importFile } from "../lib/ipfs/dag.ts";
import type { Fetcher } from "../lib/ipfs/fetcher.ts";
import { type FleetNode, homesOf } from "../lib/ipfs/rendezvous.ts";
import type { Copies } from "../lib/provider/content/copies.ts";
import { copiesIn, joinFleet } from "../lib/provider/door/fleet_content.ts";
import { openReading } from "../lib/provider/door/reading_room.ts";
import { openPushWorld, type PushWorld } from "./content/push_world.ts";
import { type HeardLog, hearLog } from "./heard_log.ts";
import { makeFolder } from "./home.ts";

export const KEY: Hex = `0x${"0a".repeat(32)}`;
const MAX_BYTES = 8_000_000;

export interface TestNode extends FleetNode, AsyncDisposable {
  readonly fetcher: Fetcher;
  /** Where its reads found what they wanted, in order. */
  readonly sources: string[];
  /** What it keeps. */
  readonly world: PushWorld;
  readonly copies: Copies;
  readonly heard: HeardLog;
  read(root: CID, maxBytes?: number): Promise<Uint8Array>;
  /** Ends it and everything it has. */
  end(): Promise<void>;
}

export interface NodeOptions {
  gateways?: readonly { url: string }[];
  key?: Hex;
  /** What it may keep in all. */
  bytesMax?: number;
}

/** A fleet without nodes, which come and go. */
export class TestFleet implements AsyncDisposable {
  /** Those that live, as all of them are told. */
  readonly nodes: FleetNode[] = [];
  readonly #own = new Set<TestNode>();

  /** A node with an empty disk; it is told of, too. */
  async add(name: string, options: NodeOptions = {}): Promise<TestNode> {
    const node = await openNode(name, () => this.nodes, options);
    this.nodes.push(node);
    this.#own.add(node);
    return node;
  }

  /** Is told of no more. */
  forget({ name }: Pick<FleetNode, "name">): void {
    const at = this.nodes.findIndex((node) => node.name === name);
    if (at >= 0) this.nodes.splice(at, 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#own) await node.end();
  }
}

/** @param nodes those that it is told of */
export async function openNode(
  name: string,
  nodes: () => readonly FleetNode[],
  { gateways = [], key = KEY, bytesMax = 64 * 2 ** 20 }: NodeOptions = {},
): Promise<TestNode> {
  const stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const world = stack.use(await openPushWorld({ bytesMax }));
  const heard = hearLog();
  const { log } = heard;
  const now = Date.now;
  const config = { node: name, listen: "127.0.0.1:0" };
  const fleet = joinFleet({
    provider: { fleet: config },
    ground: { keys: { account: key } },
    nodes,
    now,
  })!;
  const copies = stack.use(copiesIn(fleet, world.kept, { log, now: world.clock.now }));
  const sources: string[] = [];
  const ground = {
    config: { gateways: gateways.map(({ url }) => url) },
    state: { cache: join(dir, "cache") },
    succession: null,
    log,
  };
  const { kept, ingest } = world;
  const content = {
    kept,
    fleet,
    takeCopy: ingest.takeCopy.bind(ingest),
    untilRetired: () => {},
  };
  const notes = { read: (source: string) => void sources.push(source), asked: () => {} };
  const { fetcher, peerUrl } = await openReading(ground, content, notes, stack);
  let ended: Promise<void> | null = null;
  const end = () => ended ??= stack.disposeAsync();
  return {
    name,
    url: peerUrl!,
    fetcher,
    sources,
    world,
    copies,
    heard,
    read: (root, maxBytes = MAX_BYTES) => fetcher.readFile(root, { maxBytes }),
    end,
    [Symbol.asyncDispose]: end,
  };
}

let seeds = 0;

/** A file of so many bytes that no test has had before, whose homes are these, in this order. */
export function fileAt(homes: readonly string[], nodes: readonly string[], bytes = 5_000): Dag {
  for (;;) {
    const content = new Uint8Array(bytes).map((_, index) => index * 7 + (index >> 8) * 31);
    new DataView(content.buffer).setUint32(0, ++seeds);
    const dag = importFile(content, { chunkBytes: 256 * 1024, widthMax: 174 });
    const order = homesOf(dag.root, nodes.map((name) => ({ name })));
    if (homes.every((name, index) => order[index]!.name === name)) return dag;
  }
}
