/**
 * The Escrow's code for a token and a thawing period: what creates it, where that puts it, and what
 * then stands there. So a client can tell this release's escrow from any other contract, on any
 * chain, with nothing but the code that the chain shows.
 */
import {
  type Abi,
  type Address,
  domainSeparator,
  encodeDeployData,
  getAddress,
  type Hex,
  isAddressEqual,
  keccak256,
  numberToHex,
  pad,
  stringToHex,
} from "viem";
import { escrowTypedDomain } from "../permit.ts";
import { escrowAbi, escrowBytecode, escrowRuntime } from "./abi.ts";
import type { ContractCreation } from "./client.ts";
import { create2Address } from "./create2.ts";

/** What an escrow is made of. */
export interface EscrowTerms {
  usdc: Address;
  /** From revoke to reclaim, seconds. */
  thawingPeriodSeconds: bigint;
}

/** How the Escrow is created. */
export function escrowCreation({ usdc, thawingPeriodSeconds }: EscrowTerms): ContractCreation {
  return { abi: escrowAbi as Abi, bytecode: escrowBytecode, args: [usdc, thawingPeriodSeconds] };
}

/** Creation code with its arguments. */
export function escrowInitCode(terms: EscrowTerms): Hex {
  const { abi, bytecode, args = [] } = escrowCreation(terms);
  return encodeDeployData({ abi, bytecode, args });
}

/** The one address that an escrow of these terms has, on whichever chain. */
export function escrowAddress(terms: EscrowTerms): Address {
  return create2Address(escrowInitCode(terms));
}

type Immutable = keyof typeof escrowRuntime.immutables;

/** The code of an escrow with these terms, at `escrow` on chain `chainId`. */
export function escrowCode(
  { usdc, thawingPeriodSeconds }: EscrowTerms,
  at: { chainId: number; escrow: Address },
): Hex {
  const domain = escrowTypedDomain(at);
  const values: Record<Immutable, Hex> = {
    token: pad(usdc),
    THAWING_PERIOD: numberToHex(thawingPeriodSeconds, { size: 32 }),
    _cachedChainId: numberToHex(at.chainId, { size: 32 }),
    _cachedDomainSeparator: domainSeparator({ domain }),
    _cachedThis: pad(at.escrow),
    _hashedName: keccak256(stringToHex(domain.name)),
    _hashedVersion: keccak256(stringToHex(domain.version)),
    _name: shortString(domain.name),
    _version: shortString(domain.version),
  };
  let code = escrowRuntime.code.slice(2);
  for (const [name, places] of Object.entries(escrowRuntime.immutables)) {
    const word = values[name as Immutable].slice(2).toLowerCase();
    for (const place of places) {
      code = code.slice(0, 2 * place) + word + code.slice(2 * place + word.length);
    }
  }
  return `0x${code}`;
}

/** The terms that `code` would have, were it an escrow's; null when it is too short to be. */
export function termsIn(code: Hex): EscrowTerms | null {
  if (code.length !== escrowRuntime.code.length) return null;
  const { token, THAWING_PERIOD } = escrowRuntime.immutables;
  const word = (place: number) => code.slice(2 + 2 * place, 2 + 2 * (place + 32));
  return {
    usdc: getAddress(`0x${word(token[0]).slice(24)}`),
    thawingPeriodSeconds: BigInt(`0x${word(THAWING_PERIOD[0])}`),
  };
}

/**
 * The terms of this release's escrow, by the code at its address; null for any other contract. The
 * same code anywhere else does not count: whoever put it there by other means than the factory may
 * have written balances of their own before it, and would take out what others pay in.
 */
export function escrowTermsOf(
  code: Hex,
  at: { chainId: number; escrow: Address },
): EscrowTerms | null {
  const terms = termsIn(code);
  if (terms === null || !isAddressEqual(escrowAddress(terms), at.escrow)) return null;
  return escrowCode(terms, at) === code.toLowerCase() ? terms : null;
}

/** As OpenZeppelin keeps a text of up to 31 bytes in a word: its length in the last one. */
function shortString(text: string): Hex {
  const bytes = stringToHex(text, { size: 32 });
  return `${bytes.slice(0, -2)}${numberToHex(text.length, { size: 1 }).slice(2)}` as Hex;
}
