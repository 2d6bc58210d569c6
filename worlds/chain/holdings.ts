/** What the people of an escrow's world have, to see that nothing moved. */
import { readAllowance, readBalance, readNonce } from "../../lib/chain/escrow.ts";
import { readUsdcBalance } from "../../lib/chain/usdc.ts";
import type { EscrowChain } from "./escrow_chain.ts";

/** All that a message could move, and whose it is. */
export async function holdings({ chain, escrow, usdc, accounts }: EscrowChain) {
  const people = Object.values(accounts).map(({ address }) => address);
  const providers = [accounts.provider.address, accounts.stranger.address];
  return await Promise.all([
    ...people.flatMap((who) => [
      readBalance(chain, escrow, who),
      readUsdcBalance(chain, usdc, who),
      readNonce(chain, escrow, who),
    ]),
    ...providers.map((who) => readAllowance(chain, escrow, accounts.payer.address, who)),
  ]);
}
