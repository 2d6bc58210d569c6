/** A chain with everything that money needs: the real USDC, our contracts, funded accounts. */
import type { Address, LocalAccount } from "viem";
import { type Chain, connect } from "../../lib/chain/client.ts";
import { deployContracts } from "../../lib/chain/deploy.ts";
import { type Anvil, anvilAccount, type AnvilOptions, startAnvil } from "./anvil.ts";
import { deployUsdc, mintUsdc } from "./usdc.ts";

export interface Payments extends AsyncDisposable {
  readonly anvil: Anvil;
  readonly chain: Chain;
  readonly usdc: Address;
  readonly escrow: Address;
  readonly registry: Address;
  /** Deployed everything, mints USDC, owns the registry's root. */
  readonly root: LocalAccount;
  readonly payer: LocalAccount;
  /** The provider's cold key. */
  readonly provider: LocalAccount;
  /** The provider's hot key. */
  readonly operator: LocalAccount;
  /** Has ETH and nothing else. */
  readonly stranger: LocalAccount;
}

export interface PaymentsOptions extends AnvilOptions {
  thawingPeriodSeconds?: bigint;
  /** The payer's wallet at the start, USDC base units. */
  payerUsdc?: bigint;
}

/** Starts it; disposing ends the chain. */
export async function startPayments(options: PaymentsOptions = {}): Promise<Payments> {
  const anvil = await startAnvil(options);
  try {
    const chain = await connect(anvil.url);
    const [root, payer, provider, operator, stranger] = [0, 1, 2, 3, 4].map(anvilAccount);
    const usdc = await deployUsdc(chain, root!);
    const thawingPeriodSeconds = options.thawingPeriodSeconds ?? 86_400n;
    const contracts = await deployContracts(chain, root!, { usdc, thawingPeriodSeconds });
    await mintUsdc(chain, root!, usdc, payer!.address, options.payerUsdc ?? 100_000_000n);
    return {
      ...{ anvil, chain, usdc, ...contracts },
      ...{ root: root!, payer: payer!, provider: provider!, operator: operator! },
      stranger: stranger!,
      [Symbol.asyncDispose]: () => anvil.stop(),
    };
  } catch (error) {
    await anvil.stop();
    throw error;
  }
}

/** Moves the chain's clock on and mines a block there. */
export async function passTime(chain: Chain, seconds: bigint): Promise<void> {
  const request = chain.public.request as (
    call: { method: string; params: unknown[] },
  ) => Promise<unknown>;
  await request({ method: "evm_increaseTime", params: [Number(seconds)] });
  await request({ method: "evm_mine", params: [] });
}
