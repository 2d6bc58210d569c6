/** The scheme `exact` on a book of its own, before a chain that answers from an object. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Address, getAddress, type Hex, pad } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { TransferRefusal } from "../lib/chain/transfer_refusal.ts";
import { KhachapuriError } from "../lib/errors.ts";
import { toHeader } from "../lib/payment_required.ts";
import type { Deployment } from "../lib/provider/deployment/deployment.ts";
import { Fields } from "../lib/provider/http/fields.ts";
import { Purchases } from "../lib/provider/ledger/purchases.ts";
import { Exact, type ExactBill } from "../lib/provider/money/exact/exact.ts";
import { TRANSFER_TYPES, type TransferAuthorization } from "../lib/transfer_authorization.ts";
import { makeFolder } from "./home.ts";

export const ANNA = privateKeyToAccount(pad("0x1"));
const at = (hex: Address) => getAddress(pad(hex, { size: 20 }));
export const [PROVIDER, USDC, OTHER] = [at("0x9"), at("0xc0"), at("0xdd")];
export const NOW = 1_000n;
export const DOMAIN = { name: "USD Coin", version: "2", chainId: 31_337, verifyingContract: USDC };
export const TERMS = {
  chainId: 31_337,
  asset: USDC,
  payTo: PROVIDER,
  amount: 10n,
  maxTimeoutSeconds: 65,
  name: "USD Coin",
  version: "2",
};
export const CID = "bafkreidtfmd5zdgkztp6mgd2xgfqidlhmhamhkcgyxee3jvbpsrtwotasa";
export const DEPLOYMENT = { cid: CID } as Deployment;
export const USED = "invalid_exact_evm_nonce_already_used";
export const ASKED = () => ({ digest: new Uint8Array([1]), key: null });

export interface Desk {
  readonly exact: Exact;
  readonly purchases: Purchases;
  /** What the chain answers, and what else is so. */
  readonly is: {
    balance: bigint;
    refusal: TransferRefusal | null;
    code: boolean;
    worth: boolean;
    come: boolean;
    room: boolean;
    now: bigint;
    /** Of the book, ms. */
    clock: number;
    /** Looks are refused from this one on. */
    looks: number;
  };
  /** What was asked, in order. */
  readonly asked: string[];
  bill(n: number, changes?: Partial<TransferAuthorization>, signature?: Hex): Promise<ExactBill>;
}

export async function withDesk(use: (desk: Desk) => Promise<void>): Promise<void> {
  await using folder = await makeFolder();
  const path = join(folder.dir, "purchases.db");
  const purchases = new Purchases({ path, chainId: 31_337, asset: USDC, now: () => is.clock });
  const asked: string[] = [];
  const is: Desk["is"] = {
    balance: 100n,
    refusal: null,
    code: false,
    worth: true,
    come: false,
    room: true,
    now: NOW,
    clock: 5,
    looks: Infinity,
  };
  const exact = new Exact({
    terms: TERMS,
    isWorth: () => is.worth,
    domain: DOMAIN,
    purchases,
    receipts: { pathOf: (id) => `/${id}` },
    laterNow: () => Number(is.now) * 1_000,
    looks: {
      admit(from) {
        asked.push(`admit ${from}`);
        if (is.looks-- <= 0) throw new KhachapuriError("rate_limited", "too often");
      },
    },
    chain: {
      hasCode() {
        asked.push("code");
        return Promise.resolve(is.code);
      },
      look() {
        asked.push("look");
        return Promise.resolve({ balance: is.balance, block: 7n, refusal: is.refusal });
      },
    },
    settler: {
      assertRoom() {
        if (!is.room) throw new KhachapuriError("overloaded", "no room");
      },
      hasCome(purchase) {
        asked.push("come");
        assert.equal(purchase.state, "open");
        return Promise.resolve(is.come);
      },
      settle: (purchase) => Promise.resolve(purchase),
    },
  });
  async function bill(n: number, changes = {}, signature?: Hex): Promise<ExactBill> {
    const fields = new Fields([await field(n, changes, signature)]);
    return (await exact.read(DEPLOYMENT, fields, "192.0.2.1"))!;
  }
  try {
    await use({ exact, purchases, is, asked, bill });
  } finally {
    purchases.close();
  }
}

export async function field(
  n: number,
  changes: Partial<TransferAuthorization> = {},
  signature?: Hex,
): Promise<[string, string]> {
  const authorization: TransferAuthorization = {
    from: ANNA.address,
    to: PROVIDER,
    value: 10n,
    validAfter: 0n,
    validBefore: NOW + 100n,
    nonce: pad(`0x${n.toString(16)}`),
    ...changes,
  };
  const signed = signature ?? await ANNA.signTypedData({
    domain: DOMAIN,
    types: TRANSFER_TYPES,
    primaryType: "TransferWithAuthorization",
    message: { ...authorization },
  });
  const { value, validAfter, validBefore } = authorization;
  const texts = { value: `${value}`, validAfter: `${validAfter}`, validBefore: `${validBefore}` };
  const json = {
    x402Version: 2,
    accepted: {
      scheme: "exact",
      network: "eip155:31337",
      amount: "10",
      asset: USDC,
      payTo: PROVIDER,
    },
    payload: { signature: signed, authorization: { ...authorization, ...texts } },
  };
  return ["payment-signature", toHeader(json)];
}

export async function refusal(
  pending: Promise<unknown> | (() => unknown),
): Promise<KhachapuriError> {
  try {
    await (typeof pending === "function" ? pending() : pending);
  } catch (error) {
    if (error instanceof KhachapuriError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

export const reasonOf = async (pending: Promise<unknown> | (() => unknown)) => {
  const { code, data } = await refusal(pending);
  return data.x402Reason ?? code;
};

export async function bought({ exact }: Desk, bill: ExactBill) {
  return await exact.hold(await exact.admit(bill), ASKED);
}
