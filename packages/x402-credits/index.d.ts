/** What `@khachapuri/x402-credits` exports. Amounts are USDC as text ("0.05") where not said. */

type Hex = `0x${string}`;

/** One entry of x402's `accepts`, as `@x402/core` has it. */
export interface Requirements {
  scheme: string;
  network: `${string}:${string}`;
  asset: string;
  amount: string;
  payTo: string;
  maxTimeoutSeconds: number;
  extra: Record<string, unknown>;
}

/** Who signs: a viem `LocalAccount` has these. */
export interface CreditsAccount {
  readonly address: Hex;
  // deno-lint-ignore no-explicit-any -- of viem's, which infers it from the types that are signed
  signTypedData(typedData: any): Promise<Hex>;
}

/** An escrow to trust with money, besides those that ship with this package. */
export interface TrustedEscrow {
  /** CAIP-2, as `eip155:31337`. */
  network: `eip155:${number}`;
  escrow: Hex;
  /** The token that it holds, and that token's EIP-712 domain. */
  usdc: { address: Hex; name: string; version: string };
}

/** Where an instance keeps what it signed, so that the next one goes on from there. */
export interface CreditsStore {
  /** What was saved last; null before that. */
  load(): Promise<string | null>;
  /** Called, and waited for, before anything is sent that was not covered by what it holds. */
  save(text: string): Promise<void>;
}

/** The most that may ever be signed for: a provider can charge no more, whatever it says. */
export interface SpendCaps {
  /** Of one call. Default "0.1". */
  perCall?: string;
  /** Of one provider's address. Default "1". */
  perProvider?: string;
  /** Of all providers. Default "5". */
  total?: string;
}

/** A payer and a provider, in one escrow. */
export interface Parties {
  chainId: number;
  escrow: Hex;
  payer: Hex;
  provider: Hex;
}

export interface CreditsOptions {
  /** Counted since the store was begun; without one, since the instance was made. */
  caps?: SpendCaps;
  /** Addresses that may be paid. Without it whoever asks: any website names any address. */
  providers?: readonly Hex[];
  escrows?: readonly TrustedEscrow[];
  store?: CreditsStore;
  /**
   * Derives the lanes from this text, so that they are the same again without a store. Of instances
   * that run side by side each takes another. Without it lanes are random.
   */
  laneLabel?: string;
  /** Who pays, where its allowances name the account as their signer. Default: the account. */
  payer?: Hex;
  /** How many credits a run may take, each for its time limit. Default 1. */
  creditsPerCall?: number;
  /**
   * The payer's epoch at a provider (`allowance(payer, provider).epoch` of the escrow), which rises
   * when permits are revoked. Default 0.
   */
  epoch?: number | ((parties: Parties) => number | Promise<number>);
  /**
   * Signs a deposit when a provider says that credits are lacking and relays one: `amount` is
   * deposited and allowed to it, without ETH. `total` bounds all of them, `amount` by default.
   */
  deposit?: { amount: string; total?: string };
  /**
   * Told why a token is none to pay in, where a client's spend controls say only that it is: no
   * escrow that is trusted holds it. By default `console.warn`.
   */
  onRefused?: (reason: string) => void;
  /** Unix ms; for tests. */
  now?: () => number;
}

/** One lane: a counter at a provider, for credits of one price. */
export interface LaneReport {
  network: `eip155:${number}`;
  escrow: Hex;
  provider: Hex;
  lane: Hex;
  /** Of one credit, USDC base units. */
  price: bigint;
  /** Credits that are signed for, cumulative. */
  signed: bigint;
  /** Credits that the provider has charged, as far as it told. */
  charged: bigint;
}

/** What a scheme is told after a paid request. */
export interface ResponseContext {
  paymentPayload: { payload: Record<string, unknown> };
  requirements: Requirements;
  settleResponse?: { success: boolean };
  paymentRequired?: { error?: string; accepts: unknown[] };
}

/**
 * Pays Khachapuri's providers by cumulative permits against an escrow. Register it with a client of
 * `@x402/core` for `eip155:*`. Its errors say in `code` what is wrong; `@x402/fetch` wraps them.
 */
export declare class CreditsScheme {
  constructor(account: CreditsAccount, options?: CreditsOptions);
  readonly scheme: "credits";
  readonly schemeHooks: {
    onPaymentResponse(context: ResponseContext): Promise<void | { recovered: true }>;
  };
  /** The USDC of the escrows that are trusted, so that a client's spend controls apply to it. */
  readonly findDefaultAsset: (
    asset: string,
    network: string,
  ) => { asset: string; decimals: number; symbol: string } | undefined;
  /**
   * For `client.registerPolicy`: drops what this scheme would not pay (another escrow, beyond a
   * cap, a provider with whom no credits are left), where something else is offered beside it.
   */
  readonly policy: <R extends Requirements>(x402Version: number, requirements: R[]) => R[];
  createPaymentPayload(
    x402Version: number,
    requirements: Requirements,
    context?: { maxAmountPerPayment?: string },
  ): Promise<{ x402Version: number; payload: Record<string, unknown> }>;
  /** What is signed and charged by now. */
  lanes(): Promise<LaneReport[]>;
}
