/** The provider's terms and conditions, which an owner agrees to by signing their hash. */
import { type Hex, keccak256 } from "viem";
import { KhachapuriError } from "../errors.ts";

/** keccak256 of the exact bytes that `/terms` serves. */
export function termsHash(text: Uint8Array): Hex {
  return keccak256(text);
}

/** How the example ends that `init` writes; whoever made the text their own has deleted it. */
export const EXAMPLE_TERMS_NOTE =
  `Everything above is an example, not advice. Change it to what you promise, then delete this
paragraph: nothing is served on terms that still have it. A deployment signs the exact bytes.`;

/**
 * What a deployment signs can't be taken back: nobody is to sign our example.
 * @param path of the text, for the message
 * @throws KhachapuriError `invalid_config` for the example, also with its lines broken elsewhere
 */
export function assertOwnTerms(text: Uint8Array, path: string): void {
  const words = (of: string) => of.split(/\s+/).join(" ");
  if (!words(new TextDecoder().decode(text)).includes(words(EXAMPLE_TERMS_NOTE))) return;
  throw new KhachapuriError("invalid_config", `${path} is still the example that init wrote`, {
    hints: ["change it to what you promise, then delete its last paragraph"],
  });
}
