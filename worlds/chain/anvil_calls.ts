/** What anvil does on request and no other chain: time, blocks, forks and ETH as a test wants. */
import { type Address, numberToHex } from "viem";
import type { Chain } from "../../lib/chain/client.ts";

/** Asks for one of them by its method. */
export async function ask(chain: Chain, method: string, ...params: unknown[]): Promise<void> {
  const request = chain.public.request as (
    call: { method: string; params: unknown[] },
  ) => Promise<unknown>;
  await request({ method, params });
}

/** Moves the chain's clock on and mines a block there. */
export async function passTime(chain: Chain, seconds: bigint): Promise<void> {
  await ask(chain, "evm_increaseTime", Number(seconds));
  await ask(chain, "evm_mine");
}

/** Mines empty blocks. */
export async function mine(chain: Chain, blocks: number): Promise<void> {
  await ask(chain, "anvil_mine", numberToHex(blocks));
}

/** Replaces the last `depth` blocks by empty ones; their transactions are lost. */
export async function fork(chain: Chain, depth: number): Promise<void> {
  await ask(chain, "anvil_reorg", depth, []);
}

/** Sets an account's balance to 10 ETH. */
export async function giveEther(chain: Chain, address: Address): Promise<void> {
  await ask(chain, "anvil_setBalance", address, numberToHex(10n ** 19n));
}
