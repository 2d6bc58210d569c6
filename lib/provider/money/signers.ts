/** Who signed which permit, remembered: recovering a signer takes about a millisecond. */
import type { Address } from "viem";
import { type EscrowDomain, type Permit, recoverPermitSigner } from "../../permit.ts";

/** Signers of permits already verified, by all that a permit says. */
const SIGNERS_MAX = 10_000;

/** The signer of a permit for `domain`, null when its signature is none; verified once. */
export function rememberSigners(domain: EscrowDomain): (permit: Permit) => Promise<Address | null> {
  const signers = new Map<string, Address | null>();
  /** The same object again, as of a deployment's owner or a header read before. */
  const seen = new WeakMap<Permit, Address | null>();

  async function recover(permit: Permit): Promise<Address | null> {
    const key = Object.values(permit).join();
    const known = signers.get(key);
    if (known !== undefined) return known;
    const signer = await recoverPermitSigner(domain, permit);
    if (signers.size >= SIGNERS_MAX) signers.delete(signers.keys().next().value!);
    signers.set(key, signer);
    return signer;
  }

  return async (permit) => {
    const known = seen.get(permit);
    if (known !== undefined) return known;
    const signer = await recover(permit);
    seen.set(permit, signer);
    return signer;
  };
}
