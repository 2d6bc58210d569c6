/** Who signed which permit, remembered: recovering a signer takes about a millisecond. */
import type { Address } from "viem";
import { PERMIT_SIGNERS_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { type EscrowDomain, type Permit, recoverPermitSigner } from "../../permit.ts";

export class Signers {
  /** By all that a permit says. */
  readonly #known = new Lru<string, Address | null>(PERMIT_SIGNERS_MAX);
  /** By the object, which stays the same for an owner's permit and for a header read before. */
  readonly #seen = new WeakMap<Permit, Address | null>();

  constructor(private readonly domain: EscrowDomain) {}

  /** The signer of a permit; null when its signature is none. */
  async signerOf(permit: Permit): Promise<Address | null> {
    const seen = this.#seen.get(permit);
    if (seen !== undefined) return seen;
    const signer = await this.#recover(permit);
    this.#seen.set(permit, signer);
    return signer;
  }

  /** Whether `signerOf` need not recover it. */
  hasSeen(permit: Permit): boolean {
    return this.#seen.has(permit) || this.#known.peek(keyOf(permit)) !== undefined;
  }

  async #recover(permit: Permit): Promise<Address | null> {
    const key = keyOf(permit);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const signer = await recoverPermitSigner(this.domain, permit);
    this.#known.set(key, signer);
    return signer;
  }
}

function keyOf(permit: Permit): string {
  return Object.values(permit).join();
}
