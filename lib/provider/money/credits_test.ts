import assert from "node:assert/strict";
import { join } from "node:path";
import { type Address, getAddress, type Hex, type PublicClient, zeroAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { PAYER_LANES_MAX } from "../../limits.ts";
import type { CreditsOffer } from "../../payment_header.ts";
import { type Permit, signPermit, UINT64_MAX } from "../../permit.ts";
import { laneOf } from "../ledger/journal.ts";
import { openSqliteLedger } from "../ledger/sqlite_ledger.ts";
import { readJournal } from "../ledger/store.ts";
import type { CreditsBill } from "./bill.ts";
import { type CreditPolicy, Credits, CREDITS_LEFT_HEADER } from "./credits.ts";
import { Payers } from "./payers.ts";
import type { Hold } from "./scheme.ts";

const PAYER = privateKeyToAccount(`0x${"11".repeat(32)}`);
const SIGNER = privateKeyToAccount(`0x${"22".repeat(32)}`);
const PROVIDER = getAddress(`0x${"aa".repeat(20)}`);
const DOMAIN = { chainId: 31_337, escrow: getAddress(`0x${"ee".repeat(20)}`) };
const [LANE, OTHER]: [Hex, Hex] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];
const PRICE = 1_000n;
const CID = "bafytest" as CidText;
const TX: Hex = `0x${"ff".repeat(32)}`;
const NOW = 1_000_000_000_000;

/** The escrow as an endpoint shows it: one payer, one provider, a block for every change. */
function fakeEscrow(credits: bigint) {
  const state = { block: 1n, credits, signer: zeroAddress as Address };
  const consumed = new Map<Hex, bigint>();
  const client = {
    getBlock: () => Promise.resolve({ number: state.block }),
    readContract: ({ functionName, args }: { functionName: string; args: unknown[] }) =>
      Promise.resolve(
        functionName === "consumed" ? consumed.get(args[2] as Hex) ?? 0n : {
          pricePerCredit: PRICE,
          credits: state.credits,
          thawingCredits: 0n,
          thawEnd: 0n,
          signer: state.signer,
        },
      ),
  } as unknown as PublicClient;
  return {
    state,
    client,
    /** Takes the lane to `cumulative`. */
    settle(lane: Hex, cumulative: bigint): void {
      state.block += 1n;
      state.credits -= cumulative - (consumed.get(lane) ?? 0n);
      consumed.set(lane, cumulative);
    },
  };
}

const OFFER: CreditsOffer = {
  chainId: DOMAIN.chainId,
  escrow: DOMAIN.escrow,
  asset: DOMAIN.escrow,
  payTo: PROVIDER,
  pricePerCredit: PRICE,
  maxTimeoutSeconds: 15,
  thawingPeriodSeconds: 3_600,
};

