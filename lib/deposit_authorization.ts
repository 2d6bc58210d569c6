/** A payer's signed deposit, and its JSON form. */
import * as v from "valibot";
import type { Address, Hex } from "viem";
import { addressShape, hexShape, parseShape, uintShape } from "./shape.ts";

/** A payer's EIP-3009 signature that deposits and allows at once (`Escrow.depositAndAllow`). */
export interface DepositAuthorization {
  /** USDC base units. */
  amount: bigint;
  /** Unix seconds, exclusive on both ends as USDC has it. */
  validAfter: bigint;
  validBefore: bigint;
  pricePerCredit: bigint;
  credits: bigint;
  signer: Address;
  salt: Hex;
  signature: Hex;
}

/** JSON form of a signed deposit. */
export const depositShape = v.strictObject({
  amount: uintShape(128),
  validAfter: uintShape(256),
  validBefore: uintShape(256),
  pricePerCredit: uintShape(128),
  credits: uintShape(128),
  signer: addressShape,
  salt: hexShape(32),
  signature: hexShape(65),
});

/**
 * Reads the JSON form of a signed deposit.
 * @throws KhachapuriError `invalid_input`
 */
export function depositFromJson(value: unknown): DepositAuthorization {
  return parseShape(depositShape, value, "deposit", "invalid_input");
}

/** The JSON form; bigints as decimal strings. */
export function depositToJson(deposit: DepositAuthorization): v.InferInput<typeof depositShape> {
  return {
    amount: String(deposit.amount),
    validAfter: String(deposit.validAfter),
    validBefore: String(deposit.validBefore),
    pricePerCredit: String(deposit.pricePerCredit),
    credits: String(deposit.credits),
    signer: deposit.signer,
    salt: deposit.salt,
    signature: deposit.signature,
  };
}
