/**
 * What verification costs: our fetcher against a plain `fetch` of the same bytes without any check
 * (the floor), and against @ipld/car with ipfs-unixfs-exporter (the usual libraries), all in turn
 * in one run; and what taking pushes costs. `--json` prints the same for machines.
 */
import { CarReader } from "@ipld/car";
import { exporter } from "ipfs-unixfs-exporter";
import { type CID, formatCid, isContentOf } from "../lib/cid.ts";
import { openCache } from "../lib/ipfs/cache.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { createFetcher } from "../lib/ipfs/gateway.ts";
import { benchFile } from "./ipfs_file.ts";
import { benchPushes } from "./ipfs_pushes.ts";
import { atLeast, type Must, printReport, type Report, type Row } from "./report.ts";

type Client = () => Promise<number>;

const MB = 1_000_000;
const FILES = [
  { file: "spec, 4 KB", bytes: 4_000, runs: 200 },
  { file: "program, 5 MiB", bytes: 5 * 2 ** 20, runs: 15 },
  { file: "program, 64 MiB", bytes: 64 * 2 ** 20, runs: 5 },
];
const PLAIN = "plain fetch, no check";
const OURS = "khachapuri, CAR";
const OURS_CACHED = "khachapuri, cache hit";
const LIBRARIES = "@ipld/car + ipfs-unixfs-exporter";

/** Everything that fetches `root`, by name; each returns how many bytes it got. */
function clientsFor(
  root: CID,
  bytes: number,
  urls: { car: string; raw: string },
  cacheDir: string,
): [string, Client][] {
  const isRaw = bytes < 2 ** 20;
  const url = `${urls.car}/ipfs/${formatCid(root)}?${
    isRaw ? "format=raw" : "format=car&dag-scope=entity"
  }`;
  const accept = {
    accept: isRaw ? "application/vnd.ipld.raw" : "application/vnd.ipld.car; dups=y",
  };
  const reader = (gateway: string) => {
    const fetcher = createFetcher({ gateways: [gateway], cache: null });
    return async () => (await fetcher.readFile(root, { maxBytes: bytes })).length;
  };
  const cached = openCache(cacheDir, { maxBytes: 1e9, maxFiles: 100 }).then((cache) =>
    createFetcher({ gateways: [urls.car], cache })
  );
  const plain = async () =>
    new Uint8Array(await (await fetch(url, { headers: accept })).arrayBuffer());
  const clients: [string, Client][] = [
    [PLAIN, async () => (await plain()).length],
    [isRaw ? "khachapuri, raw block" : OURS, reader(urls.car)],
    [OURS_CACHED, async () => (await (await cached).readFile(root, { maxBytes: bytes })).length],
  ];
  if (isRaw) return clients;
  return [
    ...clients,
    ["khachapuri, raw blocks", reader(urls.raw)],
    [LIBRARIES, async () => await readWithLibraries(root, await plain())],
  ];
}

/** The usual way: the whole CAR into a blockstore, each block checked, then exported. */
async function readWithLibraries(root: CID, car: Uint8Array): Promise<number> {
  const blocks = new Map<string, Uint8Array>();
  for await (const { cid, bytes } of (await CarReader.fromBytes(car)).blocks()) {
    if (!isContentOf(cid as unknown as CID, bytes)) throw new Error("wrong bytes");
    blocks.set(cid.toString(), bytes);
  }
  const store = {
    async *get(cid: CID) {
      yield blocks.get(cid.toString())!;
    },
    // deno-lint-ignore no-explicit-any
  } as any;
  const entry = await exporter(root, store);
  if (!("content" in entry)) throw new Error("no file");
  const output = new Uint8Array(Number(entry.size));
  let at = 0;
  for await (const part of entry.content()) {
    output.set(part, at);
    at += part.length;
  }
  return at;
}

/** Median milliseconds of each client; they take turns, so that noise hits all alike. */
async function measure(clients: [string, Client][], runs: number): Promise<Map<string, number>> {
  const times = new Map(clients.map(([name]) => [name, [] as number[]]));
  for (let run = -1; run < runs; run++) {
    for (const [name, client] of clients) {
      const started = performance.now();
      await client();
      // The first turn warms up: connections, code, the cache.
      if (run >= 0) times.get(name)!.push(performance.now() - started);
    }
  }
  return new Map([...times].map(([name, all]) => [name, all.sort((a, b) => a - b)[runs >> 1]!]));
}

function gatewayWorker(sizes: number[]): Promise<{ worker: Worker; car: string; raw: string }> {
  const worker = new Worker(new URL("./ipfs_gateway.ts", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve({ worker, ...data });
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ sizes });
  });
}

async function run(): Promise<Report> {
  const { worker, ...urls } = await gatewayWorker(FILES.map(({ bytes }) => bytes));
  const cacheDir = await Deno.makeTempDir();
  const rows: Row[] = [];
  try {
    for (const { file, bytes, runs } of FILES) {
      const { root } = importFile(benchFile(bytes));
      const medians = await measure(clientsFor(root, bytes, urls, cacheDir), runs);
      const floor = medians.get(PLAIN)!;
      for (const [client, ms] of medians) {
        rows.push({ file, client, ms, "MB/s": bytes / MB / (ms / 1_000), "vs plain": floor / ms });
      }
    }
  } finally {
    worker.terminate();
    await Deno.remove(cacheDir, { recursive: true });
  }
  const pushes = await benchPushes();
  return { rows: [...rows, ...pushes.rows], must: [...requirements(rows), ...pushes.must] };
}

/** What may not get worse. */
function requirements(rows: Row[]): Must[] {
  const ms = (file: string, client: string) =>
    rows.find((row) => row.file === file && row.client === client)!.ms as number;
  const [, middle, large] = FILES.map(({ file }) => file) as [string, string, string];
  const [ours, libraries] = [ms(large, OURS), ms(large, LIBRARIES)];
  return [
    atLeast(`${large}: verified`, ms(large, PLAIN) / ours, "of plain fetch", 0.6),
    atLeast(`${middle}: verified`, ms(middle, PLAIN) / ms(middle, OURS), "of plain fetch", 0.3),
    atLeast(`${large}: ours`, libraries / ours, "of the libraries' speed", 0.6),
    atLeast(`${large}: cache hit`, ms(large, PLAIN) / ms(large, OURS_CACHED), "of plain fetch", 1),
  ];
}

printReport(await run());
