/** Chains and contracts in the notation that x402 and ENS records share: CAIP-2 and CAIP-10. */
import { type Address, getAddress, isAddress } from "viem";

/** A contract on a chain. */
export interface ContractLocation {
  chainId: number;
  address: Address;
}

/** `eip155:8453` (CAIP-2, namespace eip155). */
export function formatCaip2(chainId: number): `eip155:${number}` {
  return `eip155:${chainId}`;
}

/** The chain id of `eip155:N`; null when the text is anything else. */
export function parseCaip2(text: string): number | null {
  const match = /^eip155:([1-9][0-9]{0,31})$/.exec(text);
  const chainId = match ? Number(match[1]) : NaN;
  return Number.isSafeInteger(chainId) ? chainId : null;
}

/** `eip155:8453:0x…` (CAIP-10) with the address's EIP-55 checksum. */
export function formatCaip10(location: ContractLocation): string {
  return `${formatCaip2(location.chainId)}:${getAddress(location.address)}`;
}

/** Chain and address of `eip155:N:0x…`; null when the text is anything else. */
export function parseCaip10(text: string): ContractLocation | null {
  const colon = text.lastIndexOf(":");
  const chainId = parseCaip2(text.slice(0, Math.max(colon, 0)));
  const address = text.slice(colon + 1);
  if (chainId === null || !isAddress(address, { strict: false })) return null;
  return { chainId, address: getAddress(address) };
}
