/**
 * Calls of contracts and hashes of what they hash, as 32-byte words (Solidity's contract ABI). All
 * that we send has static types only.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";

export type Hex = `0x${string}`;

/** An address, bytes32 or unsigned integer. */
export type Word = bigint | Hex;

export const ZERO_ADDRESS: Hex = `0x${"00".repeat(20)}`;

export function keccak(bytes: Uint8Array): Hex {
  return `0x${[...keccak_256(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

export function keccakText(text: string): Hex {
  return keccak(new TextEncoder().encode(text));
}

function digits(word: Word): string {
  const text = typeof word === "bigint" ? word.toString(16) : word.slice(2).toLowerCase();
  return text.padStart(64, "0");
}

/** `abi.encode` of static types. */
export function encode(...words: Word[]): Hex {
  return `0x${words.map(digits).join("")}`;
}

/** What a contract is called with. @param signature as `reclaim(address)` */
export function callData(signature: string, ...words: Word[]): Hex {
  return `0x${keccakText(signature).slice(2, 10)}${words.map(digits).join("")}`;
}

export function bytesOf(hex: Hex): Uint8Array {
  return Uint8Array.from(hex.slice(2).match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** The words of what a contract answered. */
export function wordsIn(answer: Hex): bigint[] {
  return (answer.slice(2).match(/.{64}/g) ?? []).map((word) => BigInt(`0x${word}`));
}

/** A string that a contract answered. */
export function stringIn(answer: Hex): string {
  const [, length = 0n] = wordsIn(answer);
  return new TextDecoder().decode(bytesOf(answer).slice(64, 64 + Number(length)));
}

/** A word as an address. */
export function addressIn(word: bigint): Hex {
  return `0x${word.toString(16).padStart(40, "0")}`;
}

/** As wallets show it, with the checksum of EIP-55. */
export function checksummed(address: Hex): string {
  const lower = address.slice(2).toLowerCase();
  const hash = keccakText(lower).slice(2);
  const isUpper = (index: number) => parseInt(hash.charAt(index), 16) >= 8;
  return `0x${[...lower].map((char, i) => isUpper(i) ? char.toUpperCase() : char).join("")}`;
}

/** 32 bytes that nobody can guess. */
export function randomWord(): Hex {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return `0x${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
