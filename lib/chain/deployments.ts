/** What ships with us of each chain, and which escrow a client trusts with its money. */
import { type Address, isAddressEqual } from "viem";
import * as v from "valibot";
import shipped from "../../contracts/deployments.json" with { type: "json" };
import { type ContractLocation, formatCaip10 } from "../caip.ts";
import { KhachapuriError } from "../errors.ts";
import { addressShape, hexShape, parseShape } from "../shape.ts";

const deploymentShape = v.strictObject({
  /** The chain's. */
  name: v.string(),
  /** Circle's token (developers.circle.com, "USDC contract addresses"), and its EIP-712 domain. */
  usdc: v.strictObject({ address: addressShape, name: v.string(), version: v.string() }),
  thawingPeriodSeconds: v.number(),
  /** Follows from token and thawing period; whether it stands there the chain alone can say. */
  escrow: addressShape,
  /** keccak256 of its code there. */
  codeHash: hexShape(32),
});

/** A chain that ships with us. */
export type Deployment = v.InferOutput<typeof deploymentShape>;

const SHIPPED = parseShape(
  v.record(v.string(), deploymentShape),
  shipped,
  "contracts/deployments.json",
  "invalid_config",
);

/** What ships with us of a chain; null for any other. */
export function shippedOn(chainId: number): Deployment | null {
  return SHIPPED[String(chainId)] ?? null;
}

/** `Base (chain 8453)`, or `chain 31337`. */
export function chainText(chainId: number): string {
  const known = shippedOn(chainId);
  return known ? `${known.name} (chain ${chainId})` : `chain ${chainId}`;
}

/**
 * The escrow to pay a provider through. A resolver is written by the provider, or by a thief: what
 * it names counts only when it is one that the client knew before.
 * @param record what the provider's name says
 * @param trusted the client's own: from its deployments or config, or given by `--escrow`
 * @throws KhachapuriError `untrusted_escrow`
 */
export function trustedEscrow(
  record: { name: string; escrow: ContractLocation | null },
  trusted: { chainId: number; escrow: Address },
): Address {
  const named = record.escrow;
  if (named === null) return trusted.escrow;
  if (named.chainId === trusted.chainId && isAddressEqual(named.address, trusted.escrow)) {
    return trusted.escrow;
  }
  const ours = formatCaip10({ chainId: trusted.chainId, address: trusted.escrow });
  const message = `${record.name} wants to be paid through ${formatCaip10(named)}, ` +
    `which is not the escrow you trust: ${ours}`;
  const hints = named.chainId === trusted.chainId
    ? [`if you know that contract to be sound: --escrow ${named.address}`]
    : [`connect to chain ${named.chainId} with --rpc URL`];
  throw new KhachapuriError("untrusted_escrow", message, { hints });
}
