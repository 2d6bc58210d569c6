/** How a CA is shown that a domain is ours: each kind of challenge is one of these. */
import type { ChallengeType } from "../../config_acme.ts";

export interface Proof {
  /** The domain, without the wildcard's "*.". */
  readonly name: string;
  readonly token: string;
  /** RFC 8555, section 8.1; of dns-01 the record's value, which is a digest of it. */
  readonly keyAuthorization: string;
}

export interface Challenger {
  /**
   * Puts a proof where the CA looks.
   * @throws KhachapuriError `no_certificate`
   */
  present(proof: Proof, signal: AbortSignal): Promise<void>;
  /** Resolves when the CA may look at all of them. */
  ready(proofs: readonly Proof[], signal: AbortSignal): Promise<void>;
  /** Takes it away again, whether it was seen or not. */
  withdraw(proof: Proof): Promise<void>;
}

/** Those that this provider is set up for. */
export type Challengers = Readonly<Partial<Record<ChallengeType, Challenger>>>;
