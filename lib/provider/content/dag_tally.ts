/**
 * Which blocks of a DAG are here, in whatever order they come: whether all are that the root leads
 * to, and none beside them.
 */
import { cidOfDigest, type CidText, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Steps } from "../../leisure.ts";
import { PUSH_BLOCKS_MAX, PUSH_DEPTH_MAX, PUSH_LINKS_MAX } from "../../limits_of_content.ts";

/**
 * What names a block under sha2-256, in as little as it takes: a CID is five objects, and very many
 * small blocks cost what is made for each of them.
 */
export interface BlockName {
  readonly code: number;
  /** In hex. */
  readonly digest: string;
}

interface Node {
  readonly name: BlockName;
  isHere: boolean;
  /** Each once. */
  readonly links: Node[];
  isReached: boolean;
}

/** What a link takes when it is followed, as bytes that take as long to be checked. */
const VISIT_WORK = 128;
/** Work between two steps, as bytes. */
const STEP_WORK = 128 * 1024;

export class DagTally {
  readonly #nodes = new Map<string, Node>();
  readonly #root: Node;
  #here = 0;
  #links = 0;

  constructor(root: BlockName) {
    this.#root = this.#nodeOf(root);
  }

  /**
   * A block is here.
   * @returns notes what it links to
   * @throws KhachapuriError `invalid_input` when it was before, or there are too many
   */
  add(name: BlockName): (link: BlockName) => void {
    const node = this.#nodeOf(name);
    if (node.isHere) throw unusable(`${cidText(name)} comes twice`);
    node.isHere = true;
    this.#here += 1;
    const linked = new Set<Node>();
    return (link) => this.#link(node, this.#nodeOf(link), linked);
  }

  #link(from: Node, to: Node, linked: Set<Node>): void {
    if (linked.has(to)) return;
    linked.add(to);
    from.links.push(to);
    this.#links += 1;
    if (this.#links > PUSH_LINKS_MAX) throw unusable(`over ${PUSH_LINKS_MAX} links`);
  }

  /** @throws KhachapuriError `invalid_input` that names a block that lacks, or is one too many */
  *assertWhole(): Steps<void> {
    let level = [this.#root];
    this.#root.isReached = true;
    let [reached, work] = [0, 0];
    for (let depth = 1; level.length > 0; depth++) {
      if (depth > PUSH_DEPTH_MAX) throw unusable(`blocks over ${PUSH_DEPTH_MAX} deep`);
      const below: Node[] = [];
      for (const { name, isHere, links } of level) {
        if (!isHere) throw unusable(`${cidText(name)} is linked and lacks`);
        for (const link of links) if (reach(link)) below.push(link);
        reached += 1;
        work += VISIT_WORK * (1 + links.length);
        if (work < STEP_WORK) continue;
        yield work;
        work = 0;
      }
      level = below;
    }
    if (reached === this.#here) return;
    const idle = [...this.#nodes.values()].find(({ isHere, isReached }) => isHere && !isReached)!;
    throw unusable(`nothing links to ${cidText(idle.name)}`);
  }

  /** What is linked has to be here, so both are bounded alike. */
  #nodeOf(name: BlockName): Node {
    const key = name.code + name.digest;
    const known = this.#nodes.get(key);
    if (known) return known;
    if (this.#nodes.size >= PUSH_BLOCKS_MAX) throw unusable(`over ${PUSH_BLOCKS_MAX} blocks`);
    const node = { name, isHere: false, links: [], isReached: false };
    this.#nodes.set(key, node);
    return node;
  }
}

function cidText({ code, digest }: BlockName): CidText {
  return formatCid(cidOfDigest(code, Uint8Array.fromHex(digest)));
}

/** Whether it was not reached before. */
function reach(node: Node): boolean {
  if (node.isReached) return false;
  return node.isReached = true;
}

/** The failure of a CAR that is not what was announced, or that nobody may have kept. */
export function unusable(what: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_input", `not a CAR that is kept here: ${what}`, {
    cause,
    hints: ["it has one root, and each block of its DAG once, as deploy writes it"],
  });
}
