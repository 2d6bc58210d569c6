/** What taking pushes costs: 64 MiB over HTTP to disk, verified, and the same without any check. */
import { join } from "node:path";
import { formatCid } from "../lib/cid.ts";
import { writeCar } from "../lib/ipfs/car.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { PERMISSIONS_OF_TESTS } from "../tools/permissions.ts";
import { linesOf } from "../worlds/content/lines.ts";
import { growthDuring } from "../worlds/processes.ts";
import { benchFile } from "./ipfs_file.ts";
import { atLeast, atMost, median, type Report } from "./report.ts";

const BYTES = 64 * 2 ** 20;
const RUNS = 5;
const MB = 1_000_000;
const FILE = "push, 64 MiB";

/**
 * Megabytes a second of one upload by curl, which reads the file piece by piece into the same
 * memory: a client that copies 64 MiB into fresh memory first takes longer for that than the
 * provider for all of it.
 */
async function rate(url: string, path: string): Promise<number> {
  const args = ["-sSf", "-X", "POST", "-H", "expect:", "-T", path, url];
  const from = performance.now();
  const { success, stderr } = await new Deno.Command("curl", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return BYTES / MB / ((performance.now() - from) / 1_000);
}

export async function benchPushes(): Promise<Report> {
  const dir = await Deno.makeTempDir();
  const script = new URL("./ipfs_ingest.ts", import.meta.url).pathname;
  const args = ["run", "--no-check", "--frozen", ...PERMISSIONS_OF_TESTS, script, dir];
  await using server = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  try {
    const { value: url } = await linesOf(server.stdout).next();
    return await measured(url!, server.pid, join(dir, "pushed.car"));
  } finally {
    server.kill("SIGKILL");
    await server.status;
    await Deno.remove(dir, { recursive: true });
  }
}

async function measured(url: string, pid: number, path: string): Promise<Report> {
  const [drained, kept]: [number[], number[]] = [[], []];
  let growthMb = 0;
  for (let run = -1; run < RUNS; run++) {
    const bytes = benchFile(BYTES);
    new DataView(bytes.buffer).setInt32(0, run);
    const dag = importFile(bytes);
    const car = writeCar(dag);
    await Deno.writeFile(path, car);
    const target = `${url}/ingest?root=${formatCid(dag.root)}&bytes=${car.length}`;
    let ingested = 0;
    const ingest = async () => void (ingested = await rate(target, path));
    // The first of each warms up: code, and the buffers of a process that has had no large body.
    if (run < 0) {
      await rate(`${url}/drain`, path);
      await ingest();
      continue;
    }
    drained.push(await rate(`${url}/drain`, path));
    growthMb = Math.max(growthMb, await growthDuring(pid, ingest) / 2 ** 20);
    kept.push(ingested);
  }
  const row = (client: string, rates: readonly number[]) => ({
    file: FILE,
    client,
    ms: BYTES / MB / median(rates) * 1_000,
    "MB/s": median(rates),
    "vs plain": median(rates) / median(drained),
  });
  return {
    rows: [row("drained to disk, no check", drained), row("khachapuri, verified and kept", kept)],
    must: [
      atLeast(`${FILE}: verified to disk`, median(kept), "MB/s", 150),
      atMost(`${FILE}: growth of memory`, growthMb, "MiB", 32),
    ],
  };
}
