/** What Circle may do with USDC, done on a local chain. */
import { type Address, type LocalAccount, parseAbi } from "viem";
import type { Chain } from "../../lib/chain/client.ts";

const abi = parseAbi(["function blacklist(address account)"]);

/** Puts `account` on USDC's blacklist; `owner` is who deployed it. */
export async function blacklist(
  chain: Chain,
  owner: LocalAccount,
  usdc: Address,
  account: Address,
): Promise<void> {
  await chain.send(owner, { address: usdc, abi, functionName: "blacklist", args: [account] });
}
