/** A local chain with the real USDC on it, and nothing of ours. */
import type { Address, LocalAccount } from "viem";
import { deployUsdc, mintUsdc } from "../../lib/chain/circle_usdc.ts";
import { type Chain, connect } from "../../lib/chain/client.ts";
import { type AnvilOptions, startAnvil } from "./anvil.ts";
import { ACCOUNTS } from "./people.ts";

export interface UsdcChain extends AsyncDisposable {
  /** URL of its JSON-RPC. */
  readonly rpc: string;
  readonly chain: Chain;
  readonly usdc: Address;
  /** Gives an account USDC, base units. */
  mint(account: Pick<LocalAccount, "address">, amount: bigint): Promise<void>;
  /** Ends the chain while the rest of the world goes on. */
  stopChain(): Promise<void>;
}

/** Starts it; disposing ends the chain. */
export async function startUsdcChain(options: AnvilOptions = {}): Promise<UsdcChain> {
  await using stack = new AsyncDisposableStack();
  const anvil = stack.use(await startAnvil(options));
  const chain = await connect(anvil.url);
  const usdc = await deployUsdc(chain, ACCOUNTS.deployer);
  const owned = stack.move();
  return {
    rpc: anvil.url,
    chain,
    usdc,
    mint: ({ address }, amount) => mintUsdc(chain, ACCOUNTS.deployer, usdc, address, amount),
    stopChain: anvil.stop,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
