/** A stock client in a process of its own, in Node, beside its packages as its users have it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Address, Hex } from "viem";

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

export interface Client {
  /** Where its packages are installed. */
  readonly folder: string;
  /** Beside this file. */
  readonly program: string;
}

/** Calls group after group, the calls of one at once. */
export async function payBy<Group extends string>(
  { folder, program }: Client,
  account: Spender,
  groups: Readonly<Record<Group, readonly ClientCall[]>>,
): Promise<Record<Group, Outcome[]>> {
  // Node looks for packages in the folders above, too.
  const dir = await Deno.makeTempDir({ dir: folder });
  try {
    for (const name of ["drive.mjs", program]) {
      await Deno.copyFile(join(import.meta.dirname!, name), join(dir, name));
    }
    const input = JSON.stringify({ account, groups });
    return JSON.parse(await outputOf(dir, program, input));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function outputOf(dir: string, program: string, input: string): Promise<string> {
  const child = new Deno.Command("node", {
    args: [program],
    cwd: dir,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  await new Blob([input]).stream().pipeTo(child.stdin);
  const { success, stdout, stderr } = await output;
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
