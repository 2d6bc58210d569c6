/**
 * Which node of a provider is a content's home: rendezvous hashing (Thaler and Ravishankar, "Using
 * name-based mappings to increase hit rates", 1998). Whoever has the same list has the same answer,
 * and where a node comes or goes only what it is, or was, the home of gets another home.
 */
import { createHash } from "node:crypto";
import { type CID, formatCid } from "../cid.ts";

/** A node of the fleet. */
export interface FleetNode {
  /** Its own for good: homes go by it. */
  readonly name: string;
  /** Base of its internal listener. */
  readonly url: string;
}

/** All of the nodes, a content's home first, and then those that would be it in its absence. */
export function homesOf<Node extends Pick<FleetNode, "name">>(
  cid: CID,
  nodes: readonly Node[],
): Node[] {
  const content = formatCid(cid);
  return nodes
    .map((node) => ({ node, weight: weightOf(node.name, content) }))
    .sort((one, other) => one.weight < other.weight ? 1 : -1)
    .map(({ node }) => node);
}

/** Names hold no space, so no two pairs are hashed alike. */
function weightOf(name: string, content: string): string {
  return createHash("sha256").update(`${name} ${content}`).digest("hex");
}
