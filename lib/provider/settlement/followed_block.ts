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

const keptShape = v.object({
  chainId: v.number(),
  escrow: v.string(),
  provider: v.string(),
  number: uintShape(64),
  hash: hexShape(32),
});

/** The block that was kept for the subject; null when there is none that can be read. */
export async function readFollowedBlock(
  path: string,
  subject: FollowedSubject,
): Promise<BlockId | null> {
  return fromKept(jsonOf(await Deno.readTextFile(path).catch(() => "")), subject);
}

/** The block that was kept for the subject, as JSON; null for anything else. */
export function fromKept(
  kept: unknown,
  { chainId, escrow, provider }: FollowedSubject,
): BlockId | null {
  const parsed = v.safeParse(keptShape, kept);
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
  block: BlockId,
): Promise<void> {
  const partial = `${path}.new`;
  await Deno.writeTextFile(partial, JSON.stringify(toKept(subject, block)), { mode: 0o600 });
  await Deno.rename(partial, path);
}

/** As JSON. */
export function toKept(
  { chainId, escrow, provider }: FollowedSubject,
  { number, hash }: BlockId,
): v.InferInput<typeof keptShape> {
  return { chainId, escrow, provider, number: String(number), hash };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
