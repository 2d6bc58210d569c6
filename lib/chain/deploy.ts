/** Putting the contracts on a chain. */
import { type Abi, type Address, isAddressEqual, type LocalAccount } from "viem";
import { KhachapuriError } from "../errors.ts";
import { escrowAbi, escrowBytecode, registryAbi, registryBytecode } from "./abi.ts";
import type { Chain } from "./client.ts";
import { readToken, thawingPeriod } from "./escrow.ts";
import { usdcDomain } from "./usdc.ts";

export interface DeployOptions {
  usdc: Address;
  /** Notice that a payer gives before locked credits can leave. */
  thawingPeriodSeconds: bigint;
  /** Names are kept in this ENSRegistry; without it a Registry of ours is deployed too. */
  registry?: Address;
  /** Our Registry lets anyone claim an unowned name. */
  openClaims?: boolean;
}

export interface Deployed {
  escrow: Address;
  registry: Address;
}

/**
 * Deploys the Escrow and, where there is no registry yet, the Registry, whose root the account
 * then owns. Nobody owns the Escrow.
 * @throws KhachapuriError `invalid_input` when `usdc` is no USDC or the period is refused;
 *   `chain_refused`; `chain_unavailable`
 */
export async function deployContracts(
  chain: Chain,
  account: LocalAccount,
  options: DeployOptions,
): Promise<Deployed> {
  const { usdc, thawingPeriodSeconds } = options;
  await assertUsdc(chain, usdc);
  const escrow = await chain.deploy(account, {
    abi: escrowAbi as Abi,
    bytecode: escrowBytecode,
    args: [usdc, thawingPeriodSeconds],
  });
  const registry = options.registry ?? await deployRegistry(chain, account, options);
  await assertDeployed(chain, escrow, options);
  return { escrow, registry };
}

async function deployRegistry(
  chain: Chain,
  account: LocalAccount,
  options: DeployOptions,
): Promise<Address> {
  const abi = registryAbi as Abi;
  const args = [account.address];
  const registry = await chain.deploy(account, { abi, bytecode: registryBytecode, args });
  if (options.openClaims) {
    const call = { address: registry, abi, functionName: "setOpenClaims", args: [true] };
    await chain.send(account, call);
  }
  return registry;
}

/** The token is fixed for ever, so a slip here is caught before it is deployed. */
async function assertUsdc(chain: Chain, usdc: Address): Promise<void> {
  try {
    await usdcDomain(chain, usdc);
  } catch (error) {
    if (!(error instanceof KhachapuriError) || error.code !== "chain_refused") throw error;
    const message = `${usdc} on chain ${chain.chainId} is no USDC: it has no name() and version()`;
    throw new KhachapuriError("invalid_input", message, { cause: error });
  }
}

async function assertDeployed(
  chain: Chain,
  escrow: Address,
  options: DeployOptions,
): Promise<void> {
  const [token, period] = await Promise.all([
    readToken(chain, escrow),
    thawingPeriod(chain, escrow),
  ]);
  if (isAddressEqual(token, options.usdc) && period === options.thawingPeriodSeconds) return;
  throw new KhachapuriError("internal", `the escrow at ${escrow} does not answer as deployed`);
}
