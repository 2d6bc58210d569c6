/**
 * The provider as a trustless gateway for what it keeps: a block by its cid, or as a CAR what a
 * path leads to, with all that proves it. Nothing is given that its reader could not check.
 * Reading and checking blocks takes turns with rests between, whoever asks, so that calls go on.
 */
import type { Block } from "../../cid.ts";
import type { Clock } from "../../clock.ts";
import { KhachapuriError } from "../../errors.ts";
import { type BlockReader, keptBlock } from "../../ipfs/block_reader.ts";
import { type ContentPath, followPath } from "../../ipfs/content_path.ts";
import { followOf } from "../../ipfs/dag_scope.ts";
import { walkContent, type WalkOptions } from "../../ipfs/dag_walk.ts";
import { RestingQueue } from "../../leisure.ts";
import type { HeaderField } from "../http/header_rules.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { contentHeaders, hasAlready, notStored } from "./gateway_headers.ts";
import { carPieces, piecesOf } from "./gateway_pieces.ts";
import type { GatewayPlaces } from "./gateway_places.ts";
import { type ContentRequest, readContentRequest } from "./gateway_request.ts";
import { ContentStream } from "./gateway_stream.ts";

export interface ContentGatewayParts {
  /** All that may be given to anybody. */
  blocks: BlockReader;
  places: Pick<GatewayPlaces, "take">;
  clock: Clock;
}

/** What an answer is made of, once it is known that there is one. */
interface Found {
  headers: HeaderField[];
  /** Of a block. */
  bodyBytes: number | null;
  pieces(): AsyncGenerator<Uint8Array> | Generator<Uint8Array>;
}

/** What of a request an answer follows from. */
export type ContentQuestion = Pick<HttpRequest, "method" | "path" | "query" | "fields" | "sender">;

export class ContentGateway {
  readonly #turns = new RestingQueue();

  constructor(private readonly parts: ContentGatewayParts) {}

  /**
   * Answers a GET or HEAD of a path below /ipfs/.
   * @param own what is read for its owner alone; null: what is given to anybody
   * @throws KhachapuriError `invalid_cid`, `invalid_input`, `not_acceptable`, `not_found` (or
   * `not_cached`, to who asked for that), `rate_limited`, `overloaded`
   */
  async answer(request: ContentQuestion, own: BlockReader | null = null): Promise<Answer> {
    const asked = readContentRequest(request);
    const free = this.parts.places.take(request.sender.address);
    let isStreaming = false;
    try {
      const found = await this.#find(asked, this.#inTurns(own ?? this.parts.blocks));
      const { bodyBytes, pieces } = found;
      const headers = own ? notStored(found.headers) : found.headers;
      if (hasAlready(asked, request.fields)) return { status: 304, headers, body: null };
      if (request.method === "HEAD") return { status: 200, headers, body: null, bodyBytes };
      isStreaming = true;
      const { clock } = this.parts;
      const body = new ContentStream({ pieces: pieces(), clock, onEnd: free });
      return { status: 200, headers, body, bodyBytes };
    } catch (error) {
      throw asAsked(request, error);
    } finally {
      if (!isStreaming) free();
    }
  }

  #inTurns(blocks: BlockReader): BlockReader {
    return { get: (cid) => this.#turns.slice(() => blocks.get(cid)) };
  }

  async #find(asked: ContentRequest, reader: BlockReader): Promise<Found> {
    const { root, names, form } = asked;
    if (form.format === "raw") {
      const bytes = await keptBlock(reader, root);
      const headers = contentHeaders(asked, [root]);
      return { headers, bodyBytes: bytes.length, pieces: () => piecesOf(bytes) };
    }
    const path = await followPath(reader, root, names);
    if (form.range !== null) await assertWithin(reader, path, form);
    const blocks = () => upToMissing(walkContent(reader, path, form));
    const headers = contentHeaders(asked, path.roots);
    return { headers, bodyBytes: null, pieces: () => carPieces(root, blocks()) };
  }
}

/** That a range begins behind a file's end is said while there is a status to say it by. */
async function assertWithin(
  reader: BlockReader,
  { end }: ContentPath,
  form: WalkOptions,
): Promise<void> {
  followOf(form, end, await keptBlock(reader, end));
}

/**
 * What has begun ends at a block that is not kept: its reader sees that it lacks something, and has
 * all the same what came before.
 */
async function* upToMissing(blocks: AsyncIterable<Block>): AsyncGenerator<Block> {
  try {
    yield* blocks;
  } catch (error) {
    if (!(error instanceof KhachapuriError) || error.code !== "not_found") throw error;
  }
}

/** Absence has a status of its own for who asks for nothing but what is here. */
function asAsked({ fields }: Pick<HttpRequest, "fields">, error: unknown): unknown {
  const isPlain = !/\bonly-if-cached\b/i.test(fields.get("cache-control") ?? "");
  if (isPlain || !(error instanceof KhachapuriError) || error.code !== "not_found") return error;
  return new KhachapuriError("not_cached", error.shortMessage, { cause: error });
}
