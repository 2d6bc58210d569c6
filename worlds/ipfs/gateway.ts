/**
 * A small IPFS node for tests and the devnet: a trustless gateway (raw blocks and CARs) and the
 * calls of Kubo's RPC that publishing uses, on one loopback port. Its ill-behaved relatives are in
 * hostile_gateway.ts.
 */
import { join } from "node:path";
import { CarReader } from "@ipld/car";
import {
  type Block,
  blockKey,
  CID,
  DAG_PB,
  decodeCid,
  formatCid,
  isContentOf,
  isInline,
  parseCid,
} from "../../lib/cid.ts";
import { asKhachapuriError, KhachapuriError } from "../../lib/errors.ts";
import { writeCar } from "../../lib/ipfs/car.ts";
import { decodeNode, decodeUnixfs } from "../../lib/ipfs/dag_pb.ts";

export interface GatewayOptions {
  /** Keeps blocks in this folder across restarts; without it in memory. */
  dir?: string;
  /** 0, the default, lets the system choose. */
  port?: number;
  /** RPC calls must carry it. */
  token?: string;
  /** Answers CAR requests with 406, as gateways that only do raw blocks may. */
  withoutCar?: boolean;
  /** Sends each block of a CAR once, whatever the client asked for. */
  withoutDuplicates?: boolean;
}

/** One request as it came, for tests that count. */
export interface SeenRequest {
  method: string;
  path: string;
  search: string;
  accept: string;
}

export interface TestGateway extends AsyncDisposable {
  /** Base URL of the trustless gateway. */
  url: string;
  /** Base URL of the Kubo RPC. */
  kuboUrl: string;
  requests: SeenRequest[];
  put(blocks: readonly Block[]): Promise<void>;
  /** Makes the gateway forget a block, as garbage collection does. */
  remove(cid: CID): Promise<void>;
  stop(): Promise<void>;
}

interface Store {
  get(cid: CID): Uint8Array | undefined;
  put(block: Block): Promise<void>;
  remove(cid: CID): Promise<void>;
}

