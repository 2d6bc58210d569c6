/**
 * Whether a provider has the time to settle what it served once a payer gives notice: it hears of
 * the notice, and batches go out, well before credits or permits leave.
 */
import type { Address } from "viem";
import type { Chain } from "../../chain/client.ts";
import { thawingPeriod } from "../../chain/escrow.ts";
import { asChainError } from "../../chain/refusal.ts";
import type { ProviderConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";

/** Batches that fit into a thawing period at least: one may be late, or wait for its turn. */
const INTERVALS_MIN = 10n;

/** Times of one provider, seconds. */
export interface SettlingTimes {
  thawing: bigint;
  interval: bigint;
  poll: bigint;
  /** By how much the block that the finality policy trusts is older than the newest. */
  finalityLag: bigint;
}

/**
 * @returns the escrow's thawing period, seconds
 * @throws KhachapuriError `invalid_config` where the time is too short; `chain_unavailable`
 */
export async function timeToSettle(
  chain: Chain,
  escrow: Address,
  { settlement: { intervalSeconds, pollMs, finality } }: ProviderConfig,
): Promise<bigint> {
  const [thawing, finalityLag] = await Promise.all([
    thawingPeriod(chain, escrow),
    finality === "latest" ? 0n : lagOf(chain, finality),
  ]);
  const poll = BigInt(Math.ceil(pollMs / 1_000));
  const fault = settlingFault({ thawing, interval: BigInt(intervalSeconds), poll, finalityLag });
  if (fault) throw fault;
  return thawing;
}

/** Why what was served might not be settled in time; null when it will be. */
export function settlingFault(
  { thawing, interval, poll, finalityLag }: SettlingTimes,
): KhachapuriError | null {
  const batches = INTERVALS_MIN * interval;
  if (thawing < batches) {
    const message =
      `the escrow's thawing period of ${thawing} s is shorter than ${INTERVALS_MIN} ` +
      `settlement intervals (${batches} s)`;
    return invalid(
      message,
      `set provider.settlement.intervalSeconds to ${thawing / INTERVALS_MIN}`,
    );
  }
  const heard = finalityLag + poll + interval;
  if (heard < thawing) return null;
  const message =
    `finality is ${finalityLag} s behind: with poll and interval that is ${heard} s, ` +
    `the escrow's thawing period is ${thawing} s`;
  return invalid(message, 'set provider.settlement.finality to "safe" or "latest", or poll sooner');
}

function invalid(message: string, hint: string): KhachapuriError {
  return new KhachapuriError("invalid_config", message, {
    hints: [hint, "else a payer could take its credits back before they are settled"],
  });
}

async function lagOf(chain: Chain, finality: "safe" | "finalized"): Promise<bigint> {
  try {
    const [latest, trusted] = await Promise.all([
      chain.public.getBlock({ blockTag: "latest" }),
      chain.public.getBlock({ blockTag: finality }),
    ]);
    return latest.timestamp - trusted.timestamp;
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}
