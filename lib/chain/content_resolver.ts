/**
 * The resolver that says what the names of a registry point to: there is one for a registry, and
 * its address follows from the registry's, so nobody has to be told where it is. It stands at that
 * address with that code, or not at all: nothing but the factory can have put it there.
 */
import { type Abi, type Address, encodeDeployData, type Hex, pad } from "viem";
import { contentResolverAbi, contentResolverBytecode, contentResolverRuntime } from "./abi.ts";
import type { ContractCreation } from "./client.ts";
import { create2Address } from "./create2.ts";

/** How the resolver of `registry`'s names is created. */
export function contentResolverCreation(registry: Address): ContractCreation {
  return { abi: contentResolverAbi as Abi, bytecode: contentResolverBytecode, args: [registry] };
}

/** Creation code with its argument. */
export function contentResolverInitCode(registry: Address): Hex {
  const { abi, bytecode, args = [] } = contentResolverCreation(registry);
  return encodeDeployData({ abi, bytecode, args });
}

/** The one address of the resolver of `registry`'s names, on whichever chain. */
export function contentResolverAddress(registry: Address): Address {
  return create2Address(contentResolverInitCode(registry));
}

/** The code that stands there. */
export function contentResolverCode(registry: Address): Hex {
  const word = pad(registry).slice(2).toLowerCase();
  let code = contentResolverRuntime.code.slice(2);
  for (const place of contentResolverRuntime.immutables.registry) {
    code = code.slice(0, 2 * place) + word + code.slice(2 * place + word.length);
  }
  return `0x${code}`;
}