async function open(credits: bigint, changes: Partial<CreditPolicy> = {}) {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "ledger.db");
  const now = () => NOW;
  const settleWindowSeconds = 120n;
  const ledger = await openSqliteLedger({ path, now, settleWindowSeconds });
  const escrow = fakeEscrow(credits);
  const { client } = escrow;
  const payers = new Payers({
    client,
    escrow: DOMAIN.escrow,
    provider: PROVIDER,
    ledger,
    finality: "latest",
    now,
  });
  const scheme = new Credits({
    seller: { ...DOMAIN, provider: PROVIDER, price: PRICE },
    offer: OFFER,
    policy: {
      consume: null,
      settleWindowSeconds,
      viewAgeMs: () => 60_000,
      offlineAmount: 0n,
      ...changes,
    },
    ledger,
    payers,
    receipts: { pathOf: (reservation) => `/receipts/${reservation}` },
    ownerCredits: { note() {} },
    isDeploymentLane: () => false,
    relay: () => Promise.reject(new Error("nobody deposits here")),
    onCharge() {},
    now,
  });
  const admit = (bill: CreditsBill) => scheme.admit(bill);
  const hold = async (bill: CreditsBill) => await scheme.hold(await scheme.admit(bill));
  return {
    escrow,
    ledger,
    payers,
    scheme,
    admit,
    hold,
    path,
    /** A call from its admission to its charge. */
    async pay(permit: Permit): Promise<void> {
      await (await hold(billFor(permit))).charge("answered", null);
    },
    async [Symbol.asyncDispose]() {
      await ledger.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** What the payer has left once a hold is charged, as its notice says. */
async function leftAfter(hold: Hold): Promise<number> {
  const left = (await hold.notice()).find(([name]) => name === CREDITS_LEFT_HEADER)?.[1];
  return Number(left);
}

function permit(changes: Partial<Permit> = {}, account = PAYER): Promise<Permit> {
  return signPermit(account, DOMAIN, {
    payer: PAYER.address,
    provider: PROVIDER,
    lane: LANE,
    price: PRICE,
    credits: 100n,
    deadline: UINT64_MAX,
    ...changes,
  });
}

function billFor(permit: Permit, source: CreditsBill["source"] = "caller"): CreditsBill {
  const { payer, lane } = permit;
  return { source, payer, lane, scope: lane, permit, price: PRICE, cid: CID, deposit: null };
}

async function refusalOf(work: Promise<unknown>): Promise<KhachapuriError> {
  const error = await work.then(() => null, (error) => error);
  assert.ok(error instanceof KhachapuriError, "it was not refused");
  assert.equal(error.code, "payment_required", error.message);
  return error;
}

Deno.test("a caller that proves itself learns its lane's count with every no", async () => {
  await using money = await open(2n);
  const { admit, hold } = money;
  await money.pay(await permit({ credits: 1n }));
  const held = await hold(billFor(await permit({ credits: 2n })));
  const lane = { id: LANE, cumulative: 2n };
  const past = BigInt(NOW / 1000);
  for (const change of [{ credits: 1n }, { deadline: past }, { price: 1n }, { credits: 3n }]) {
    const error = await refusalOf(admit(billFor(await permit(change))));
    assert.deepEqual(error.lane, lane);
    assert.ok(!JSON.stringify(error.toJSON()).includes('signature"'));
  }
  await held.release("test");
  const unknown = billFor(await permit({ lane: OTHER, deadline: past }));
  const { lane: other } = await refusalOf(admit(unknown));
  assert.deepEqual(other, { id: OTHER, cumulative: 0n });
});

Deno.test("a call soon after another finds its credit held, and another lane may still have it", async () => {
  await using money = await open(4n);
  const { ledger, hold } = money;
  const own = await permit();
  for (let call = 0; call < 3; call++) await money.pay(own);
  const kinds = [...ledger.store.read({ lane: LANE })].map(({ kind }) => kind);
  const [first, second] = [["open", "permit", "reserve", "charge"], ["reserve", "charge"]];
  assert.deepEqual(kinds, [...first, ...second, "reserve", "reserve", "charge"]);
  const other = await hold(billFor(await permit({ lane: OTHER })));
  assert.equal(await leftAfter(other), 0);
  assert.equal([...ledger.store.read({ lane: LANE })].at(-1)?.kind, "release");
  await refusalOf(hold(billFor(own)));
  await other.charge("answered", null);
});

Deno.test("what is held ahead is no promise: calls that come at once get what is left", async () => {
  await using money = await open(20n);
  const { hold, escrow, payers } = money;
  const bill = billFor(await permit());
  for (let round = 0; round < 2; round++) {
    const held = await Promise.all(Array.from({ length: 4 }, () => hold(bill)));
    await Promise.all(held.map((each) => each.charge("answered", null)));
  }
  escrow.state.block += 1n;
  escrow.state.credits = 8n + 1n;
  payers.forget(PAYER.address);
  const tries = await Promise.allSettled(Array.from({ length: 4 }, () => hold(bill)));
  assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
});

Deno.test("while the chain is silent, what is held ahead takes nothing of what may be served", async () => {
  let isSilent = false;
  await using money = await open(100n, { offlineAmount: 10n * PRICE, viewAgeMs: () => -1 });
  const { hold, escrow } = money;
  const answer = escrow.client.getBlock;
  escrow.client.getBlock =
    ((...args: []) =>
      isSilent ? Promise.reject(new Error("down")) : answer(...args)) as typeof answer;
  const bill = billFor(await permit());
  const held = await Promise.all(Array.from({ length: 3 }, () => hold(bill)));
  await Promise.all(held.map((each) => each.charge("answered", null)));
  isSilent = true;
  let served = 3;
  while (
    await hold(bill).then((each) => each.charge("answered", null)).then(
      () => true,
      () => false,
    )
  ) served += 1;
  assert.equal(served, 10);
});

Deno.test("nobody else learns anything", async () => {
  await using money = await open(1n);
  const { admit, scheme } = money;
  const first = await permit({ credits: 1n });
  await money.pay(first);
  const forged = billFor(await permit({ credits: 1n }, SIGNER));
  assert.deepEqual((await refusalOf(admit(forged))).lane, undefined);
  const altered = billFor({ ...first, credits: 5n });
  assert.deepEqual((await refusalOf(admit(altered))).lane, undefined);
  await assert.rejects(scheme.used(altered.permit), { code: "payment_required" });
  assert.equal(await scheme.used(first), 1n);
  const owner = await refusalOf(admit(billFor(first, "owner")));
  assert.deepEqual(owner.lane, undefined);
  assert.doesNotMatch(owner.shortMessage, /used up/);
});

Deno.test("a settlement that the view does not know leaves what may be promised as it is", async () => {
  await using money = await open(10n);
  const { escrow, ledger, payers, hold } = money;
  const settle = async (lane: Hex, cumulative: bigint) => {
    escrow.settle(lane, cumulative);
    const { block } = escrow.state;
    const payer = PAYER.address;
    await ledger.record([
      { fact: "settled", payer, lane, settled: cumulative, block, transaction: TX },
    ]);
  };
  // A lane that is level when the view is read is not part of it.
  await money.pay(await permit({ lane: OTHER }));
  await settle(OTHER, 1n);
  payers.forget();
  await money.pay(await permit());
  for (let i = 0; i < 8; i++) await money.pay(await permit({ lane: OTHER }));
  await settle(OTHER, 9n);
  const error = await refusalOf(hold(billFor(await permit({ lane: OTHER }))));
  assert.match(error.shortMessage, /no credits left/);
  payers.forget();
  await refusalOf(hold(billFor(await permit())));
  await settle(LANE, 1n);
  assert.equal(escrow.state.credits, 0n);
});

Deno.test("what was served is settled with the permit that it was served on", async () => {
  await using money = await open(50n);
  const { ledger } = money;
  const dying = BigInt(NOW / 1000) + 130n;
  await money.pay(await permit({ credits: 1_000n, deadline: dying }));
  // Fewer credits than the first, but alive when the batch is sent.
  const lasting = await permit({ credits: 500n });
  await money.pay(lasting);
  assert.deepEqual(laneOf(ledger.store.book, PAYER.address, LANE)!.permit, lasting);
});

Deno.test("a permit of a former signer does not stay on the lane", async () => {
  await using money = await open(1n);
  const { escrow, ledger, payers } = money;
  await money.pay(await permit({ credits: 1_000n }));
  escrow.settle(LANE, 1n);
  Object.assign(escrow.state, { credits: 5n, signer: SIGNER.address });
  payers.forget();
  const next = await permit({ credits: 500n }, SIGNER);
  await money.pay(next);
  assert.deepEqual(laneOf(ledger.store.book, PAYER.address, LANE)!.permit, next);
});

Deno.test("a cheaper permit cannot replace the one that unsettled calls need", async () => {
  await using money = await open(50n);
  const { hold, ledger, escrow } = money;
  await money.pay(await permit());
  const cheap = { ...billFor(await permit({ credits: 200n, price: 10n })), price: 10n };
  const { shortMessage } = await refusalOf(hold(cheap));
  assert.match(shortMessage, /earlier calls on this lane cost 0\.001 USDC/);
  escrow.settle(LANE, 1n);
  const [payer, { block }] = [PAYER.address, escrow.state];
  await ledger.record([
    { fact: "settled", payer, lane: LANE, settled: 1n, block, transaction: TX },
  ]);
  await (await hold(cheap)).charge("answered", null);
});

Deno.test("a payer has no more lanes than there is room for", async () => {
  await using money = await open(10n);
  const { hold, ledger } = money;
  const payer = PAYER.address;
  const laneAt = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;
  const lanes = Array.from({ length: PAYER_LANES_MAX }, (_, n) => laneAt(n));
  await ledger.store.write(
    lanes.map((lane) => ({ kind: "open" as const, payer, lane, charged: 0n })),
    "disk",
  );
  const { shortMessage } = await refusalOf(hold(billFor(await permit({ lane: OTHER }))));
  assert.match(shortMessage, /at most 1024 lanes/);
  await money.pay(await permit({ lane: laneAt(7) }));
});

Deno.test("an endpoint that hides what was taken cannot make us take it for ever", async () => {
  let consumed = 0;
  const consume = () => {
    consumed += 1;
    return Promise.resolve();
  };
  await using money = await open(100n, { consume });
  const { hold } = money;
  await assert.rejects(hold(billFor(await permit())), {
    code: "chain_unavailable",
  });
  assert.ok(consumed < 10, `${consumed} credits were taken`);
});

Deno.test("a charge is in the book before it is answered, and on disk where it is signed", async () => {
  await using money = await open(50n);
  const { hold, ledger, path } = money;
  const charges = () => readJournal(path, {}).filter(({ kind }) => kind === "charge").length;
  const owners = await hold(billFor(await permit(), "owner"));
  assert.ok(ledger.store.isOnDisk(ledger.store.mark()), "held on disk before the program starts");
  await owners.charge("answered", null);
  assert.equal(charges(), 1);
  assert.ok(!ledger.store.isOnDisk(ledger.store.mark()), "nobody waits for the disk");
  const callers = await hold(billFor(await permit({ lane: OTHER })));
  const hashes = { requestHash: null, responseHash: "0x00" } as const;
  await callers.charge("answered", { ...hashes, startedAt: NOW, durationMs: 1 });
  assert.ok(ledger.store.isOnDisk(ledger.store.mark()));
  assert.equal(charges(), 2);
  const receipted = ledger.store.receipted(callers.reservation);
  assert.deepEqual([receipted?.facts.price, receipted?.facts.cid], [PRICE, CID]);
  assert.equal(ledger.store.receipted(owners.reservation), undefined);
});

Deno.test("who was admitted is judged again once the chain says something else", async () => {
  await using money = await open(5n);
  const { admit, hold, escrow, payers } = money;
  const bill = billFor(await permit());
  await admit(bill);
  await (await hold(bill)).charge("answered", null);
  const next = billFor(await permit());
  await admit(next);
  escrow.state.block += 1n;
  escrow.state.credits = 1n;
  payers.forget(PAYER.address);
  await refusalOf(hold(next));
});