/** Starts the node on a loopback port. */
export async function startGateway(options: GatewayOptions = {}): Promise<TestGateway> {
  const store = await openStore(options.dir);
  const requests: SeenRequest[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: options.port ?? 0, onListen: () => {} },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      const accept = request.headers.get("accept") ?? "";
      requests.push({ method: request.method, path: pathname, search, accept });
      try {
        return await answer(request, store, options);
      } catch (error) {
        const { message, status } = asKhachapuriError(error);
        return new Response(`${message}\n`, { status });
      }
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const stop = () => server.shutdown();
  return {
    url,
    kuboUrl: url,
    requests,
    async put(blocks) {
      for (const block of blocks) await store.put(block);
    },
    remove: (cid) => store.remove(cid),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function answer(request: Request, store: Store, options: GatewayOptions): Promise<Response> {
  const url = new URL(request.url);
  const content = /^\/ipfs\/([^/]+)$/.exec(url.pathname);
  if (content && (request.method === "GET" || request.method === "HEAD")) {
    // The empty inline block, by which clients probe a gateway (trustless gateway spec).
    if (content[1] === "bafkqaaa") {
      return new Response("", { headers: { "content-type": "application/vnd.ipld.raw" } });
    }
    return answerContent(parseCid(content[1]!), request, store, options);
  }
  if (!url.pathname.startsWith("/api/v0/")) return new Response("no such path\n", { status: 404 });
  if (request.method !== "POST") return new Response("use POST\n", { status: 405 });
  if (options.token && request.headers.get("authorization") !== `Bearer ${options.token}`) {
    return new Response("403 - Forbidden\n", { status: 403 });
  }
  return await answerRpc(url, request, store);
}

function answerContent(
  cid: CID,
  request: Request,
  store: Store,
  options: GatewayOptions,
): Response {
  const query = new URL(request.url).searchParams;
  const accept = request.headers.get("accept") ?? "";
  const wantsCar = query.get("format") === "car" ||
    (!query.has("format") && accept.includes("application/vnd.ipld.car"));
  const wantsRaw = query.get("format") === "raw" || accept.includes("application/vnd.ipld.raw");
  if (!wantsCar && !wantsRaw) return new Response("only raw and car\n", { status: 406 });
  const bytes = store.get(cid);
  if (bytes === undefined) return new Response("block not found\n", { status: 404 });
  const caching = {
    "cache-control": "public, max-age=29030400, immutable",
    "x-content-type-options": "nosniff",
  };
  if (!wantsCar) {
    const headers = { "content-type": "application/vnd.ipld.raw", ...caching };
    return new Response(Uint8Array.from(bytes), { headers });
  }
  if (options.withoutCar) return new Response("no CAR here\n", { status: 406 });
  const duplicates = !options.withoutDuplicates && /dups=y/.test(accept);
  const scope = query.get("dag-scope") ?? "all";
  return new Response(carStream(cid, store, scope, duplicates), {
    headers: {
      "content-type": `application/vnd.ipld.car; version=1; order=dfs; dups=${
        duplicates ? "y" : "n"
      }`,
      ...caching,
    },
  });
}

/** The CAR as a stream that ends, as the specification says, at the first block we do not have. */
function carStream(
  root: CID,
  store: Store,
  scope: string,
  duplicates: boolean,
): ReadableStream<Uint8Array> {
  const sent = new Set<string>();
  function* walk(cid: CID): Generator<Block> {
    if (isInline(cid) || (!duplicates && sent.has(blockKey(cid)))) return;
    const bytes = store.get(cid);
    if (bytes === undefined) throw new KhachapuriError("not_found", "block not found");
    sent.add(blockKey(cid));
    yield { cid, bytes };
    if (cid.code !== DAG_PB || scope === "block") return;
    const { links, data } = decodeNode(bytes);
    const file = decodeUnixfs(data ?? new Uint8Array()).type !== "directory";
    if (scope === "entity" && !file) return;
    for (const link of links) yield* walk(decodeCid(link.hash).cid);
  }
  const header = writeCar({ root, blocks: [] });
  const blocks = walk(root);
  return new ReadableStream({
    start: (controller) => controller.enqueue(header),
    pull(controller) {
      try {
        const { done, value } = blocks.next();
        if (done) return controller.close();
        controller.enqueue(writeCar({ root, blocks: [value] }).subarray(header.length));
      } catch {
        controller.close();
      }
    },
  });
}

async function answerRpc(url: URL, request: Request, store: Store): Promise<Response> {
  switch (url.pathname) {
    case "/api/v0/version":
      return Response.json({ Version: "0.0.0-khachapuri", Commit: "", System: "loopback" });
    case "/api/v0/block/get": {
      const bytes = store.get(parseCid(url.searchParams.get("arg") ?? ""));
      if (bytes !== undefined) return new Response(Uint8Array.from(bytes));
      return Response.json({ Message: "block was not found", Code: 0 }, { status: 500 });
    }
    case "/api/v0/dag/import":
      return await importCar(request, store, url.searchParams.get("pin-roots") !== "false");
    default:
      return new Response("404 page not found\n", { status: 404 });
  }
}

/** Reads the CAR with the reference library, so that our own writer is not its own judge. */
async function importCar(request: Request, store: Store, pin: boolean): Promise<Response> {
  const form = await request.formData();
  const file = [...form.values()].find((value) => value instanceof File);
  if (file === undefined) return Response.json({ Message: "no file" }, { status: 400 });
  const car = await CarReader.fromBytes(new Uint8Array(await file.arrayBuffer()));
  for await (const { cid, bytes } of car.blocks()) {
    const block = { cid: CID.decode(cid.bytes), bytes };
    if (!isContentOf(block.cid, bytes)) {
      return Response.json({ Message: `${cid} has wrong bytes`, Code: 0 }, { status: 500 });
    }
    await store.put(block);
  }
  const lines = (await car.getRoots()).map((root) => {
    const PinErrorMsg = !pin || store.get(root) ? "" : "block not found";
    return JSON.stringify({ Root: { Cid: { "/": root.toString() }, PinErrorMsg } });
  });
  return new Response(`${lines.join("\n")}\n`, {
    headers: { "content-type": "application/json" },
  });
}

async function openStore(dir: string | undefined): Promise<Store> {
  const blocks = new Map<string, Uint8Array>();
  const path = (cid: CID) => join(dir!, `${formatCid(cid)}.block`);
  if (dir !== undefined) {
    await Deno.mkdir(dir, { recursive: true });
    for await (const { name } of Deno.readDir(dir)) {
      if (!name.endsWith(".block")) continue;
      const cid = parseCid(name.slice(0, -".block".length));
      blocks.set(blockKey(cid), await Deno.readFile(join(dir, name)));
    }
  }
  return {
    get: (cid) => blocks.get(blockKey(cid)),
    async put({ cid, bytes }) {
      blocks.set(blockKey(cid), bytes.slice());
      if (dir !== undefined) await Deno.writeFile(path(cid), bytes);
    },
    async remove(cid) {
      blocks.delete(blockKey(cid));
      if (dir !== undefined) await Deno.remove(path(cid)).catch(() => {});
    },
  };
}
