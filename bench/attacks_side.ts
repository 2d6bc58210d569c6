/**
 * What bench/attacks.ts attacks: the provider of one checkout as its own process, on a home of its
 * own, with a neighbour who calls a small program all the while.
 */
import { join } from "node:path";
import { formatCid } from "../lib/cid.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { pause } from "../lib/pause.ts";
import type { CertificateFiles } from "../lib/provider/wire/certificate.ts";
import { certificateFiles } from "../worlds/certificate.ts";
import { type ChildProvider, startChildProvider } from "../worlds/child_provider.ts";
import type { Market } from "../worlds/market.ts";
import { type Checkout, outputOf } from "./checkout.ts";
import { quantile } from "./report.ts";

export interface Side extends AsyncDisposable {
  readonly url: string;
  /** With which it speaks TLS, PEM; null: it does not. */
  readonly cert: string | null;
  /** Resident memory now and at its highest, MB. */
  memory(): Promise<{ now: number; peak: number }>;
  /** Files, folders and disk of the state folder's part, MB. */
  disk(part: "programs" | "cache"): Promise<{ inodes: number; mb: number }>;
  /** Kills the provider and starts it on what it left. @returns ms until it listens */
  restart(): Promise<number>;
}

/** Starts a checkout's provider on a copy of the market's home. */
export async function startSide(
  market: Market,
  { root }: Checkout,
  isSecured = false,
): Promise<Side> {
  const home = await Deno.makeTempDir();
  await Deno.chmod(home, 0o755);
  for (const name of ["config.json", "keys.json", "terms.txt"]) {
    await Deno.copyFile(join(market.home, name), join(home, name));
  }
  const files = isSecured ? await certificateFiles("bench.example") : null;
  if (files) await speakTls(join(home, "config.json"), files);
  const cert = files && await Deno.readTextFile(files.cert);
  const start = async (): Promise<{ child: ChildProvider; url: string }> => {
    const child = await startChildProvider(home, { logLevel: "info", root });
    const url = await child.url;
    if (!url) throw new Error(await Deno.readTextFile(join(home, "provider.log")));
    return { child, url };
  };
  let running = await start();
  return {
    get url() {
      return running.url;
    },
    cert,
    memory: () => memoryOf(running.child.pid),
    disk: (part) => diskOf(join(home, "state", part)),
    async restart() {
      await running.child.kill();
      const at = performance.now();
      running = await start();
      return performance.now() - at;
    },
    async [Symbol.asyncDispose]() {
      await running.child.kill();
      await files?.[Symbol.asyncDispose]();
      await Deno.remove(home, { recursive: true });
    },
  };
}

async function speakTls(path: string, { cert, key }: CertificateFiles): Promise<void> {
  const config = JSON.parse(await Deno.readTextFile(path));
  const tls = { cert, key };
  await Deno.writeTextFile(
    path,
    JSON.stringify({ ...config, provider: { ...config.provider, tls } }),
  );
}

/** What a neighbour calls, and whom it trusts for that. */
export interface Neighbourhood {
  readonly url: string;
  readonly cert: string | null;
}

/** Calls of a neighbour: how long each took, ms, and how many were not answered well. */
export interface Called {
  took: number[];
  failed: number;
}

export interface Latency {
  p50: number;
  p99: number;
  longest: number;
  calls: number;
  failed: number;
}

/** Has a neighbour call a deployment while `work` goes on, and for `leastMs` at least. */
export async function neighbour<T>(
  where: Neighbourhood,
  leastMs: number,
  work: () => Promise<T>,
): Promise<{ value: T; latency: Latency }> {
  const worker = new Worker(new URL("./attacks_neighbour.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<Called>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage(where);
  try {
    const [value] = await Promise.all([work(), pause(leastMs)]);
    worker.postMessage("stop");
    const { took, failed } = await promise;
    const [p50, p99, longest] = [0.5, 0.99, 1].map((share) => quantile(took, share));
    const latency = { p50: p50!, p99: p99!, longest: longest!, calls: took.length, failed };
    return { value, latency };
  } finally {
    worker.terminate();
  }
}

/** Has the market's gateway hold these bytes. @returns their cid */
export async function publish(market: Market, bytes: Uint8Array): Promise<string> {
  const { root, blocks } = importFile(bytes);
  await market.gateway.put(blocks);
  return formatCid(root);
}

/** How often each of some statuses came. */
export function tell(statuses: readonly number[]): string {
  const counts = Map.groupBy(statuses, (status) => status);
  return [...counts].map(([status, all]) => `${all.length}×${status}`).sort().join(" ");
}

/** By a process of its own: reading /proc takes all of deno's permissions. */
async function memoryOf(pid: number): Promise<{ now: number; peak: number }> {
  const status = await outputOf("cat", [`/proc/${pid}/status`]);
  const of = (name: string) =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? NaN) / 1_000;
  return { now: of("VmRSS"), peak: of("VmHWM") };
}

async function diskOf(dir: string): Promise<{ inodes: number; mb: number }> {
  const [disk, inodes] = await Promise.all([
    outputOf("du", ["-sk", dir]),
    outputOf("du", ["-s", "--inodes", dir]),
  ]);
  return { inodes: Number.parseInt(inodes), mb: Number.parseInt(disk) / 1_000 };
}
