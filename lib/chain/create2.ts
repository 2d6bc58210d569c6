/**
 * Contracts at an address that follows from their code alone: the canonical CREATE2 factory
 * (github.com/Arachnid/deterministic-deployment-proxy) puts the same code at the same address,
 * whoever asks it to.
 */
import {
  type Address,
  type BaseError,
  concat,
  getContractAddress,
  getContractError,
  type Hex,
  type LocalAccount,
  zeroHash,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import type { Chain, ContractCreation } from "./client.ts";
import { asChainError } from "./refusal.ts";

/** On nearly every chain, anvil included; it takes a salt and the creation code, and no more. */
export const CREATE2_FACTORY: Address = "0x4e59b44847b379578588920cA78FbF26c0B4956C";

/** Fixed for ever: there is one escrow for a chain, token and thawing period. */
export const CREATE2_SALT: Hex = zeroHash;

/** Where the factory puts what `initCode` creates. */
export function create2Address(initCode: Hex): Address {
  const at = { from: CREATE2_FACTORY, salt: CREATE2_SALT, bytecode: initCode };
  return getContractAddress({ opcode: "CREATE2", ...at });
}

/**
 * Has the factory create it.
 * @param initCode creation code with its arguments
 * @param creation what they were made of, to word a refusal of the constructor
 * @throws KhachapuriError `invalid_config` where the chain lacks the factory, `chain_refused`,
 *   `chain_unavailable`
 */
export async function create2(
  chain: Chain,
  account: LocalAccount,
  initCode: Hex,
  creation: ContractCreation,
): Promise<Address> {
  await assertFactory(chain);
  await assertConstructible(chain, account, initCode, creation);
  await chain.sendData(account, CREATE2_FACTORY, concat([CREATE2_SALT, initCode]));
  return create2Address(initCode);
}

/** Signed for no chain in particular, by a key that nobody has: it can create nothing else. */
const FACTORY_TRANSACTION: Hex = concat([
  "0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe",
  "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe036016000816020823780358282",
  "0x34f58015156039578182fd5b8082525050506014600cf3",
  "0x1ba02222222222222222222222222222222222222222222222222222222222222222",
  "0xa02222222222222222222222222222222222222222222222222222222222222222",
]);
/** Its sender, and what its gas costs. */
const FACTORY_DEPLOYER: Address = "0x3fAB184622Dc19b6109349B94811493BF2a45362";
const FACTORY_COST = "0.01";

async function assertFactory(chain: Chain): Promise<void> {
  if (await codeAt(chain, CREATE2_FACTORY)) return;
  const message = `chain ${chain.chainId} lacks the CREATE2 factory ${CREATE2_FACTORY}`;
  throw new KhachapuriError("invalid_config", message, {
    hints: [
      "anvil has it unless it was started with --disable-default-create2-deployer",
      `elsewhere anyone can put it there: send ${FACTORY_COST} of the chain's coin to ` +
      `${FACTORY_DEPLOYER}, then broadcast (eth_sendRawTransaction) what it signed:`,
      FACTORY_TRANSACTION,
    ],
  });
}

/** The factory swallows why a constructor refused; a simulation of the creation itself does not. */
async function assertConstructible(
  chain: Chain,
  account: LocalAccount,
  data: Hex,
  { abi, args = [] }: ContractCreation,
): Promise<void> {
  try {
    await chain.public.call({ account: account.address, data });
  } catch (error) {
    const about = { abi, functionName: "constructor", args, sender: account.address };
    throw asChainError(getContractError(error as BaseError, about), chain.endpoint);
  }
}

/**
 * The code at an address; undefined when there is none.
 * @throws KhachapuriError `chain_unavailable`
 */
export async function codeAt(
  chain: Chain,
  address: Address,
  blockTag: "latest" | "pending" = "latest",
): Promise<Hex | undefined> {
  try {
    return await chain.public.getCode({ address, blockTag });
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}
