/** A stock client in a process of its own, in Node, beside its packages as its users have it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Address, Hex } from "viem";
import { folderOf, type Peer } from "../packages.ts";

/** Who pays, and what its user lets it spend. */
export interface Spender {
  readonly key: Hex;
  readonly chainId: number;
  readonly asset: Address;
  /** For one call, base units. */
  readonly most: string;
}

export interface ClientCall {
  readonly url: string;
  /** Posted; without it the call is a GET. */
  readonly json?: unknown;
}

/** What the client tells its user of a call. */
export interface Outcome {
  /** Null where it threw. */
  readonly status: number | null;
  /** Of the body, as they came. */
  readonly parts: readonly string[];
  /** PAYMENT-RESPONSE as the client itself decodes it. */
  readonly settlement: Record<string, unknown> | null;
  /** What it threw. */
  readonly error: string | null;
}

export const textOf = ({ parts }: Outcome): string => parts.join("");

/**
 * Calls group after group, the calls of one at once.
 * @param program beside this file
 */
export async function payBy<Group extends string>(
  { peer, program }: { peer: Peer; program: string },
  account: Spender,
  groups: Readonly<Record<Group, readonly ClientCall[]>>,
): Promise<Record<Group, Outcome[]>> {
  const folder = folderOf(peer);
  for (const name of ["drive.mjs", program]) {
    await Deno.copyFile(join(import.meta.dirname!, name), join(folder, name));
  }
  const child = new Deno.Command("node", {
    args: [program],
    cwd: folder,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  await new Blob([JSON.stringify({ account, groups })]).stream().pipeTo(child.stdin);
  const { success, stdout, stderr } = await output;
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}
