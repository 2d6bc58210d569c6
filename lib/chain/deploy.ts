/** Putting the contracts where they belong on a chain; whoever does it, they come out the same. */
import { type Abi, type Address, encodeDeployData, type Hex, type LocalAccount } from "viem";
import { KhachapuriError } from "../errors.ts";
import { RECEIPT_TIMEOUT_MS } from "../limits.ts";
import { pause } from "../pause.ts";
import { registryAbi, registryBytecode, registryRuntime } from "./abi.ts";
import type { Chain, ContractCreation } from "./client.ts";
import {
  contentResolverCode,
  contentResolverCreation,
  contentResolverInitCode,
} from "./content_resolver.ts";
import { codeAt, create2, create2Address } from "./create2.ts";
import {
  escrowAddress,
  escrowCode,
  escrowCreation,
  escrowInitCode,
  type EscrowTerms,
} from "./escrow_code.ts";
import { usdcDomain } from "./usdc.ts";

/** Between two looks at what somebody else's transaction is about to deploy, ms. */
const LOOK_PAUSE_MS = 1_000;

/** A contract where it belongs. */
export interface Placed {
  address: Address;
  /** Whether it was put there just now. */
  isNew: boolean;
}

/**
 * Puts the Escrow on the chain, unless it stands there. Nobody owns it.
 * @throws KhachapuriError `invalid_input` when `usdc` is no USDC; `invalid_config` where the chain
 *   lacks the factory; `chain_refused`; `chain_unavailable`
 */
export async function deployEscrow(
  chain: Chain,
  account: LocalAccount,
  terms: EscrowTerms,
): Promise<Placed> {
  await assertUsdc(chain, terms.usdc);
  const escrow = escrowAddress(terms);
  const initCode = escrowInitCode(terms);
  const code = escrowCode(terms, { chainId: chain.chainId, escrow });
  return await place(chain, account, { initCode, code, creation: escrowCreation(terms) });
}

/** How a Registry is created whose root `rootOwner` owns. */
function registryCreation(rootOwner: Address): ContractCreation {
  return { abi: registryAbi as Abi, bytecode: registryBytecode, args: [rootOwner] };
}

function registryInitCode(rootOwner: Address): Hex {
  const { abi, bytecode, args = [] } = registryCreation(rootOwner);
  return encodeDeployData({ abi, bytecode, args });
}

/** The one address of the Registry whose root `rootOwner` owns, on whichever chain. */
export function registryAddress(rootOwner: Address): Address {
  return create2Address(registryInitCode(rootOwner));
}

/**
 * Puts the Registry of `rootOwner` on the chain, unless it stands there.
 * @throws KhachapuriError `invalid_config` where the chain lacks the factory, `chain_refused`,
 *   `chain_unavailable`
 */
export async function deployRegistry(
  chain: Chain,
  account: LocalAccount,
  rootOwner: Address,
): Promise<Placed> {
  const creation = registryCreation(rootOwner);
  const initCode = registryInitCode(rootOwner);
  return await place(chain, account, { initCode, code: registryRuntime.code, creation });
}

/**
 * Puts what says where `registry`'s names point to on the chain, unless it stands there. It has no
 * owner.
 * @throws KhachapuriError `invalid_config` where the chain lacks the factory, `chain_refused`,
 *   `chain_unavailable`
 */
export async function deployContentResolver(
  chain: Chain,
  account: LocalAccount,
  registry: Address,
): Promise<Placed> {
  const creation = contentResolverCreation(registry);
  const initCode = contentResolverInitCode(registry);
  return await place(chain, account, { initCode, code: contentResolverCode(registry), creation });
}

/** Whether a Registry of this release stands at `address`. */
export async function isRegistry(chain: Chain, address: Address): Promise<boolean> {
  return await codeAt(chain, address) === registryRuntime.code;
}

/** Lets anyone claim an unowned name of the Registry; by its root owner. */
export async function openClaims(
  chain: Chain,
  account: LocalAccount,
  registry: Address,
): Promise<void> {
  const call = { address: registry, abi: registryAbi as Abi, functionName: "setOpenClaims" };
  await chain.send(account, { ...call, args: [true] });
}

interface Placement {
  initCode: Hex;
  /** What must stand there afterwards. */
  code: Hex;
  creation: ContractCreation;
}

async function place(
  chain: Chain,
  account: LocalAccount,
  { initCode, code, creation }: Placement,
): Promise<Placed> {
  const address = create2Address(initCode);
  const stands = async () => await codeAt(chain, address) === code;
  if (await stands()) return { address, isNew: false };
  try {
    await create2(chain, account, initCode, creation);
  } catch (error) {
    // The factory refuses what somebody else has put there in the meantime, or is about to.
    if (await standsSoon(chain, address, code)) return { address, isNew: false };
    throw error;
  }
  if (await stands()) return { address, isNew: true };
  throw new KhachapuriError("internal", `the code at ${address} is not what was deployed`);
}

/** Whether it stands, where it is on its way once that has been mined. */
async function standsSoon(chain: Chain, address: Address, code: Hex): Promise<boolean> {
  const lateAt = performance.now() + RECEIPT_TIMEOUT_MS;
  for (;;) {
    // Asked first: what is mined between the two looks is seen by the second.
    const isComing = await codeAt(chain, address, "pending") === code;
    if (await codeAt(chain, address) === code) return true;
    if (!isComing || performance.now() > lateAt) return false;
    await pause(LOOK_PAUSE_MS);
  }
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
