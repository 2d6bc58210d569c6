/**
 * The blocks of a DAG, depth first, one in memory at a time. Whoever made it may have meant harm:
 * depth, links that wait and nodes visited are bounded, and a block that is sent once is walked
 * once, so a DAG that names one block a billion times has no more than it is kept in.
 */
import { type Block, type CID, formatCid, isInline } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import {
  CONTENT_DEPTH_MAX,
  CONTENT_LINKS_WAITING_MAX,
  CONTENT_VISITS_MAX,
} from "../limits_of_content.ts";
import { type BlockReader, keptBlock } from "./block_reader.ts";
import { contentKey } from "./content_cid.ts";
import type { ContentPath } from "./content_path.ts";
import { type Follow, followOf, type Scoped, type Wanted } from "./dag_scope.ts";
import type { WaitingLinks } from "./waiting_links.ts";

export interface WalkOptions extends Scoped {
  /** Whether a block comes as often as the walk meets it. */
  readonly hasDuplicates: boolean;
}

/**
 * The blocks that prove a path, then those of what it leads to.
 * @throws KhachapuriError `not_found` at the first block that is not kept; `invalid_input` at one
 * that is malformed, and when there is more than an answer may have; `not_implemented` at one whose
 * codec is not read
 */
export async function* walkContent(
  reader: BlockReader,
  path: ContentPath,
  options: WalkOptions,
): AsyncGenerator<Block> {
  const walk = new Walk(reader, options.hasDuplicates);
  for (const cid of path.before) {
    const bytes = await keptBlock(reader, cid);
    if (walk.isDue(cid)) yield { cid, bytes };
  }
  const follow = followOf(options, path.end, await keptBlock(reader, path.end));
  yield* walk.from(path.end, follow);
}

class Walk {
  /** What was sent, where nothing is sent twice, and whether all below it was followed. */
  readonly #sent = new Map<string, boolean>();
  #visits = 0;

  constructor(private readonly reader: BlockReader, private readonly hasDuplicates: boolean) {}

  /** Whether a block is to be sent, which it is then. */
  isDue(cid: CID): boolean {
    if (isInline(cid)) return false;
    if (this.hasDuplicates) return true;
    const key = contentKey(cid);
    if (this.#sent.has(key)) return false;
    this.#sent.set(key, false);
    return true;
  }

  async *from(end: CID, follow: Follow): AsyncGenerator<Block> {
    const levels: WaitingLinks[] = [];
    for (let link = { cid: end, at: 0 };;) {
      const bytes = await this.#visit(link.cid);
      if (bytes !== null) {
        if (this.isDue(link.cid)) yield { cid: link.cid, bytes };
        this.#descend(levels, link.cid, follow(link.cid, bytes, link.at));
      }
      const next = nextOf(levels);
      if (next === null) return;
      link = next;
    }
  }

  /** @returns null when nothing of it, or below it, is new */
  async #visit(cid: CID): Promise<Uint8Array | null> {
    if (++this.#visits > CONTENT_VISITS_MAX) {
      throw tooMuch(cid, `more than ${CONTENT_VISITS_MAX} nodes`);
    }
    if (this.#sent.get(contentKey(cid))) return null;
    return await keptBlock(this.reader, cid);
  }

  #descend(levels: WaitingLinks[], cid: CID, { links, isWhole }: Wanted): void {
    if (!this.hasDuplicates && isWhole && !isInline(cid)) this.#sent.set(contentKey(cid), true);
    if (links.size === 0) return;
    levels.push(links);
    if (levels.length > CONTENT_DEPTH_MAX) {
      throw tooMuch(cid, `more than ${CONTENT_DEPTH_MAX} levels`);
    }
    const waiting = levels.reduce((sum, { size }) => sum + size, 0);
    if (waiting > CONTENT_LINKS_WAITING_MAX) {
      throw tooMuch(cid, `more than ${CONTENT_LINKS_WAITING_MAX} links at a time`);
    }
  }
}

function nextOf(levels: WaitingLinks[]) {
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const link = level.next();
    if (link !== null) return link;
    levels.pop();
  }
  return null;
}

function tooMuch(cid: CID, what: string): KhachapuriError {
  const message = `there is more at ${formatCid(cid)} than one answer may have: ${what}`;
  return new KhachapuriError("invalid_input", message, {
    hints: ["ask for parts of it, each by its own cid"],
  });
}
