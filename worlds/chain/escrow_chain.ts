/** A local chain with everything that money needs: the real USDC, our contracts, people. */
import type { Address, LocalAccount } from "viem";
import { deployEscrow, deployRegistry } from "../../lib/chain/deploy.ts";
import { allow, deposit } from "../../lib/chain/escrow.ts";
import { escrowCall } from "../../lib/chain/escrow_call.ts";
import { assignName, type ProviderRecords, registerProvider } from "../../lib/chain/registry.ts";
import type { AnvilOptions } from "./anvil.ts";
import { ACCOUNTS, type Accounts } from "./people.ts";
import { startUsdcChain, type UsdcChain } from "./usdc_chain.ts";

/** What a credit costs, USDC base units. */
export const PRICE = 1_000n;
export const THAWING_SECONDS = 3_600n;
/** 50 USDC; more when more credits are allowed than it pays for. */
const LEAST_DEPOSIT = 50_000_000n;
/** 100 USDC. */
const WALLET = 100_000_000n;
/** An age key that nobody needs to open anything with. */
const RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

export interface EscrowChain extends UsdcChain {
  readonly escrow: Address;
  readonly registry: Address;
  readonly accounts: Accounts;
}

export interface EscrowChainOptions extends AnvilOptions {
  thawingSeconds?: bigint;
}

/** Starts it; the payer has 100 USDC in its wallet. Disposing ends the chain. */
export async function startEscrowChain(options: EscrowChainOptions = {}): Promise<EscrowChain> {
  const { thawingSeconds = THAWING_SECONDS, ...anvil } = options;
  await using stack = new AsyncDisposableStack();
  const base = stack.use(await startUsdcChain(anvil));
  const { chain, usdc } = base;
  const { deployer } = ACCOUNTS;
  const terms = { usdc, thawingPeriodSeconds: thawingSeconds };
  const { address: escrow } = await deployEscrow(chain, deployer, terms);
  const { address: registry } = await deployRegistry(chain, deployer, deployer.address);
  await base.mint(ACCOUNTS.payer, WALLET);
  stack.move();
  return { ...base, escrow, registry, accounts: ACCOUNTS };
}

/** Gives `account` USDC, deposits half of it, and has it allow the provider `credits`. */
export async function fund(
  { chain, escrow, usdc, accounts, mint }: EscrowChain,
  account: LocalAccount,
  credits = 1_000n,
): Promise<void> {
  const deposited = credits * PRICE > LEAST_DEPOSIT ? credits * PRICE : LEAST_DEPOSIT;
  await mint(account, 2n * deposited);
  await deposit(chain, account, escrow, usdc, deposited);
  const provider = accounts.provider.address;
  await allow(chain, account, escrow, { provider, pricePerCredit: PRICE, credits });
}

/** Has `payer` take its permits for the provider back, a thawing period from now. */
export async function bumpEpoch(
  { chain, escrow, accounts }: EscrowChain,
  payer: LocalAccount,
): Promise<void> {
  await chain.send(payer, escrowCall(escrow, "bumpEpoch", [accounts.provider.address]));
}

/** Registers the provider under `name`, or changes what is said there. */
export async function nameProvider(
  { chain, registry, escrow, accounts: { deployer, provider } }: EscrowChain,
  name: string,
  records: Partial<ProviderRecords>,
): Promise<void> {
  await assignName(chain, deployer, registry, name, provider.address);
  await registerProvider(chain, provider, {
    registry,
    name,
    records: {
      address: provider.address,
      webDomain: "https://provider.test",
      recipients: [RECIPIENT],
      price: PRICE,
      terms: null,
      escrow: { chainId: chain.chainId, address: escrow },
      ...records,
    },
  });
}
