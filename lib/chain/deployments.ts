/** Which contracts belong to which chain, and which escrow a client trusts with its money. */
import { type Address, isAddressEqual } from "viem";
import shipped from "../../contracts/deployments.json" with { type: "json" };
import { type ContractLocation, formatCaip10 } from "../caip.ts";
import { type ContractOverrides, type Contracts, parseContracts } from "../config.ts";
import { KhachapuriError } from "../errors.ts";

/** Circle's USDC by chain id (developers.circle.com, "USDC contract addresses"). */
const USDC: Readonly<Record<number, Address>> = {
  1: "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
  8453: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  84532: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
  11155111: "0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238",
};

/** Circle's USDC on a chain; null where we know of none. */
export function knownUsdc(chainId: number): Address | null {
  return USDC[chainId] ?? null;
}

/**
 * The contracts on a chain: `overrides` (flags and config) before what ships with us.
 * @throws KhachapuriError `invalid_config` when escrow or USDC are unknown
 */
export function contractsFor(
  chainId: number,
  overrides: ContractOverrides = {},
  deployments: unknown = shipped,
): Contracts {
  const ours = parseContracts(deployments, "contracts/deployments.json")[String(chainId)];
  const { escrow, registry, universalResolver, ...known } = { ...ours, ...overrides };
  const usdc = known.usdc ?? knownUsdc(chainId);
  if (!escrow || !usdc) {
    const what = escrow ? "USDC" : "escrow";
    const example = { [chainId]: { escrow: "0x…", usdc: "0x…", registry: "0x…" } };
    throw new KhachapuriError("invalid_config", `no ${what} is known on chain ${chainId}`, {
      hints: [
        `name them in config.json: "contracts": ${JSON.stringify(example)}`,
        "or deploy them: khachapuri contracts deploy",
      ],
    });
  }
  return {
    escrow,
    usdc,
    ...(registry ? { registry } : {}),
    ...(universalResolver ? { universalResolver } : {}),
  };
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
