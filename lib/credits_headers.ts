/** What an answer that its caller paid for says of credits, in plain digits. */

/** What the payer has left with the provider. */
export const CREDITS_LEFT_HEADER = "Khachapuri-Credits-Left";
/** Where the run may take several: how many it had taken when the head left, */
export const CREDITS_HEADER = "Khachapuri-Credits";
/** and how many it may take. */
export const CREDITS_MAX_HEADER = "Khachapuri-Credits-Max";
