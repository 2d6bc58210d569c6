/** Fresh keys in a key file: in front of the earlier ones, or in the place of an operator's. */
import { generatePrivateKey } from "viem/accounts";
import { generateIdentity, type IdentityKind, type KeyFile, renewKeys } from "../spec/keys.ts";

export interface Rotation {
  /** Of the identity to make; null: none. */
  readonly identity: IdentityKind | null;
  /** Whether to make another operator account. */
  readonly operator: boolean;
}

/**
 * @returns what the file holds now, and where what it held before is kept
 * @throws KhachapuriError as `readKeyFile`
 */
export async function rotateKeys(
  path: string,
  { identity, operator }: Rotation,
): Promise<{ keys: KeyFile; earlier: string }> {
  const fresh = identity === null ? [] : [await generateIdentity(identity)];
  let keys: KeyFile | null = null;
  const earlier = await renewKeys(path, (held) =>
    keys = {
      version: 1,
      ...(operator || held.account === undefined
        ? { account: generatePrivateKey() }
        : { account: held.account }),
      identities: [...fresh, ...held.identities ?? []],
    });
  return { keys: keys!, earlier };
}
