/** Who sells in the histories of payments, and its callers' bills, each by a signed permit. */
import type { Hex, LocalAccount } from "viem";
import type { CidText } from "../../lib/cid.ts";
import { type Permit, signPermit, UINT64_MAX } from "../../lib/permit.ts";
import type { CreditsBill } from "../../lib/provider/money/bill.ts";
import { anvilAccount } from "./anvil.ts";
import { FAKE_ESCROW } from "./fake_chain.ts";

export const PRICE = 5n;
export const PROVIDER = anvilAccount(1);
const CID = "bafytest" as CidText;

const permits = new Map<string, Promise<Permit>>();

/** Signing takes a while: once is enough. */
export function permitOf(
  account: LocalAccount,
  lane: Hex,
  credits: bigint,
  epoch: number,
): Promise<Permit> {
  const key = [account.address, lane, credits, epoch].join();
  const known = permits.get(key) ??
    signPermit(account, { chainId: 31337, escrow: FAKE_ESCROW }, {
      payer: account.address,
      provider: PROVIDER.address,
      lane,
      price: PRICE,
      credits,
      deadline: UINT64_MAX,
      epoch,
    });
  permits.set(key, known);
  return known;
}

export function billFor(account: LocalAccount, lane: Hex, permit: Permit): CreditsBill {
  return {
    source: "caller",
    payer: account.address,
    lane,
    scope: lane,
    permit,
    price: PRICE,
    cid: CID,
    deposit: null,
  };
}
