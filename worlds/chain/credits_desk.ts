/**
 * The scheme "credits" on a ledger of its own, before an escrow that answers from an object: one
 * payer, one provider, a block for every change.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Address, getAddress, type Hex, zeroAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Chain } from "../../lib/chain/client.ts";
import type { CidText } from "../../lib/cid.ts";
import { KhachapuriError } from "../../lib/errors.ts";
import { silentLog } from "../../lib/log.ts";
import type { DepositAuthorization } from "../../lib/deposit_authorization.ts";
import type { CreditsOffer } from "../../lib/payment_header.ts";
import { type Permit, signPermit, UINT64_MAX } from "../../lib/permit.ts";
import type { OperatorLimits } from "../../lib/provider/ledger/operator_room.ts";
import { openSqliteLedger } from "../../lib/provider/ledger/sqlite_ledger.ts";
import type { CreditsBill } from "../../lib/provider/money/bill.ts";
import { type CreditPolicy, Credits } from "../../lib/provider/money/credits.ts";
import { Payers } from "../../lib/provider/money/payers.ts";

export const PAYER = privateKeyToAccount(`0x${"11".repeat(32)}`);
/** Whom the payer may let sign. */
export const SIGNER = privateKeyToAccount(`0x${"22".repeat(32)}`);
const PROVIDER = getAddress(`0x${"aa".repeat(20)}`);
const DOMAIN = { chainId: 31_337, escrow: getAddress(`0x${"ee".repeat(20)}`) };
export const [LANE, OTHER]: [Hex, Hex] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];
export const PRICE = 1_000n;
/** Whoever pays, whatever was before. */
const ONE_PRICE = { priceOf: () => PRICE, before: () => null, since: () => null };
export const CID = "bafytest" as CidText;
export const TX: Hex = `0x${"ff".repeat(32)}`;
/** When the desk opens, Unix ms. */
export const NOW = 1_000_000_000_000;

/** The escrow as an endpoint shows it. */
function fakeEscrow(credits: bigint) {
  const state = { block: 1n, credits, signer: zeroAddress as Address, epoch: 0, epochEnd: 0n };
  const endpoint = { isSilent: false, reads: 0 };
  const consumed = new Map<Hex, bigint>();
  const allowance = () => ({
    pricePerCredit: PRICE,
    credits: state.credits,
    thawingCredits: 0n,
    thawEnd: 0n,
    signer: state.signer,
    epoch: state.epoch,
    epochEnd: state.epochEnd,
  });
  const asked = <T>(answer: () => T): Promise<T> =>
    endpoint.isSilent ? Promise.reject(new Error("down")) : Promise.resolve().then(answer);
  const chain = {
    public: {
      getBlock: () => {
        endpoint.reads += 1;
        return asked(() => ({ number: state.block, hash: `0x${state.block}` }));
      },
    },
    readMany: (calls: readonly { functionName: string; args: readonly unknown[] }[]) =>
      asked(() =>
        calls.map(({ functionName, args }) =>
          functionName === "consumed" ? consumed.get(args[2] as Hex) ?? 0n : allowance()
        )
      ),
  } as unknown as Chain;
  return {
    state,
    /** Whether it answers, and how often a payer was looked up. */
    endpoint,
    chain,
    /** Takes the lane to `cumulative`. */
    settle(lane: Hex, cumulative: bigint): void {
      state.block += 1n;
      state.credits -= cumulative - (consumed.get(lane) ?? 0n);
      consumed.set(lane, cumulative);
    },
    /** What the payer does: allow more or less, let somebody else sign, take permits back. */
    change(changes: Partial<Omit<typeof state, "block">>): void {
      state.block += 1n;
      Object.assign(state, changes);
    },
    consumed: (lane: Hex) => consumed.get(lane) ?? 0n,
  };
}

export const OFFER: CreditsOffer = {
  chainId: DOMAIN.chainId,
  escrow: DOMAIN.escrow,
  asset: DOMAIN.escrow,
  payTo: PROVIDER,
  pricePerCredit: PRICE,
  maxTimeoutSeconds: 15,
  thawingPeriodSeconds: 3_600,
};

