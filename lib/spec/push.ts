/**
 * An owner's message to a provider that goes before a CAR (`POST /ipfs`): which root it is of, how
 * large, for whom. It is signed for one provider, chain and escrow, short-lived, and good once, so
 * that nobody who sees it has the provider keep anything on the owner's account.
 */
import * as v from "valibot";
import { type Address, type Hex, isAddressEqual, type LocalAccount } from "viem";
import { recoverTypedDataAddress } from "viem";
import { formatCid, parseCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { PUSH_HEADER_CHARACTERS_MAX } from "../limits_of_content.ts";
import { type EscrowDomain, isCanonicalSignature } from "../permit.ts";
import { addressShape, hexShape, parseJson, parseShape, uintShape } from "../shape.ts";
import { ownerDomain } from "./signature.ts";

export const PUSH_TYPES = {
  Push: [
    { name: "nonce", type: "bytes32" },
    { name: "root", type: "string" },
    { name: "bytes", type: "uint64" },
    { name: "owner", type: "address" },
    { name: "provider", type: "address" },
    { name: "expires", type: "uint64" },
  ],
} as const;

/** The longest that a push may be valid from now, seconds: what a provider remembers nonces for. */
export const PUSH_SECONDS = 300n;

/** The scheme of the `authorization` field that carries a push. */
export const PUSH_SCHEME = "Khachapuri";

const rootShape = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      const canonical = formatCid(parseCid(dataset.value));
      if (canonical === dataset.value) return canonical;
      addIssue({ message: `not in canonical form: that is ${canonical}` });
    } catch (thrown) {
      addIssue({ message: thrown instanceof Error ? thrown.message : String(thrown) });
    }
    return NEVER;
  }),
);

const pushShape = v.strictObject({
  root: rootShape,
  bytes: uintShape(64),
  owner: addressShape,
  expires: uintShape(64),
  nonce: hexShape(32),
  signature: hexShape(65),
});

/** A push that is signed; its JSON form has its numbers as decimal strings. */
export type Push = v.InferOutput<typeof pushShape>;

/** The same as JSON. */
export type PushJson = v.InferInput<typeof pushShape>;

/** What is signed, with whom it is for. */
export interface UnsignedPush extends EscrowDomain {
  /** The CAR's only root, as `formatCid` writes it. */
  root: string;
  /** Of the whole CAR, header included. */
  bytes: bigint;
  provider: Address;
  /** Unix seconds; at most PUSH_SECONDS from now. */
  expires: bigint;
  /** 32 bytes, of no earlier push. */
  nonce: Hex;
}

function typedData({ chainId, escrow, ...message }: UnsignedPush & { owner: Address }) {
  return {
    domain: ownerDomain({ chainId, escrow }),
    types: PUSH_TYPES,
    primaryType: "Push" as const,
    message,
  };
}

/** Signs a push as its owner. */
export async function signPush(account: LocalAccount, push: UnsignedPush): Promise<PushJson> {
  const owner = account.address;
  const signature = await account.signTypedData(typedData({ ...push, owner }));
  const { root, bytes, expires, nonce } = push;
  return { root, bytes: String(bytes), owner, expires: String(expires), nonce, signature };
}

/** @throws KhachapuriError `invalid_input` */
export function parsePush(json: unknown): Push {
  return parseShape(pushShape, json, "push", "invalid_input");
}

/** The value of the `authorization` field: the scheme and base64url of the JSON. */
export function pushAuthorization(push: PushJson): string {
  const json = new TextEncoder().encode(JSON.stringify(push));
  return `${PUSH_SCHEME} ${json.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}

/**
 * Reads such a value.
 * @throws KhachapuriError `invalid_input`; `invalid_signature` when there is none of this scheme
 */
export function parsePushAuthorization(value: string | null | undefined): Push {
  const [, base64] = /^khachapuri +(\S+)$/i.exec(value ?? "") ?? [];
  if (base64 === undefined) throw unsigned();
  if (base64.length > PUSH_HEADER_CHARACTERS_MAX) throw malformed("it is too long");
  return parsePush(parseJson(decoded(base64), "push", "invalid_input"));
}

function decoded(base64: string): string {
  try {
    const bytes = Uint8Array.fromBase64(base64, { alphabet: "base64url" });
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw malformed("it is not base64url of UTF-8 text");
  }
}

/** Whether the owner signed it for this provider, and it has not run out. */
export async function isPushValid(
  push: Push,
  asked: Pick<UnsignedPush, "provider" | keyof EscrowDomain>,
  nowSeconds: bigint,
): Promise<boolean> {
  const { signature, ...message } = push;
  if (message.expires < nowSeconds || message.expires > nowSeconds + PUSH_SECONDS) return false;
  if (!isCanonicalSignature(signature)) return false;
  const { provider, chainId, escrow } = asked;
  try {
    const data = typedData({ ...message, provider, chainId, escrow });
    return isAddressEqual(await recoverTypedDataAddress({ ...data, signature }), message.owner);
  } catch {
    return false;
  }
}

function unsigned(): KhachapuriError {
  return new KhachapuriError("invalid_signature", "what is kept here, an owner signs for", {
    hints: [`send authorization: ${PUSH_SCHEME} and base64url of the signed push; deploy does`],
  });
}

function malformed(what: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `the authorization is no push: ${what}`);
}
