/** A helia node (helia_node.ts), as tests use it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { folderOf, HELIA } from "./packages.ts";
import { startPeer } from "./peer_process.ts";

export type Profile = "2015" | "2025";

export interface HeliaNode extends AsyncDisposable {
  /** Base URL, of a trustless gateway too. */
  readonly url: string;
  /** @returns the cid that helia gives a file */
  importFile(bytes: Uint8Array, profile: Profile): Promise<string>;
  /** @returns the cid that helia gives a folder of these files */
  importFolder(files: Readonly<Record<string, Uint8Array>>, profile: Profile): Promise<string>;
  /** The CAR of what was imported, as helia writes it. */
  exportCar(cid: string): Promise<Uint8Array<ArrayBuffer>>;
  /** A file as another node of helia reads it from this gateway alone. */
  readFrom(gateway: string, cid: string, path?: string): Promise<Uint8Array>;
  /** A file as a node of helia reads it that has nothing but this CAR. */
  readCar(car: Uint8Array<ArrayBuffer>, cid: string, path?: string): Promise<Uint8Array>;
}

/** It reaches nobody but this machine. */
export async function startHelia(): Promise<HeliaNode> {
  const folder = folderOf(HELIA);
  const granted = ["--allow-net=127.0.0.1", "--allow-read", "--allow-env", "--allow-sys"];
  // Helia loads WebRTC's native code, which nothing here uses.
  granted.push(`--allow-ffi=${join(folder, "node_modules")}`);
  const run = ["run", "--quiet", "--no-config", "--no-lock", "--no-prompt"];
  const program = join(import.meta.dirname!, "helia_node.ts");
  const { said: [url], ...process } = await startPeer({
    args: [...run, "--node-modules-dir=manual", ...granted, program, folder],
    ready: [/^(http:.*)$/m],
  });
  const ask = async (path: string, asked: Record<string, string>, body?: BodyInit) => {
    const to = `${url}/${path}?${new URLSearchParams(asked)}`;
    const response = await fetch(to, body === undefined ? {} : { method: "POST", body });
    if (!response.ok) assert.fail(`helia: ${await response.text()}`);
    return await response.bytes();
  };
  const importAll = async (files: Readonly<Record<string, Uint8Array>>, profile: Profile) => {
    const texts = Object.entries(files).map(([name, bytes]) => [name, bytes.toBase64()]);
    const body = JSON.stringify(Object.fromEntries(texts));
    return new TextDecoder().decode(await ask("import", { profile }, body));
  };
  return {
    ...process,
    url: url!,
    importFile: (bytes, profile) => importAll({ "": bytes }, profile),
    importFolder: importAll,
    exportCar: (cid) => ask(`ipfs/${cid}`, { format: "car" }),
    readFrom: (gateway, cid, path = "") => ask(`read/${cid}`, { gateway, path }),
    readCar: (car, cid, path = "") => ask(`read-car/${cid}`, { path }, car),
  };
}
