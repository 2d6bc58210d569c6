/** What strangers who pay by x402's `exact` can make us do at most; limits.ts holds the rest. */

/** Signature of an `exact` payment: a wallet's own contract may take many keys' at once. */
export const EXACT_SIGNATURE_BYTES_MAX = 2 * 1024;
/** Gas of one settlement: a wallet's own contract could use up any. An EOA's takes some 86,000. */
export const EXACT_GAS_MAX = 400_000n;
/** `exact` payments sent and not mined: what is settled is behind no more than this. */
export const EXACT_OUT_MAX = 64;
/** A settlement is mined within this time, ms, or its caller is told that it is pending. */
export const EXACT_SETTLE_MS = 45_000;
/** The chain is asked about payments of one network so many times at once, */
export const NETWORK_EXACT_LOOKS_BURST_MAX = 40;
/** and then so many a second; */
export const NETWORK_EXACT_LOOKS_PER_SECOND_MAX = 5;
/** of all networks so many at once, */
export const EXACT_LOOKS_BURST_MAX = 400;
/** and then so many a second: each is three requests to the chain. */
export const EXACT_LOOKS_PER_SECOND_MAX = 40;
/** Networks that are counted; one beyond it starts anew. */
export const EXACT_NETWORKS_REMEMBERED_MAX = 50_000;
/** A wallet whose code takes a payment when asked and not when mined costs gas each time, ms. */
export const FICKLE_WALLET_MS = 86_400_000;
/** To make one more than are remembered costs its maker more gas than it has us lose. */
export const FICKLE_WALLETS_REMEMBERED_MAX = 10_000;
/** A purchase is remembered so long after nobody can pay by it any more, seconds. */
export const PURCHASE_KEPT_SECONDS = 30n * 86_400n;
