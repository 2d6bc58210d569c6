/**
 * Installs the peers into .cache/peers, which takes minutes the first time. They are a thousand
 * packages that nothing else here needs, so deno.lock knows none of them. What cannot be installed
 * is said; its tests then say that they did not run. With `--clients` it installs those that pay.
 */
import { join } from "node:path";
import { complain } from "../../tools/print.ts";
import { type Ended, runQuietly } from "../../tools/quiet.ts";
import {
  CLIENTS,
  DISCOVERY,
  folderOf,
  HELIA,
  isInstalled,
  JS_IPFS,
  type Peer,
  recordInstalled,
  X402,
} from "./packages.ts";

async function install(peer: Peer): Promise<void> {
  if (await isInstalled(peer)) return;
  const wanted = Object.entries(peer.packages).map(([name, version]) => `${name}@${version}`);
  complain(`peers: installing ${wanted.join(" ")}`);
  const folder = folderOf(peer);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "package.json"), '{ "private": true }\n');
  const { isDone, said } = await npm([
    "--prefix",
    folder,
    "install",
    ...wanted,
    ...(peer.options ?? []),
  ]);
  if (isDone) return await recordInstalled(peer);
  complain(`peers: ${peer.name} is not installed; is the npm registry reachable?\n${said}`);
}

/** No package's install script runs: they download programs from elsewhere, which no test needs. */
async function npm(args: readonly string[]): Promise<Ended> {
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error"];
  try {
    return await runQuietly("npm", [...args, ...quiet]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { isDone: false, said: "npm is missing" };
    throw error;
  }
}

const PEERS = Deno.args.includes("--clients") ? CLIENTS : [DISCOVERY, JS_IPFS, HELIA, X402];

if (import.meta.main) { for (const peer of PEERS) await install(peer); }
