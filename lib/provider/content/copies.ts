/**
 * A second copy of what owners have pushed, at another node, so that it outlives this one's disk.
 * Each node sees to it for what it keeps: where no other that lives is known to keep the same, it
 * is offered to all, the content's home first, and sent to the first that takes it if none has it.
 * Which one has it is forgotten after a while, and asked again: a node may have lost its disk. How
 * long it is kept goes along, so a copy goes by itself when its original does.
 */
import { type CidText, parseCid } from "../../cid.ts";
import { type FleetNode, homesOf } from "../../ipfs/rendezvous.ts";
import type { Log } from "../../log.ts";
import { NO_BODY, upload } from "../../upload.ts";
import type { Copy } from "./ingest.ts";
import type { Kept } from "./kept.ts";
import type { Keeper } from "./kept_index.ts";
import { copyPath } from "./peer_door.ts";
import type { PeerPass } from "./peer_pass.ts";

export interface CopiesOptions {
  kept: Kept;
  /** This node's name. */
  node: string;
  /** Those that live. */
  nodes(): readonly FleetNode[];
  pass: Pick<PeerPass, "wordOf">;
  log: Log;
  now: () => number;
}

/** A node that keeps the same, and until when that is believed. */
interface Holder {
  readonly node: string;
  readonly until: number;
}

/** Who keeps it is asked again by then, and so hears how long it is to be kept. */
const BELIEVED_MS = 3_600_000;
/** What a node says of a copy is a line of JSON. */
const ANSWER_BYTES = 16 * 1024;
const PIECE_BYTES = 256 * 1024;

export class Copies implements AsyncDisposable {
  readonly #holders = new Map<string, Holder>();
  readonly #ended = new AbortController();
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly options: CopiesOptions) {}

  /** A root has come. */
  note(root: CidText): void {
    this.#later(() => this.#look(this.options.kept.index.keepersOf(root)));
  }

  /** Sees to everything that is kept. */
  sweep(): Promise<void> {
    return this.#later(async () => {
      await this.#look(this.options.kept.index.keepers());
      for (const [key, { until }] of this.#holders) {
        if (until <= this.options.now()) this.#holders.delete(key);
      }
    });
  }

  /** Resolves when nothing is under way any more: what was is broken off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#last;
  }

  #later(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work).catch((error) => {
      if (this.#ended.signal.aborted) return;
      this.options.log.error("what is kept is not copied", { message: String(error) });
    });
    return this.#last;
  }

  async #look(keepers: readonly Keeper[]): Promise<void> {
    let refused = 0;
    for (const { root, owner, protectedAt: at } of keepers) {
      const bytes = this.options.kept.index.find(root)?.bytes;
      const isGone = bytes === undefined;
      if (isGone || this.#isHeld({ root, owner })) continue;
      if (!await this.#copy({ root, owner, bytes, at })) refused += 1;
    }
    if (refused > 0) this.options.log.warn("what is kept here has no copy", { roots: refused });
  }

  /** @returns whether there is a copy now, or nobody to have it */
  async #copy(copy: Copy): Promise<boolean> {
    const others = homesOf(parseCid(copy.root), this.options.nodes())
      .filter(({ name }) => name !== this.options.node);
    for (const isWhole of [false, true]) {
      for (const node of others) {
        if (!await this.#offer(copy, node, isWhole)) continue;
        const until = this.options.now() + BELIEVED_MS;
        this.#holders.set(keyOf(copy), { node: node.name, until });
        return true;
      }
    }
    return others.length === 0;
  }

  /** @returns whether the node keeps it now: it may lack it, be full, or away */
  async #offer(copy: Copy, { url }: FleetNode, isWhole: boolean): Promise<boolean> {
    const { kept, pass, node } = this.options;
    const { signal } = this.#ended;
    using file = isWhole ? await kept.files.openCar(copy.root) : null;
    const path = copyPath(copy);
    const sent = upload({
      url: new URL(path.slice(1), url.endsWith("/") ? url : `${url}/`),
      method: "POST",
      headers: { authorization: pass.wordOf(node, path) },
      body: file ? { bytes: copy.bytes, parts: piecesOf(file) } : NO_BODY,
      isExpecting: isWhole,
      answerBytesMax: ANSWER_BYTES,
      signal,
    });
    const answer = await sent.catch(() => signal.throwIfAborted());
    return answer?.status === 204;
  }

  #isHeld(copy: Pick<Copy, "root" | "owner">): boolean {
    const holder = this.#holders.get(keyOf(copy));
    if (!holder) return false;
    const lives = this.options.nodes().some(({ name }) => name === holder.node);
    if (lives && holder.until > this.options.now()) return true;
    this.#holders.delete(keyOf(copy));
    return false;
  }
}

function keyOf({ root, owner }: Pick<Copy, "root" | "owner">): string {
  return `${root} ${owner}`;
}

/** Read as it is sent, a piece at a time, which the system mostly has in memory. */
function* piecesOf(file: Deno.FsFile): Generator<Uint8Array> {
  for (;;) {
    const piece = new Uint8Array(PIECE_BYTES);
    const read = file.readSync(piece);
    if (read === null) return;
    yield piece.subarray(0, read);
  }
}
