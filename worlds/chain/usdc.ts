/** What Circle may do with USDC, done on a local chain. */
import { type Address, type LocalAccount, parseAbi } from "viem";
import type { Chain } from "../../lib/chain/client.ts";

const abi = parseAbi([
  "function blacklist(address account)",
  "function pause()",
  "function unpause()",
]);

/** Puts `account` on USDC's blacklist; `owner` is who deployed it. */
export async function blacklist(
  chain: Chain,
  owner: LocalAccount,
  usdc: Address,
  account: Address,
): Promise<void> {
  await chain.send(owner, { address: usdc, abi, functionName: "blacklist", args: [account] });
}

/** Stops every movement of USDC; `owner` is who deployed it. */
export async function pauseUsdc(chain: Chain, owner: LocalAccount, usdc: Address): Promise<void> {
  await chain.send(owner, { address: usdc, abi, functionName: "pause", args: [] });
}

export async function unpauseUsdc(chain: Chain, owner: LocalAccount, usdc: Address): Promise<void> {
  await chain.send(owner, { address: usdc, abi, functionName: "unpause", args: [] });
}
