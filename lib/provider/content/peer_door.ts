/**
 * What a node answers its peers, the other nodes of the same provider: blocks and CARs of all that
 * is here, be it kept for owners or cached; at a content's home also of what gateways are asked for
 * then; and that it takes a copy of what another keeps. A peer's question is answered from here or
 * by gateways and never by a third node, so that none goes in circles. What is asked for is not
 * asked of owners or denials: the peer decides that, as it would of a gateway's answer.
 */
import { type Address, getAddress, isAddress } from "viem";
import { type CID, type CidText, formatCid, parseCid } from "../../cid.ts";
import type { Clock } from "../../clock.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import type { BlockReader } from "../../ipfs/block_reader.ts";
import type { Fetcher } from "../../ipfs/fetcher.ts";
import { FETCH_FIELD } from "../../ipfs/peers.ts";
import { PROGRAM_ZIP_BYTES_MAX } from "../../limits.ts";
import { PEER_ANSWERS_MAX } from "../../limits_of_content.ts";
import { asServingError, failureOf } from "../http/failure.ts";
import { NetworkCounts } from "../http/network_counts.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { ContentGateway } from "./gateway.ts";
import { CONTENT_PREFIX, readContentRequest } from "./gateway_request.ts";
import type { Copy, Ingest } from "./ingest.ts";
import { READER_FIELD } from "./peer_blocks.ts";
import type { PeerPass } from "./peer_pass.ts";

/** Where a node is offered what another keeps. */
export const KEPT_PREFIX = "/kept/";

export interface PeerDoorParts {
  pass: Pick<PeerPass, "nodeOf">;
  /** All that is here. */
  blocks: BlockReader;
  /** What of it may be given to anybody. */
  given: BlockReader;
  /** What an owner has kept of a root; null: it has not, here. */
  ofOwner(owner: Address, root: CidText): BlockReader | null;
  /** Whether this node has gateways asked for it. */
  isHomeOf(cid: CID): boolean;
  /** Has the file here as its home has it; null: there are no gateways. */
  bring: NonNullable<Fetcher["bring"]> | null;
  ingest: Pick<Ingest, "takeCopy">;
  clock: Clock;
}

export class PeerDoor {
  readonly #answers = new NetworkCounts(PEER_ANSWERS_MAX);
  readonly #gateway: ContentGateway;
  /** For whom a peer answers. */
  readonly #given: ContentGateway;

  constructor(private readonly parts: PeerDoorParts) {
    const { blocks, given, clock } = parts;
    // Its senders are nodes.
    const places = { take: (node: string) => this.#take(node) };
    this.#gateway = new ContentGateway({ blocks, places, clock });
    this.#given = new ContentGateway({ blocks: given, places, clock });
  }

  /** Answers whatever comes; never throws. */
  readonly handle = async (request: HttpRequest): Promise<Answer> => {
    try {
      return await this.#answer(request);
    } catch (thrown) {
      return failureOf(asServingError(thrown));
    }
  };

  async #answer(request: HttpRequest): Promise<Answer> {
    const { method, path, query, fields } = request;
    const authorization = fields.get("authorization");
    if (method === "POST" && path.startsWith(KEPT_PREFIX)) {
      const node = this.parts.pass.nodeOf(authorization, `${path}?${query ?? ""}`);
      return await this.#takeCopy(node, request);
    }
    const node = this.parts.pass.nodeOf(authorization);
    const isRead = method === "GET" || method === "HEAD";
    if (!isRead || !path.startsWith(CONTENT_PREFIX)) {
      throw new KhachapuriError("not_found", "nodes ask one another for content, and nothing else");
    }
    const own = { method, path, query, fields, sender: { address: node, scheme: null } };
    const reader = fields.get(READER_FIELD);
    if (reader !== null) return await this.#given.answer(own, this.#keptFor(reader));
    const bytesMax = fields.get(FETCH_FIELD);
    if (bytesMax === null) return await this.#gateway.answer(own);
    await this.#bring(node, readContentRequest(request).root, Number(bytesMax));
    return await this.#gateway.answer(own).catch((error) => {
      throw asNotBrought(error);
    });
  }

  /** @param reader whom the peer answers @returns null: it gets what anybody does */
  #keptFor(reader: string): BlockReader | null {
    const [owner = "", root = ""] = reader.split(" ");
    if (!isAddress(owner)) return null;
    return this.parts.ofOwner(getAddress(owner), formatCid(parseCid(root)));
  }

  /**
   * Has it here, if it may be had.
   * @throws KhachapuriError `not_found` when no gateway has it either; `provider_unavailable` when
   * the peer is to see for itself
   */
  async #bring(node: string, root: CID, bytesMax: number): Promise<void> {
    const { bring, isHomeOf } = this.parts;
    const isTaken = bytesMax >= 0 && bytesMax <= PROGRAM_ZIP_BYTES_MAX;
    if (bring === null || !isTaken || !isHomeOf(root)) return;
    const free = this.#take(node);
    try {
      await bring(parseCid(formatCid(root)), bytesMax);
    } catch (thrown) {
      const { code } = asKhachapuriError(thrown);
      // What it is can be told by its own blocks, as far as they came.
      if (code === "not_found") throw thrown;
      if (code !== "invalid_input") throw notBrought(thrown);
    } finally {
      free();
    }
  }

  async #takeCopy(node: string, { path, query, fields, body }: HttpRequest): Promise<Answer> {
    const copy = readCopy(path.slice(KEPT_PREFIX.length), query ?? "", this.parts.clock.now());
    const isOffered = fields.get("content-length") === "0";
    const free = this.#take(node);
    try {
      if (await this.parts.ingest.takeCopy(copy, isOffered ? null : body)) {
        return { status: 204, headers: [], body: null };
      }
    } finally {
      free();
    }
    throw new KhachapuriError("not_cached", `${copy.root} is not kept here`);
  }

  /** @throws KhachapuriError `rate_limited` for what a node has */
  #take(node: string): () => void {
    if (!this.#answers.add(node)) {
      const message = `${PEER_ANSWERS_MAX} answers are under way to this node`;
      throw new KhachapuriError("rate_limited", message, { retryAfterSeconds: 1 });
    }
    let isTaken = true;
    return () => {
      if (isTaken) this.#answers.remove(node);
      isTaken = false;
    };
  }
}

/** What a copy is of, as the address of its offer says. */
export function copyPath({ root, owner, bytes, at }: Copy): string {
  return `${KEPT_PREFIX}${root}?owner=${owner}&bytes=${bytes}&at=${at}`;
}

/** @throws KhachapuriError `invalid_cid`, `invalid_input` */
function readCopy(root: string, query: string, nowMs: number): Copy {
  const said = new URLSearchParams(query);
  const owner = said.get("owner") ?? "";
  const [bytes, at] = ["bytes", "at"].map((name) => Number(said.get(name)));
  if (!isAddress(owner, { strict: false }) || !isCount(bytes) || !isCount(at)) {
    throw new KhachapuriError("invalid_input", "owner, bytes and at say what a copy is of");
  }
  // Clocks differ; nothing is kept for longer by that.
  const seenAt = Math.min(at, nowMs);
  return { root: formatCid(parseCid(root)), owner: getAddress(owner), bytes, at: seenAt };
}

function isCount(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && value! > 0;
}

/** Absence is said by a home that looked for it, and so means more there. */
function asNotBrought(error: unknown): unknown {
  return asKhachapuriError(error).code === "not_found" ? notBrought(error) : error;
}

function notBrought(cause: unknown): KhachapuriError {
  return new KhachapuriError("provider_unavailable", "this node could not have it fetched", {
    cause,
  });
}
