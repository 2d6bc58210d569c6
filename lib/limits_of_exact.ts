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
/** What ended a payment long ago is searched for in so many ranges of a thousand blocks a look. */
export const FATE_RANGES_MAX = 20;
/** Payments of which is remembered how far that came; one beyond it is searched for anew. */
export const EXACT_SEARCHES_REMEMBERED_MAX = 10_000;
/** A purchase that was paid is remembered so long, ms: its answer is owed, or has a receipt; */
export const PURCHASE_KEPT_MS = 30 * 86_400_000;
/** one that was never sent so long: strangers leave them behind for nothing. */
export const PURCHASE_UNPAID_KEPT_MS = 3_600_000;
/** Whose payment was reverted, at our cost, is not served for so long, ms, */
export const EXACT_REVERTED_WAIT_MS = 600_000;
/** twice as long each time, up to this, ms. */
export const EXACT_REVERTED_WAIT_MAX_MS = 86_400_000;
/** Payers of whom that is remembered: each has had a transaction of ours. */
export const EXACT_REVERTED_REMEMBERED_MAX = 50_000;
