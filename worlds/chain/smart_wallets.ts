/**
 * Wallets that are contracts (ERC-1271), assembled here: one that takes its owner's signatures, and
 * relatives that lie. USDC asks the payer's own code where there is any.
 */
import {
  type Address,
  concat,
  createWalletClient,
  type Hex,
  http,
  type LocalAccount,
  numberToHex,
  size,
} from "viem";
import type { Chain } from "../../lib/chain/client.ts";
import type { UsdcChain } from "./usdc_chain.ts";

/** The hash as it came at 0, v at 32, r at 64, s at 96, and at 128 who signed, by ecrecover. */
const RECOVER: Hex =
  "0x6004355f5260a43560f81c6020526064356040526084356060526020608060805f60015afa50608051";
/** Of the word on top of the stack: `isValidSignature`'s yes where it is 1, a no where it is 0. */
const ANSWER: Hex = "0x631626ba7e60e01b025f5260205ff3";
const EQ: Hex = "0x14";
const ADDRESS: Hex = "0x30";
/** 1 where nobody pays for the gas, as in a call that only asks. */
const IS_FREE: Hex = "0x3a15";
const AND: Hex = "0x16";
/** Hashes 480,000 bytes of nothing: some 575,000 gas. */
const BURN: Hex = "0x620753005f2050";

const isSignedBy = (owner: Address): Hex => concat([RECOVER, "0x73", owner, EQ]);

/** Takes what its owner signed. */
export const walletOf = (owner: Address): Hex => concat([isSignedBy(owner), ANSWER]);

/** Takes it as long as it is only asked, and not when money is moved. */
export const fickleWalletOf = (owner: Address): Hex =>
  concat([isSignedBy(owner), IS_FREE, AND, ANSWER]);

/** Takes it at the price of more gas than anybody would pay. */
export const burningWalletOf = (owner: Address): Hex => concat([BURN, walletOf(owner)]);

/** What an account runs that has delegated (EIP-7702): takes what its own key signed. */
export const OWN_WALLET: Hex = concat([RECOVER, ADDRESS, EQ, ANSWER]);

/** @param code as it runs */
export async function deployCode(
  chain: Chain,
  sender: LocalAccount,
  code: Hex,
): Promise<Address> {
  const length = numberToHex(size(code), { size: 2 });
  // Returns what stands behind these 10 bytes.
  const bytecode = concat(["0x61", length, "0x80600a5f395ff3", code]);
  return await chain.deploy(sender, { abi: [], bytecode });
}

/** Has an account run the code at `delegate` from now on (EIP-7702). */
export async function delegateTo(
  { chain, rpc }: Pick<UsdcChain, "chain" | "rpc">,
  account: LocalAccount,
  delegate: Address,
): Promise<void> {
  const client = createWalletClient({ account, transport: http(rpc) });
  const authorization = await client.signAuthorization({
    contractAddress: delegate,
    executor: "self",
  });
  const hash = await client.sendTransaction({
    chain: null,
    to: account.address,
    authorizationList: [authorization],
  });
  await chain.public.waitForTransactionReceipt({ hash });
}
