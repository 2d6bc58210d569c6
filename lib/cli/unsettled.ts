/** What of a payer a provider has served and not settled: it alone knows, and tells the payer. */
import type { Address } from "viem";
import { clientLane } from "../chain/lane.ts";
import { askUnsettled } from "../client/lane_charged.ts";
import { KhachapuriError } from "../errors.ts";
import { PROBE_TIMEOUT_MS } from "../limits.ts";
import type { CommandContext } from "./command.ts";

/** A provider that can be asked. */
export interface Askable {
  readonly name: string;
  readonly address: Address;
  readonly webDomain: string;
}

/**
 * Credits of this home's account that are unsettled there; null where the provider does not say,
 * which is told.
 */
export async function readUnsettled(
  context: CommandContext,
  { name, address: provider, webDomain }: Askable,
): Promise<bigint | null> {
  const account = await context.account();
  const { address: payer } = account;
  const [chain, { escrow, usdc }] = await Promise.all([context.chain(), context.contracts()]);
  const key = { chainId: chain.chainId, escrow, payer, provider, lane: clientLane(payer) };
  const asker = { account, key, usdc, webDomain, timeoutMs: PROBE_TIMEOUT_MS };
  return await askUnsettled(chain, asker).catch((error) => {
    if (!(error instanceof KhachapuriError)) throw error;
    context.out.note(`what is unsettled at ${name} is not known: ${error.shortMessage}`);
    return null;
  });
}
