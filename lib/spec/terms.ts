/** The provider's terms and conditions, which an owner agrees to by signing their hash. */
import { type Hex, keccak256 } from "viem";

/** keccak256 of the exact bytes that `/terms` serves. */
export function termsHash(text: Uint8Array): Hex {
  return keccak256(text);
}
