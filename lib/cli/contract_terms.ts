/** What an escrow is to be made of: token and thawing period by flags, or as they are known. */
import type { Address } from "viem";
import type { Chain } from "../chain/client.ts";
import { codeAt } from "../chain/create2.ts";
import { chainText, shippedOn } from "../chain/deployments.ts";
import { readToken } from "../chain/escrow.ts";
import { type EscrowTerms, escrowTermsOf } from "../chain/escrow_code.ts";
import type { ContractsConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { usageError } from "./arguments.ts";
import { addressOf } from "./parties.ts";

/** A day: long enough for a provider that was down to settle, short enough for a payer. */
export const THAWING_SECONDS = 86_400n;
/** What the Escrow's constructor takes. */
const THAWING = { least: 3_600n, most: 2_592_000n };

export interface TermFlags {
  usdc: string | undefined;
  thawing: string | undefined;
}

/** What `config.json` names on a chain and the chain still has: one of your own may begin anew. */
export async function standing(chain: Chain, named: ContractsConfig): Promise<ContractsConfig> {
  const entries = Object.entries(named) as [keyof ContractsConfig, Address][];
  const codes = await Promise.all(entries.map(([, address]) => codeAt(chain, address)));
  return Object.fromEntries(entries.filter((_, i) => codes[i] !== undefined));
}

/**
 * The terms to go by where no flag says other: those we ship, else those of the escrow in use.
 * @param named what config.json names there
 */
export async function termsKnown(
  chainId: number,
  named: ContractsConfig,
  chain: Chain | null,
): Promise<Partial<EscrowTerms>> {
  const shipped = shippedOn(chainId);
  if (shipped) {
    const thawingPeriodSeconds = BigInt(shipped.thawingPeriodSeconds);
    return { usdc: shipped.usdc.address, thawingPeriodSeconds };
  }
  const { escrow, usdc } = named;
  const given = usdc ? { usdc } : {};
  if (!chain || !escrow) return given;
  const ours = escrowTermsOf(await codeAt(chain, escrow) ?? "0x", { chainId, escrow });
  if (ours) return ours;
  // An escrow of an earlier release says which token it holds, too.
  const token = await readToken(chain, escrow).catch((error) => {
    if (error instanceof KhachapuriError && error.code === "chain_refused") return usdc;
    throw error;
  });
  return token ? { usdc: token } : {};
}

/** @throws KhachapuriError `usage` for what no escrow can be made of */
export function termsGiven({ usdc, thawing }: TermFlags): Partial<EscrowTerms> {
  return {
    ...(usdc === undefined ? {} : { usdc: addressOf(usdc, "--usdc") }),
    ...(thawing === undefined ? {} : { thawingPeriodSeconds: secondsOf(thawing) }),
  };
}

function secondsOf(text: string): bigint {
  const seconds = /^[1-9][0-9]{0,9}$/.test(text) ? BigInt(text) : null;
  if (seconds !== null && seconds >= THAWING.least && seconds <= THAWING.most) return seconds;
  const range = `a whole number of seconds from ${THAWING.least} to ${THAWING.most}`;
  throw usageError("contracts", `--thawing is not ${range}: ${text}`);
}

/** @throws KhachapuriError `usage` when nothing says which token */
export function termsOf(chainId: number, { usdc, ...terms }: Partial<EscrowTerms>): EscrowTerms {
  if (usdc !== undefined) return { usdc, thawingPeriodSeconds: THAWING_SECONDS, ...terms };
  throw usageError(
    "contracts",
    `which USDC? ${chainText(chainId)} is unknown: --usdc ADDRESS, or deploy --with-usdc`,
  );
}
