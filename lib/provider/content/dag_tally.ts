/**
 * Which blocks of a DAG are here, in whatever order they come: whether all are that the root leads
 * to, and none beside them.
 */
import { type CID, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { PUSH_BLOCKS_MAX, PUSH_DEPTH_MAX, PUSH_LINKS_MAX } from "../../limits_of_content.ts";

interface Node {
  readonly cid: CID;
  isHere: boolean;
  /** Each once. */
  links: readonly Node[];
  isReached: boolean;
}

export class DagTally {
  readonly #nodes = new Map<string, Node>();
  readonly #root: Node;
  #here = 0;
  #links = 0;

  constructor(root: CID) {
    this.#root = this.#nodeOf(root);
  }

  /**
   * A block is here.
   * @throws KhachapuriError `invalid_input` when it was before, or there are too many
   */
  add(cid: CID, links: readonly CID[]): void {
    const node = this.#nodeOf(cid);
    if (node.isHere) throw unusable(`${formatCid(cid)} comes twice`);
    node.isHere = true;
    this.#here += 1;
    node.links = [...new Set(links.map((link) => this.#nodeOf(link)))];
    this.#links += node.links.length;
    if (this.#links > PUSH_LINKS_MAX) throw unusable(`over ${PUSH_LINKS_MAX} links`);
  }

  /** @throws KhachapuriError `invalid_input` that names a block that lacks, or is one too many */
  assertWhole(): void {
    let level = [this.#root];
    this.#root.isReached = true;
    let reached = 0;
    for (let depth = 1; level.length > 0; depth++) {
      if (depth > PUSH_DEPTH_MAX) throw unusable(`blocks over ${PUSH_DEPTH_MAX} deep`);
      const lacking = level.find(({ isHere }) => !isHere);
      if (lacking) throw unusable(`${formatCid(lacking.cid)} is linked and lacks`);
      reached += level.length;
      level = level.flatMap(({ links }) => links.filter(reach));
    }
    if (reached === this.#here) return;
    const idle = [...this.#nodes.values()].find(({ isHere, isReached }) => isHere && !isReached)!;
    throw unusable(`nothing links to ${formatCid(idle.cid)}`);
  }

  /** What is linked has to be here, so both are bounded alike. */
  #nodeOf(cid: CID): Node {
    const key = `${cid.code} ${String.fromCharCode(...cid.multihash.digest)}`;
    const known = this.#nodes.get(key);
    if (known) return known;
    if (this.#nodes.size >= PUSH_BLOCKS_MAX) throw unusable(`over ${PUSH_BLOCKS_MAX} blocks`);
    const node = { cid, isHere: false, links: [], isReached: false };
    this.#nodes.set(key, node);
    return node;
  }
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