export type CreditsDesk = Awaited<ReturnType<typeof openCreditsDesk>>;

/** Opens it to a payer who allows so many credits. */
export async function openCreditsDesk(credits: bigint, changes: Partial<CreditPolicy> = {}) {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "ledger.db");
  const desk = {
    /** Unix ms. */
    now: NOW,
    /** What owners were noted to have left. */
    notes: [] as { owner: Address; available: bigint }[],
    /** What the operator may settle. */
    operator: null as OperatorLimits | null,
    /** Charges that were told. */
    charges: 0,
    isDeploymentLane: (_payer: Address, _lane: Hex) => false,
    /** Has a deposit mined. */
    relay: (_payer: Address, _deposit: DepositAuthorization): Promise<Hex> =>
      Promise.reject(new Error("nobody deposits here")),
  };
  const now = () => desk.now;
  const ledger = await openSqliteLedger({
    path,
    now,
    settleWindowSeconds: () => 120n,
    thawingPeriodSeconds: 3_600n,
    operatorLimits: () => desk.operator,
  });
  const escrow = fakeEscrow(credits);
  const payers = new Payers({
    chain: escrow.chain,
    escrow: DOMAIN.escrow,
    provider: PROVIDER,
    ledger,
    finality: "latest",
    log: silentLog,
    now,
  });
  const scheme = new Credits({
    seller: { ...DOMAIN, provider: PROVIDER, price: PRICE },
    offer: () => OFFER,
    policy: {
      consume: null,
      settleWindowSeconds: () => 120n,
      viewAgeMs: () => 60_000,
      laterNow: now,
      offlineAmount: 0n,
      ...changes,
    },
    ledger,
    payers,
    receipts: { pathOf: (reservation) => `/receipts/${reservation}` },
    ownerCredits: { note: (owner, available) => void desk.notes.push({ owner, available }) },
    isDeploymentLane: (payer, lane) => desk.isDeploymentLane(payer, lane),
    ownerPermit: ({ entry }) => entry.permit,
    ownerPrices: ONE_PRICE,
    relay: (payer, deposit) => desk.relay(payer, deposit),
    onCharge: () => void (desk.charges += 1),
    now,
  });
  const hold = async (bill: CreditsBill) => await scheme.hold(await scheme.admit(bill));
  return Object.assign(desk, {
    escrow,
    ledger,
    payers,
    scheme,
    admit: (bill: CreditsBill) => scheme.admit(bill),
    hold,
    path,
    /** A call from its admission to its charge. */
    async pay(permit: Permit): Promise<void> {
      await (await hold(billFor(permit))).charge("answered", null);
    },
    /** The escrow takes the lane to `cumulative`, and the books hear of it. */
    async settle(lane: Hex, cumulative: bigint): Promise<void> {
      escrow.settle(lane, cumulative);
      const { block } = escrow.state;
      await ledger.record([{
        fact: "settled",
        payer: PAYER.address,
        lane,
        settled: cumulative,
        block,
        transaction: TX,
      }]);
    },
    async [Symbol.asyncDispose]() {
      await ledger.close();
      await Deno.remove(dir, { recursive: true });
    },
  });
}

/** A permit of the payer's for 100 credits on LANE, that `account` signs. */
export function permit(changes: Partial<Permit> = {}, account = PAYER): Promise<Permit> {
  return signPermit(account, DOMAIN, {
    payer: PAYER.address,
    provider: PROVIDER,
    lane: LANE,
    price: PRICE,
    credits: 100n,
    deadline: UINT64_MAX,
    epoch: 0,
    ...changes,
  });
}

export function billFor(permit: Permit, source: CreditsBill["source"] = "caller"): CreditsBill {
  const { payer, lane } = permit;
  return { source, payer, lane, scope: lane, permit, price: PRICE, cid: CID, deposit: null };
}

/** The refusal that `work` must end with. */
export async function refusalOf(work: Promise<unknown>): Promise<KhachapuriError> {
  const error = await work.then(() => null, (error) => error);
  assert.ok(error instanceof KhachapuriError, "it was not refused");
  assert.equal(error.code, "payment_required", error.message);
  return error;
}
