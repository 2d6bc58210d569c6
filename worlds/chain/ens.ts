/** The real ENS on a local chain: ENSRegistry and PublicResolver, bytecode from npm. */
import {
  type Abi,
  type Address,
  type Hex,
  keccak256,
  type LocalAccount,
  namehash,
  stringToBytes,
  zeroHash,
} from "viem";
import type { Chain } from "../../lib/chain/client.ts";
import ensRegistry from "@ensdomains/ens/build/contracts/ENSRegistry.json" with { type: "json" };
import publicResolver from "@ensdomains/resolver/build/contracts/PublicResolver.json" with {
  type: "json",
};
import solc from "solc";

export const registryAbi = ensRegistry.abi as Abi;
export const resolverAbi = publicResolver.abi as Abi;

export interface Ens {
  registry: Address;
  publicResolver: Address;
  universalResolver: Address;
}

/** Deploys registry, public resolver and a Universal Resolver over them; `owner` owns the root. */
export async function deployEns(chain: Chain, owner: LocalAccount): Promise<Ens> {
  const registry = await chain.deploy(owner, {
    abi: registryAbi,
    bytecode: ensRegistry.bytecode as Hex,
  });
  const publicResolverAddress = await chain.deploy(owner, {
    abi: resolverAbi,
    bytecode: publicResolver.bytecode as Hex,
    args: [registry],
  });
  const universalResolver = await deployUniversalResolver(chain, owner, registry);
  return { registry, publicResolver: publicResolverAddress, universalResolver };
}

/** A Universal Resolver over any ENSRegistry, as the ENS calls of viem need one. */
export async function deployUniversalResolver(
  chain: Chain,
  owner: LocalAccount,
  registry: Address,
): Promise<Address> {
  const { abi, bytecode } = await compileUniversalResolver();
  return await chain.deploy(owner, { abi, bytecode, args: [registry] });
}

/** Gives every label of `name` to `to`, from the root down; `owner` owns the root. */
export async function giveName(
  chain: Chain,
  owner: LocalAccount,
  registry: Address,
  name: string,
  to: Address,
): Promise<void> {
  const labels = name.split(".").reverse();
  let node: Hex = zeroHash;
  for (const [index, label] of labels.entries()) {
    const heir = index === labels.length - 1 ? to : owner.address;
    const args = [node, keccak256(stringToBytes(label)), heir];
    await chain.send(owner, {
      address: registry,
      abi: registryAbi,
      functionName: "setSubnodeOwner",
      args,
    });
    node = namehash(labels.slice(0, index + 1).reverse().join("."));
  }
}

let compiled: Promise<{ abi: Abi; bytecode: Hex }> | undefined;

function compileUniversalResolver(): Promise<{ abi: Abi; bytecode: Hex }> {
  return compiled ??= compile("UniversalResolver");
}

async function compile(contract: string): Promise<{ abi: Abi; bytecode: Hex }> {
  const file = `${contract}.sol`;
  const url = new URL(`../../contracts/test/support/${file}`, import.meta.url);
  const input = {
    language: "Solidity",
    sources: { [file]: { content: await Deno.readTextFile(url) } },
    settings: { outputSelection: { [file]: { [contract]: ["abi", "evm.bytecode.object"] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const built = output.contracts?.[file]?.[contract];
  if (!built) throw new Error(`${file}: ${JSON.stringify(output.errors)}`);
  return { abi: built.abi, bytecode: `0x${built.evm.bytecode.object}` };
}
