/**
 * x402 version 1, which many clients still speak: a 402 says in its body what would be taken, a
 * payment comes in `X-PAYMENT`, and chains go by names of their own. Its clients know the scheme
 * `exact` alone and fail over an entry of any other, so nothing else is said to them.
 */
import { parseCaip2 } from "./caip.ts";
import type { Accept, Resource } from "./payment_required.ts";

export const PAYMENT_HEADER_V1 = "X-PAYMENT";
export const PAYMENT_RESPONSE_HEADER_V1 = "X-PAYMENT-RESPONSE";

/** The EVM networks of x402 1.2.0 by chain; a client of version 1 can pay on no other. */
const NETWORKS: ReadonlyMap<number, string> = new Map([
  [8_453, "base"],
  [84_532, "base-sepolia"],
  [137, "polygon"],
  [80_002, "polygon-amoy"],
  [43_114, "avalanche"],
  [43_113, "avalanche-fuji"],
  [1_329, "sei"],
  [1_328, "sei-testnet"],
  [2_741, "abstract"],
  [11_124, "abstract-testnet"],
  [4_689, "iotex"],
  [3_338, "peaq"],
  [1_514, "story"],
  [41_923, "educhain"],
  [324_705_682, "skale-base-sepolia"],
]);

const CHAINS: ReadonlyMap<string, number> = new Map(
  [...NETWORKS].map(([chainId, name]) => [name, chainId]),
);

/** What version 1 calls a chain; null: it cannot name it. */
export function v1Network(chainId: number): string | null {
  return NETWORKS.get(chainId) ?? null;
}

/** The chain that version 1 calls `name`; null: none that we know. */
export function chainOfV1Network(name: string): number | null {
  return CHAINS.get(name) ?? null;
}

/** An entry of the scheme `exact` as version 2 writes it into `accepts`. */
export interface ExactAccept extends Accept {
  readonly scheme: "exact";
  /** CAIP-2. */
  readonly network: string;
  /** Base units of the token, in digits. */
  readonly amount: string;
  readonly asset: string;
  readonly payTo: string;
  readonly maxTimeoutSeconds: number;
  /** Of the token's EIP-712 domain. */
  readonly extra: { readonly name: string; readonly version: string };
}

/** The same as version 1 writes it; `description` and `mimeType` may be empty, not absent. */
export function v1Accept(accept: ExactAccept, resource: Resource) {
  const chainId = parseCaip2(accept.network);
  const network = chainId === null ? null : v1Network(chainId);
  if (network === null) return null;
  const { payTo, asset, maxTimeoutSeconds, extra: { name, version } } = accept;
  return {
    scheme: accept.scheme,
    network,
    maxAmountRequired: accept.amount,
    resource: resource.url,
    description: resource.description ?? "",
    mimeType: resource.mimeType ?? "",
    payTo,
    maxTimeoutSeconds,
    asset,
    extra: { name, version },
  };
}

/**
 * The members of a 402's body that are version 1's, but for `error`, which in ours is a code of our
 * own: its clients look at the other two. Null where nothing is offered that it could say.
 */
export function paymentRequiredV1(accepts: readonly Accept[], resource: Resource) {
  const entries = accepts.filter(isExact)
    .map((entry) => v1Accept(entry, resource))
    .filter((entry) => entry !== null);
  return entries.length === 0 ? null : { x402Version: 1, accepts: entries };
}

/** Entries are our own: the scheme tells the rest of their members. */
export function isExact(accept: Accept): accept is ExactAccept {
  return accept.scheme === "exact";
}
