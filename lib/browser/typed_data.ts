/**
 * What the payer signs (EIP-712): permits and messages for the escrow, transfers for USDC. The
 * wallet is given the type of the domain, too: MetaMask takes it for empty where it is not there,
 * and signs something else.
 */
import { bytesOf, encode, type Hex, keccak, keccakText, type Word } from "./words.ts";

export interface Domain {
  readonly name: string;
  readonly version: string;
  readonly chainId: number;
  readonly verifyingContract: Hex;
}

/** The Escrow's domain, as its constructor sets it. */
export function escrowDomain(chainId: number, escrow: Hex): Domain {
  return { name: "Khachapuri Escrow", version: "1", chainId, verifyingContract: escrow };
}

const DOMAIN_TYPE =
  "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

/** By what a contract knows its domain. */
export function domainSeparator({ name, version, chainId, verifyingContract }: Domain): Hex {
  const typeHash = keccakText(DOMAIN_TYPE);
  const words = [keccakText(name), keccakText(version), BigInt(chainId), verifyingContract];
  return keccak(bytesOf(encode(typeHash, ...words)));
}

const MESSAGE_TERMS = "uint256 feeMax,uint256 nonce,uint64 deadline";
const AUTHORIZATION =
  "address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce";

/** The fields of each type, as Solidity has them. */
export const TYPES = {
  Permit: "address payer,address provider,bytes32 lane,uint128 price,uint128 credits," +
    "uint64 deadline,uint32 epoch",
  Revoke: `address payer,address provider,uint128 credits,${MESSAGE_TERMS}`,
  BumpEpoch: `address payer,address provider,${MESSAGE_TERMS}`,
  Reclaim: `address payer,address provider,${MESSAGE_TERMS}`,
  Withdraw: `address payer,uint256 amount,address to,${MESSAGE_TERMS}`,
  ReceiveWithAuthorization: AUTHORIZATION,
  TransferWithAuthorization: AUTHORIZATION,
} as const;

export type TypeName = keyof typeof TYPES;

const fieldsOf = (text: string) =>
  text.split(",").map((field) => {
    const [type, name] = field.split(" ");
    return { name, type };
  });

/** What `eth_signTypedData_v4` takes. */
export function typedData(domain: Domain, primaryType: TypeName, message: Fields) {
  const inDomain = DOMAIN_TYPE.slice(DOMAIN_TYPE.indexOf("(") + 1, -1);
  return {
    types: { EIP712Domain: fieldsOf(inDomain), [primaryType]: fieldsOf(TYPES[primaryType]) },
    domain,
    primaryType,
    message: texts(message),
  };
}

export type Fields = Readonly<Record<string, Word>>;

/** The same in JSON, which has no large integers. */
export function texts(fields: Fields): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, word]) => [name, String(word)]));
}

/** What one signature deposits and allows (`Escrow.depositAndAllow`). */
export interface Deposit {
  readonly amount: bigint;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly pricePerCredit: bigint;
  readonly credits: bigint;
  readonly signer: Hex;
  readonly salt: Hex;
}

const DEPOSIT_AND_ALLOW =
  "DepositAndAllow(address payer,uint256 amount,uint256 validAfter,uint256 validBefore," +
  "address provider,uint128 pricePerCredit,uint128 credits,address signer,bytes32 salt)";

/** The EIP-3009 nonce of a `depositAndAllow`: it binds every parameter of the call. */
export function depositNonce(payer: Hex, provider: Hex, deposit: Deposit): Hex {
  const { amount, validAfter, validBefore, pricePerCredit, credits, signer, salt } = deposit;
  const typeHash = keccakText(DEPOSIT_AND_ALLOW);
  const times = [amount, validAfter, validBefore];
  const allowed = [provider, pricePerCredit, credits, signer, salt];
  return keccak(bytesOf(encode(typeHash, payer, ...times, ...allowed)));
}

/** The lane of a payer's client, as the command line names its own. */
export function clientLane(payer: Hex, label: string): Hex {
  const text = (value: string): string => {
    const bytes = new TextEncoder().encode(value);
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return encode(BigInt(bytes.length)).slice(2) + hex.padEnd(Math.ceil(hex.length / 64) * 64, "0");
  };
  // abi.encode("client", payer, label): two strings behind three words.
  const [first, second] = [text("client"), text(label)];
  const head = encode(96n, payer, BigInt(96 + first.length / 2));
  return keccak(bytesOf(`${head}${first}${second}`));
}
