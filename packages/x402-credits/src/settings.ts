/** A scheme's options, read once: what is not understood is refused before anything is signed. */
import { type Address, getAddress, type Hex, toHex } from "viem";
import * as v from "valibot";
import { parseCaip2 } from "../../../lib/caip.ts";
import { shippedOn } from "../../../lib/chain/deployments.ts";
import { parseUsdc, type UsdcDomain } from "../../../lib/chain/usdc.ts";
import { KhachapuriError } from "../../../lib/errors.ts";
import type { EscrowDomain } from "../../../lib/permit.ts";
import { addressShape, parseShape } from "../../../lib/shape.ts";
import type { CreditsAccount, CreditsOptions, Parties } from "../index.d.ts";

/** USDC base units. */
export interface Caps {
  readonly perCall: bigint;
  readonly perProvider: bigint;
  readonly total: bigint;
}

/** An escrow that is trusted, and the token it holds. */
export interface KnownEscrow extends EscrowDomain {
  readonly usdc: UsdcDomain;
}

export interface Settings {
  readonly account: CreditsAccount;
  readonly payer: Address;
  readonly caps: Caps;
  /** Null: whoever asks. */
  readonly providers: ReadonlySet<Address> | null;
  readonly escrows: readonly KnownEscrow[];
  readonly laneLabel: string | null;
  readonly creditsPerCall: bigint;
  /** USDC base units; null: none is signed. */
  readonly deposit: { readonly amount: bigint; readonly total: bigint } | null;
  epochOf(parties: Parties): Promise<number>;
  readonly onRefused: (reason: string) => void;
  /** Unix ms. */
  readonly now: () => number;
}

const usdcText = v.string('not USDC as a text, e.g. "0.05"');
const cap = v.optional(usdcText);

const optionsShape = v.strictObject({
  caps: v.optional(v.strictObject({ perCall: cap, perProvider: cap, total: cap }), {}),
  providers: v.optional(v.array(addressShape)),
  escrows: v.optional(
    v.array(v.strictObject({
      network: v.pipe(
        v.string(),
        v.transform(parseCaip2),
        v.number("not an eip155 network (CAIP-2)"),
      ),
      escrow: addressShape,
      usdc: v.strictObject({ address: addressShape, name: v.string(), version: v.string() }),
    })),
    [],
  ),
  store: v.optional(v.looseObject({})),
  laneLabel: v.optional(v.pipe(v.string(), v.minLength(1, "empty"))),
  payer: v.optional(addressShape),
  creditsPerCall: v.optional(
    v.pipe(v.number(), v.safeInteger("not whole credits"), v.minValue(1, "less than one")),
    1,
  ),
  epoch: v.optional(v.union([v.pipe(v.number(), v.safeInteger(), v.minValue(0)), v.function()])),
  deposit: v.optional(v.strictObject({ amount: usdcText, total: cap })),
  onRefused: v.optional(v.function()),
  now: v.optional(v.function()),
});

/** @throws KhachapuriError `invalid_input` that names the option */
export function readSettings(account: CreditsAccount, options: CreditsOptions): Settings {
  const read = parseShape(optionsShape, options, "CreditsScheme", "invalid_input");
  const { caps, providers, escrows, laneLabel, creditsPerCall, deposit } = read;
  const { epoch = 0, onRefused = warn, now = Date.now } = options;
  const payer = read.payer ?? getAddress(account.address);
  if (deposit && payer !== getAddress(account.address)) {
    throw new KhachapuriError("invalid_input", "a deposit is signed by the payer itself", {
      hints: ["leave out `deposit` or `payer`"],
    });
  }
  return {
    account,
    payer,
    caps: {
      perCall: parseUsdc(caps.perCall ?? "0.1"),
      perProvider: parseUsdc(caps.perProvider ?? "1"),
      total: parseUsdc(caps.total ?? "5"),
    },
    providers: providers ? new Set(providers) : null,
    escrows: escrows.map(({ network: chainId, escrow, usdc: { address, ...domain } }) => ({
      chainId,
      escrow,
      usdc: { ...domain, chainId, verifyingContract: address },
    })),
    laneLabel: laneLabel ?? null,
    creditsPerCall: BigInt(creditsPerCall),
    deposit: deposit
      ? {
        amount: parseUsdc(deposit.amount),
        total: parseUsdc(deposit.total ?? deposit.amount),
      }
      : null,
    epochOf: async (parties) => await (typeof epoch === "function" ? epoch(parties) : epoch),
    onRefused,
    now,
  };
}

/** The escrows that are trusted on a chain: the user's own, and the one that ships with us. */
export function escrowsOn({ escrows }: Settings, chainId: number): KnownEscrow[] {
  const own = escrows.filter((each) => each.chainId === chainId);
  const shipped = shippedOn(chainId);
  if (shipped === null) return own;
  const { escrow, usdc: { address, ...domain } } = shipped;
  return [...own, { chainId, escrow, usdc: { ...domain, chainId, verifyingContract: address } }];
}

/** Bytes as hex that nobody can guess. */
export function randomLane(): Hex {
  return toHex(crypto.getRandomValues(new Uint8Array(32)));
}

function warn(reason: string): void {
  // deno-lint-ignore no-console -- of an agent's own process, which has no other place for it
  console.warn(reason);
}
