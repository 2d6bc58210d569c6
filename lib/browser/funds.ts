/** Where the payer's money is, as the chain says it to the payer's own wallet. */
import { type Domain, domainSeparator } from "./typed_data.ts";
import type { Terms } from "./provider.ts";
import { Trouble } from "./trouble.ts";
import type { Wallet } from "./wallet.ts";
import {
  addressIn,
  callData,
  checksummed,
  type Hex,
  stringIn,
  type Word,
  wordsIn,
  ZERO_ADDRESS,
} from "./words.ts";

/** What is set aside for the provider. */
export interface Allowance {
  readonly pricePerCredit: bigint;
  /** Those that thaw included. */
  readonly credits: bigint;
  readonly thawingCredits: bigint;
  /** Unix seconds; 0 when nothing thaws. */
  readonly thawEnd: bigint;
  /** Who signs permits; zero when the payer does. */
  readonly signer: Hex;
  readonly epoch: bigint;
  readonly epochEnd: bigint;
}

/** Amounts are USDC base units, times Unix seconds. */
export interface Funds {
  readonly wallet: bigint;
  /** In the escrow, and locked for nobody. */
  readonly free: bigint;
  /** What the escrow may draw from the wallet by a transaction. */
  readonly approved: bigint;
  readonly allowance: Allowance;
  /** Of the payer's next message. */
  readonly nonce: bigint;
  /** The later of this machine's clock and the chain's. */
  readonly now: bigint;
}

export async function readFunds(wallet: Wallet, terms: Terms): Promise<Funds> {
  const { escrow, asset, provider } = terms;
  const { address } = wallet;
  const words = async (to: Hex, signature: string, ...args: Word[]) =>
    wordsIn(await wallet.read(to, callData(signature, ...args)));
  const [held, free, approved, allowed, nonce, block] = await Promise.all([
    words(asset, "balanceOf(address)", address),
    words(escrow, "balanceOf(address)", address),
    words(asset, "allowance(address,address)", address, escrow),
    words(escrow, "allowance(address,address)", address, provider),
    words(escrow, "nonces(address)", address),
    wallet.ask<{ timestamp: Hex }>("eth_getBlockByNumber", "latest", false),
  ]);
  const chainTime = BigInt(block.timestamp);
  const clock = BigInt(Math.floor(Date.now() / 1000));
  return {
    wallet: first(held),
    free: first(free),
    approved: first(approved),
    allowance: allowanceIn(allowed),
    nonce: first(nonce),
    now: chainTime > clock ? chainTime : clock,
  };
}

function first(words: readonly bigint[]): bigint {
  const [word] = words;
  if (word !== undefined) return word;
  throw new Trouble("The chain that your wallet shows has no escrow where it should be.");
}

function allowanceIn(words: readonly bigint[]): Allowance {
  const [pricePerCredit, credits, thawingCredits, thawEnd, signer, epoch, epochEnd] = words;
  if (epochEnd === undefined) first([]);
  return {
    pricePerCredit: pricePerCredit!,
    credits: credits!,
    thawingCredits: thawingCredits!,
    thawEnd: thawEnd!,
    signer: addressIn(signer!),
    epoch: epoch!,
    epochEnd: epochEnd!,
  };
}

/** Credits that the escrow has taken on a lane. */
export async function readSettled(wallet: Wallet, terms: Terms, lane: Hex): Promise<bigint> {
  const { escrow, provider } = terms;
  const asked = callData("consumed(address,address,bytes32)", wallet.address, provider, lane);
  return first(wordsIn(await wallet.read(escrow, asked)));
}

/**
 * USDC's EIP-712 domain, from the token itself: Circle names it differently from chain to chain.
 * @throws Trouble when it is not the one by which the token checks signatures
 */
export async function readTokenDomain(wallet: Wallet, terms: Terms): Promise<Domain> {
  const { asset, chainId } = terms;
  const read = (signature: string) => wallet.read(asset, callData(signature));
  const asked = ["name()", "version()", "DOMAIN_SEPARATOR()"].map(read);
  const [name, version, separator] = await Promise.all(asked) as [Hex, Hex, Hex];
  const domain = {
    name: stringIn(name),
    version: stringIn(version),
    chainId,
    verifyingContract: asset,
  };
  if (domainSeparator(domain) === separator.toLowerCase()) return domain;
  throw new Trouble("USDC signs by another domain here than it says.", "Nothing was signed.");
}

/** @throws Trouble when permits for the provider are another key's to sign */
export function assertSigner({ signer }: Allowance, address: Hex): void {
  if (signer === ZERO_ADDRESS || signer.toLowerCase() === address.toLowerCase()) return;
  throw new Trouble(
    `Permits for this provider are signed by ${
      checksummed(signer)
    }, as you allowed, not by this wallet.`,
  );
}
