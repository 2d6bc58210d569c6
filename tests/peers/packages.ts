/** The foreign implementations of IPFS and x402 that `deno task test:peers` tries ours against. */
import { join } from "node:path";

export interface Peer {
  /** Its folder below .cache/peers. */
  readonly name: string;
  /** npm packages by their exact versions. */
  readonly packages: Readonly<Record<string, string>>;
}

export const JS_IPFS: Peer = { name: "js-ipfs", packages: { ipfs: "0.66.1" } };

export const HELIA: Peer = {
  name: "helia",
  packages: {
    helia: "7.1.15",
    "@helia/car": "6.0.5",
    "@helia/http": "4.0.7",
    "@helia/unixfs": "8.0.5",
  },
};

/** What stock clients of x402 read a 402 by, in both versions of the protocol. */
export const X402: Peer = { name: "x402", packages: { "@x402/core": "2.27.0" } };

const PEERS_FOLDER = join(import.meta.dirname!, "../../.cache/peers");

export function folderOf({ name }: Peer): string {
  return join(PEERS_FOLDER, name);
}

/** Written when all packages are there; holds which. */
const RECORD = "installed.json";

/** Whether these very versions are installed. */
export async function isInstalled(peer: Peer): Promise<boolean> {
  const record = await Deno.readTextFile(join(folderOf(peer), RECORD)).catch(() => "");
  return record === JSON.stringify(peer.packages);
}

export async function recordInstalled(peer: Peer): Promise<void> {
  await Deno.writeTextFile(join(folderOf(peer), RECORD), JSON.stringify(peer.packages));
}
