/**
 * Pointing a name in a provider's register at a deployment: the body of `POST /names`. The owner
 * signs which change of the name it is, by its sequence, so that no earlier one can be sent again
 * to move the name back; and provider, chain and escrow, so that it is good nowhere else.
 */
import * as v from "valibot";
import { type Address, type Hex, isAddressEqual, type LocalAccount } from "viem";
import { recoverTypedDataAddress } from "viem";
import { type CidText, formatCid, parseCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { type EscrowDomain, isCanonicalSignature } from "../permit.ts";
import { addressShape, hexShape, parseShape, uintShape } from "../shape.ts";
import { assertLabel } from "./name_label.ts";
import { OWNER_REQUEST_SECONDS } from "./owner_request.ts";
import { ownerDomain } from "./signature.ts";

export const NAME_TYPES = {
  Name: [
    { name: "label", type: "string" },
    { name: "cid", type: "string" },
    { name: "sequence", type: "uint64" },
    { name: "owner", type: "address" },
    { name: "provider", type: "address" },
    { name: "expires", type: "uint64" },
  ],
} as const;

/** What the owner wants of a name. */
export interface NameChange {
  label: string;
  /** The deployment's; empty gives the name up. */
  cid: CidText | "";
  /** One more than the name's present one; 1 takes a name that nobody has had. */
  sequence: bigint;
  owner: Address;
  /** Unix seconds. */
  expires: bigint;
}

/** Where it is meant to happen. */
export interface NamePlace extends EscrowDomain {
  provider: Address;
}

export interface SignedNameChange extends NameChange {
  signature: Hex;
}

const changeShape = v.strictObject({
  label: v.string(),
  cid: v.string(),
  sequence: uintShape(64),
  owner: addressShape,
  expires: uintShape(64),
  signature: hexShape(65),
});

/** The JSON body of `POST /names`. */
export type NameChangeJson = v.InferInput<typeof changeShape>;

function typedData(
  { label, cid, sequence, owner, expires }: NameChange,
  { provider, chainId, escrow }: NamePlace,
) {
  return {
    domain: ownerDomain({ chainId, escrow }),
    types: NAME_TYPES,
    primaryType: "Name" as const,
    message: { label, cid, sequence, owner, provider, expires },
  };
}

/** Signs as the name's owner, who is the deployment's. */
export async function signNameChange(
  account: LocalAccount,
  change: Omit<NameChange, "owner">,
  place: NamePlace,
): Promise<NameChangeJson> {
  const signed: NameChange = { ...change, owner: account.address };
  const signature = await account.signTypedData(typedData(signed, place));
  const { label, cid, sequence, owner, expires } = signed;
  return { label, cid, sequence: String(sequence), owner, expires: String(expires), signature };
}

/**
 * Reads the body of `POST /names`.
 * @throws KhachapuriError `invalid_input`, `invalid_name` for the label, `invalid_cid`
 */
export function parseNameChange(json: unknown): SignedNameChange {
  const { cid, ...change } = parseShape(changeShape, json, "name change", "invalid_input");
  assertLabel(change.label);
  return { ...change, cid: cid === "" ? "" : canonicalCid(cid) };
}

/** What was signed is the text: in another spelling it would be another message. */
function canonicalCid(text: string): CidText {
  const cid = formatCid(parseCid(text));
  if (cid === text) return cid;
  throw new KhachapuriError("invalid_cid", "name change: the cid is not in its canonical form", {
    hints: [`sign for ${cid}`],
  });
}

/** Whether the owner signed it for this provider, and it has not run out. */
export async function isNameChangeValid(
  { signature, ...change }: SignedNameChange,
  place: NamePlace,
  nowSeconds: bigint,
): Promise<boolean> {
  if (change.expires < nowSeconds) return false;
  if (change.expires > nowSeconds + 2n * OWNER_REQUEST_SECONDS) return false;
  if (!isCanonicalSignature(signature)) return false;
  try {
    const signer = await recoverTypedDataAddress({ ...typedData(change, place), signature });
    return isAddressEqual(signer, change.owner);
  } catch {
    return false;
  }
}
