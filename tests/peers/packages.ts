/** The foreign implementations of IPFS and x402 that `deno task test:peers` tries ours against. */
import { join } from "node:path";

export interface Peer {
  /** Its folder below .cache/peers. */
  readonly name: string;
  /** npm packages by their exact versions. */
  readonly packages: Readonly<Record<string, string>>;
  /** What npm is told besides. */
  readonly options?: readonly string[];
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

/** What makes, checks and reads what is said of deployments in public. */
export const DISCOVERY: Peer = {
  name: "discovery",
  packages: {
    "@x402/extensions": "2.27.0",
    "@agentcash/discovery": "1.7.5",
    "@seriousme/openapi-schema-validator": "2.11.0",
  },
};

/** What stock clients of x402 read a 402 by, in both versions of the protocol. */
export const X402: Peer = { name: "x402", packages: { "@x402/core": "2.27.0" } };

/** Some of their packages name others, and versions of them, that nothing here loads. */
const LONERS = ["--legacy-peer-deps"];
const VIEM = "2.57.20";

/** Clients that pay by x402's `exact`, as their users install them. */
export const X402_AXIOS: Peer = {
  name: "x402-axios",
  packages: { "@x402/axios": "2.11.0", "@x402/evm": "2.11.0", axios: "1.21.1", viem: VIEM },
};

export const MPPX: Peer = {
  name: "mppx",
  packages: { mppx: "0.11.0", viem: VIEM },
  options: LONERS,
};

/** The last that pays for the URL it asked alone, octet for octet. */
export const MPPX_STRICT: Peer = {
  name: "mppx-0.10",
  packages: { mppx: "0.10.1", viem: VIEM },
  options: LONERS,
};

/** Version 1 of the protocol, with which comes half of all wallets' code: 665 MB. */
export const X402_V1: Peer = {
  name: "x402-v1",
  packages: { "x402-fetch": "1.2.0" },
  options: LONERS,
};

export const CLIENTS: readonly Peer[] = [X402_AXIOS, MPPX, MPPX_STRICT, X402_V1];

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
