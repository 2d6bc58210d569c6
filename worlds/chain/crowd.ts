/**
 * Many people who have allowed the provider credits, each by a signed deposit of its own, put on
 * the chain a hundred at a time: one after the other they would take minutes.
 */
import { encodeFunctionData, type Hex, type LocalAccount, multicall3Abi, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { escrowAbi } from "../../lib/chain/abi.ts";
import { depositAndAllowArguments } from "../../lib/chain/escrow.ts";
import { MULTICALL3 } from "../../lib/chain/multicall.ts";
import { signDepositIn } from "../../lib/chain/onboarding.ts";
import { usdcDomain } from "../../lib/chain/usdc.ts";
import { type EscrowChain, PRICE } from "./escrow_chain.ts";
import { putMulticall3 } from "./multicall3.ts";

/** Whose deposits one transaction carries; a block of anvil's holds some 120. */
const AT_ONCE = 60;
/** A billion USDC, base units. */
const PLENTY = 10n ** 15n;
const MINTER = parseAbi([
  "function configureMinter(address minter, uint256 allowance)",
  "function mint(address to, uint256 amount)",
]);

/** The person with this number; each its own. */
export function personAt(n: number): LocalAccount {
  return privateKeyToAccount(`0x${(n + 1_000_000).toString(16).padStart(64, "0")}`);
}

/** So many of them, from the first. */
export function people(count: number, from = 0): LocalAccount[] {
  return Array.from({ length: count }, (_, n) => personAt(from + n));
}

/** Each of them has USDC minted and deposited, and allows the provider `credits`. */
export async function fundCrowd(
  money: EscrowChain,
  crowd: readonly LocalAccount[],
  credits: bigint,
): Promise<void> {
  const { chain, usdc, accounts: { deployer } } = money;
  await putMulticall3(chain);
  // Who asks it to mint does not matter on a chain of one's own.
  const args = [MULTICALL3, PLENTY] as const;
  await chain.send(deployer, { address: usdc, abi: MINTER, functionName: "configureMinter", args });
  for (let from = 0; from < crowd.length; from += AT_ONCE) {
    await fundSome(money, crowd.slice(from, from + AT_ONCE), credits);
  }
}

async function fundSome(
  { chain, escrow, usdc, accounts }: EscrowChain,
  some: readonly LocalAccount[],
  credits: bigint,
): Promise<void> {
  const domain = await usdcDomain(chain, usdc);
  const provider = accounts.provider.address;
  const amount = credits * PRICE;
  const call = (target: Hex, callData: Hex) => ({ target, callData, allowFailure: false });
  const calls = await Promise.all(some.map(async (account) => {
    const terms = { escrow, provider, amount, pricePerCredit: PRICE, credits };
    const signed = await signDepositIn(domain, account, { ...terms, lifetimeSeconds: 86_400n });
    const mint = [account.address, amount] as const;
    const deposit = depositAndAllowArguments(account.address, provider, signed);
    return [
      call(usdc, encodeFunctionData({ abi: MINTER, functionName: "mint", args: mint })),
      call(
        escrow,
        encodeFunctionData({
          abi: escrowAbi,
          functionName: "depositAndAllow",
          args: deposit as never,
        }),
      ),
    ];
  }));
  await chain.send(accounts.deployer, {
    address: MULTICALL3,
    abi: multicall3Abi,
    functionName: "aggregate3",
    args: [calls.flat()],
  });
}
