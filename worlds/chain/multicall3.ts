/** Multicall3 on a chain of one's own: its code, from viem's package, at its address. */
import type { Hex } from "viem";
import type { Chain } from "../../lib/chain/client.ts";
import { MULTICALL3 } from "../../lib/chain/multicall.ts";
import { ask } from "./anvil_calls.ts";
import { ACCOUNTS } from "./people.ts";

/** viem deploys it within a call where a chain has none; its index does not export it. */
const CODE = new URL("../../node_modules/viem/_esm/constants/contracts.js", import.meta.url);

/** On real chains a transaction signed by nobody's key put it there. */
export async function putMulticall3(chain: Chain): Promise<void> {
  const { multicall3Bytecode } = await import(CODE.href) as { multicall3Bytecode: Hex };
  const bytecode = multicall3Bytecode;
  const somewhere = await chain.deploy(ACCOUNTS.deployer, { abi: [], bytecode });
  const code = await chain.public.getCode({ address: somewhere });
  await ask(chain, "anvil_setCode", MULTICALL3, code);
}
