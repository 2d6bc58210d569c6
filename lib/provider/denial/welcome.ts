/** Whom a provider serves: everybody but whom its operator has denied. */
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import type { KhachapuriError } from "../../errors.ts";

/** What may be denied. */
export const DENIAL_KINDS = ["owner", "deployment", "payer", "network"] as const;
export type DenialKind = typeof DENIAL_KINDS[number];

/** Each assertion @throws KhachapuriError `denied`, with the public reason */
export interface Welcome {
  /** @param address who sent a request */
  assertNetwork(address: string): void;
  assertDeployment(cid: CidText): void;
  assertOwner(owner: Address): void;
  assertPayer(payer: Address): void;
  /** What one would be refused with; null: nothing is against it. */
  refusal(kind: DenialKind, what: string): KhachapuriError | null;
}

/** Where nobody is denied. */
export const EVERYBODY: Welcome = {
  assertNetwork() {},
  assertDeployment() {},
  assertOwner() {},
  assertPayer() {},
  refusal: () => null,
};
