/**
 * How far the chain was read, in a file beside the ledger. It is written without waiting for the
 * disk: one that is lost or from before costs the next start some reading, nothing else.
 */
import * as v from "valibot";
import type { Hex } from "viem";
import { hexShape, uintShape } from "../../shape.ts";
import type { BlockId } from "./known_blocks.ts";

/** Whose events were read; those of another escrow or provider are others. */
export interface FollowedSubject {
  readonly chainId: number;
  readonly escrow: Hex;
  readonly provider: Hex;
}

const fileShape = v.object({
  chainId: v.number(),
  escrow: v.string(),
  provider: v.string(),
  number: uintShape(64),
  hash: hexShape(32),
});

/** The block that was kept for the subject; null when there is none that can be read. */
export async function readFollowedBlock(
  path: string,
  { chainId, escrow, provider }: FollowedSubject,
): Promise<BlockId | null> {
  const text = await Deno.readTextFile(path).catch(() => "");
  const parsed = v.safeParse(fileShape, jsonOf(text));
  if (!parsed.success) return null;
  const { number, hash, ...subject } = parsed.output;
  const isOurs = subject.chainId === chainId && subject.escrow === escrow &&
    subject.provider === provider;
  return isOurs ? { number, hash } : null;
}

/** Puts the block in the place of the one before. */
export async function keepFollowedBlock(
  path: string,
  subject: FollowedSubject,
  { number, hash }: BlockId,
): Promise<void> {
  const partial = `${path}.new`;
  const { chainId, escrow, provider } = subject;
  const kept = { chainId, escrow, provider, number: String(number), hash };
  await Deno.writeTextFile(partial, JSON.stringify(kept), { mode: 0o600 });
  await Deno.rename(partial, path);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
