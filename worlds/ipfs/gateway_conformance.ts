/**
 * That a gateway gives out all that it keeps as the reference libraries read it: every block raw
 * and in CARs of each scope, every file below a root by its path, and nothing else.
 */
import assert from "node:assert/strict";
import {
  exporter,
  type IdentityNode,
  type RawNode,
  type UnixFSFile,
  walkPath,
} from "ipfs-unixfs-exporter";
import { CID, DAG_PB, isInline, RAW } from "../../lib/cid.ts";
import { createFetcher } from "../../lib/ipfs/gateway.ts";
import type { AskedGateway } from "./asked_gateway.ts";
import { blocksOfCar, blockstoreOf, KeptBlocks } from "./kept_blocks.ts";
import { once, referenceWalk } from "./reference_walk.ts";

/** What was compared, for a test that wants to know that it compared something. */
export interface Compared {
  blocks: number;
  files: number;
  /** Files that are not whole here, of which that was compared. */
  broken: number;
}

export async function assertServed(gateway: AskedGateway, root: CID): Promise<Compared> {
  const blocks = gateway.kept.all();
  for (const { cid, bytes } of blocks) {
    await assertRaw(gateway, cid, bytes);
    for (const dups of ["n", "y"] as const) await assertAll(gateway, cid, dups);
    const alone = await gateway.bytes(`${cid}?format=car&dag-scope=block`);
    assert.deepEqual((await blocksOfCar(alone)).blocks.map(({ bytes }) => bytes), [bytes]);
  }
  const files = await assertFiles(gateway, root);
  return { blocks: blocks.length, ...files };
}

async function assertRaw(gateway: AskedGateway, cid: CID, bytes: Uint8Array): Promise<void> {
  const raw = await gateway.ask(`${cid}?format=raw`);
  assert.equal(raw.status, 200);
  assert.equal(raw.headers.get("content-type"), "application/vnd.ipld.raw");
  assert.deepEqual(await raw.bytes(), bytes);
  const head = await gateway.answer(`${cid}?format=raw`, { method: "HEAD" });
  assert.deepEqual([head.status, head.body, head.bodyBytes], [200, null, bytes.length]);
}

async function assertAll(gateway: AskedGateway, cid: CID, dups: "y" | "n"): Promise<void> {
  const met = await referenceWalk(gateway.kept, cid);
  const answer = await gateway.ask(`${cid}?format=car&car-dups=${dups}`);
  assert.equal(
    answer.headers.get("content-type"),
    `application/vnd.ipld.car; version=1; order=dfs; dups=${dups}`,
  );
  const { roots, blocks } = await blocksOfCar(await answer.bytes());
  assert.deepEqual(roots.map(String), [String(cid.toV1())]);
  assert.deepEqual(blocks.map(({ cid }) => String(cid.toV1())), dups === "y" ? met : once(met));
  for (const block of blocks) assert.deepEqual(await gateway.kept.get(block.cid), block.bytes);
}

async function assertFiles(gateway: AskedGateway, root: CID) {
  const compared = { files: 0, broken: 0 };
  for await (const file of filesBelow(gateway.kept, root, [])) {
    const { cid, entry } = file;
    const content = await contentOf(entry).catch(() => null);
    compared[content === null ? "broken" : "files"] += 1;
    await assertPath(gateway, root, file, content);
    const isLink = "unixfs" in entry && entry.unixfs.type === "symlink";
    if (!isInline(cid) && !isLink) await assertFetched(gateway, cid, content);
  }
  return compared;
}

interface FileBelow {
  names: string[];
  cid: CID;
  entry: UnixFSFile | RawNode | IdentityNode;
}

/** Names may have slashes, and be those of folders above: so no paths. */
async function* filesBelow(kept: KeptBlocks, cid: CID, names: string[]): AsyncGenerator<FileBelow> {
  if (!isInline(cid) && cid.code !== RAW && cid.code !== DAG_PB) return;
  const entry = await exporter(cid, blockstoreOf(kept)).catch(() => null);
  if (entry === null) return;
  if ("content" in entry) yield { names, cid, entry };
  if (!("entries" in entry)) return;
  for await (const { name, cid } of entry.entries()) {
    yield* filesBelow(kept, CID.decode(cid.bytes), [...names, name]);
  }
}

/** The CAR proves the path, and holds no block too many. */
async function assertPath(
  gateway: AskedGateway,
  root: CID,
  { names, cid }: FileBelow,
  content: Uint8Array | null,
): Promise<void> {
  const path = [root, ...names.map(encodeURIComponent)].join("/");
  const car = await gateway.bytes(`${path}?format=car&dag-scope=entity`);
  if (content === null) return;
  const proof = new KeptBlocks((await blocksOfCar(car)).blocks);
  const sent = proof.all().map(({ cid }) => String(cid)).sort();
  const used = new Set<string>();
  const store = blockstoreOf(proof, (cid) => used.add(String(cid)));
  if (names.some(isOdd)) return assert.deepEqual(await exported(proof, cid), content, path);
  let end = root;
  for await (const { cid } of walkPath([root, ...names].join("/"), store)) {
    end = CID.decode(cid.bytes);
  }
  const found = await exporter(end, store);
  assert.ok("content" in found, path);
  assert.deepEqual(await contentOf(found), content, path);
  assert.deepEqual([...used].sort(), sent, `${path}: nothing that its reader does not need`);
}

/** No path of the reference library leads to it. */
function isOdd(name: string): boolean {
  return name.includes("/") || name === "." || name === "..";
}

/** Our own reader, by the same gateway. */
async function assertFetched(
  gateway: AskedGateway,
  cid: CID,
  content: Uint8Array | null,
): Promise<void> {
  const fetcher = createFetcher({
    gateways: ["http://127.0.0.1:1/"],
    cache: null,
    fetch: (input, init) => {
      const { pathname, search } = new URL(String(input));
      const headers = new Headers(init?.headers);
      return gateway.ask(pathname.slice("/ipfs/".length) + search, { headers });
    },
  });
  const reading = fetcher.readFile(cid, { maxBytes: 1e9 });
  if (content === null) await assert.rejects(reading, { code: "not_found" });
  else assert.deepEqual(await reading, content);
}

/** The reference reader's. */
export async function exported(kept: KeptBlocks, cid: CID): Promise<Uint8Array> {
  const entry = await exporter(cid, blockstoreOf(kept));
  if (!("content" in entry)) throw new Error(`${cid} is no file`);
  return await contentOf(entry);
}

async function contentOf(entry: Pick<UnixFSFile, "content">): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of entry.content()) parts.push(part);
  return await new Blob(parts as BlobPart[]).bytes();
}
