/**
 * One history of the random steps: the provider's whole money (credits, ledger, operator, follower,
 * settlement) on a chain in memory, and beside it what a person with paper and pencil would keep.
 */
import assert from "node:assert/strict";
import type { Hex, LocalAccount } from "viem";
import type { CidText } from "../../lib/cid.ts";
import { parseConfig, type ProviderConfig } from "../../lib/config.ts";
import { silentLog } from "../../lib/log.ts";
import { type Permit, signPermit, UINT64_MAX } from "../../lib/permit.ts";
import { type Lane, laneOf } from "../../lib/provider/ledger/journal.ts";
import type { CreditsBill } from "../../lib/provider/money/bill.ts";
import { Credits } from "../../lib/provider/money/credits.ts";
import type { Hold } from "../../lib/provider/money/scheme.ts";
import { openPayments, type Payments } from "../../lib/provider/settlement/payments.ts";
import { anvilAccount } from "./anvil.ts";
import { FAKE_ESCROW, fakeChain, rpcError } from "./fake_chain.ts";
import { LANES, PAYERS, PERMITS, type Step } from "./payment_steps.ts";

const PRICE = 5n;
const PROVIDER = anvilAccount(1);
const OPERATOR = anvilAccount(2);
const CID = "bafytest" as CidText;

interface Page {
  charged: bigint;
  held: bigint;
}

interface Held {
  key: string;
  hold: Hold;
}

const permits = new Map<string, Promise<Permit>>();

/** Signing takes a while: once is enough. */
function permitOf(account: LocalAccount, lane: Hex, credits: bigint): Promise<Permit> {
  const key = [account.address, lane, credits].join();
  const known = permits.get(key) ??
    signPermit(account, { chainId: 31337, escrow: FAKE_ESCROW }, {
      payer: account.address,
      provider: PROVIDER.address,
      lane,
      price: PRICE,
      credits,
      deadline: UINT64_MAX,
      epoch: 0,
    });
  permits.set(key, known);
  return known;
}

function settings(mode: "batch" | "each"): ProviderConfig {
  const times = { intervalSeconds: 86_400, pollMs: 600_000 };
  return parseConfig({
    provider: {
      name: "provider.test",
      address: PROVIDER.address,
      webDomain: "http://provider.test",
      price: String(PRICE),
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: "keys.json",
      settlement: { mode, ...times, amount: "1000000000", offlineAmount: "0" },
    },
  }, "/").provider!;
}

/** The scheme "credits" on a provider's books. */
function creditsOn({ ledger, payers, settlement, policy }: Payments, now: () => number): Credits {
  const seller = {
    chainId: 31337,
    escrow: FAKE_ESCROW,
    provider: PROVIDER.address,
    price: PRICE,
  };
  return new Credits({
    seller,
    offer: {
      chainId: seller.chainId,
      escrow: FAKE_ESCROW,
      asset: FAKE_ESCROW,
      payTo: PROVIDER.address,
      pricePerCredit: PRICE,
      maxTimeoutSeconds: 15,
      thawingPeriodSeconds: 3_600,
    },
    policy,
    ledger,
    payers,
    receipts: { pathOf: String },
    ownerCredits: { note() {} },
    isDeploymentLane: () => false,
    ownerPermit: ({ entry }) => entry.permit,
    relay: () => Promise.reject(new Error("nobody deposits here")),
    onCharge: () => settlement.noticeCharge(),
    now,
  });
}

function billFor(account: LocalAccount, lane: Hex, permit: Permit): CreditsBill {
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

/** One history: the real thing and the paper beside it. */
export async function openHistory(mode: "batch" | "each") {
  const dir = await Deno.makeTempDir();
  const fake = fakeChain(PROVIDER.address);
  for (const { address } of PAYERS) fake.allow(address, PRICE, 8n);
  const pages = new Map<string, Page>();
  const held: Held[] = [];
  let nowMs = 1_700_000_000_000;
  /** Whether the provider has heard of everything that happened on the chain. */
  let isCurrent = true;
  let isSilent = false;
  let hasReorganised = false;

  async function open(): Promise<Payments> {
    const payments = await openPayments({
      chain: fake.chain,
      escrow: FAKE_ESCROW,
      provider: settings(mode),
      account: OPERATOR,
      dir,
      log: silentLog,
      now: () => nowMs,
      receiptPollMs: 1,
      closeWaitMs: 1,
    });
    await payments.follower.poll();
    return payments;
  }
  let payments = await open();
  let credits = creditsOn(payments, () => nowMs);

  const holdOne = async (bill: CreditsBill) => await credits.hold(await credits.admit(bill));
  const laneAt = (payer: LocalAccount, lane: number): Lane | undefined =>
    laneOf(payments.ledger.store.book, payer.address, LANES[lane]!);

  const page = (key: string) => {
    const known = pages.get(key) ?? { charged: 0n, held: 0n };
    pages.set(key, known);
    return known;
  };
  const keyOf = (payer: number, lane: number) => `${PAYERS[payer]!.address}:${LANES[lane]!}`;
  const taken = (payer: number, lane: number) =>
    fake.consumed(PAYERS[payer]!.address, LANES[lane]!);

  /** Used or held and not taken by the escrow, over a payer's lanes; prepaid ones owe nothing. */
  function outstanding(payer: number): bigint {
    return LANES.reduce((sum, _, lane) => {
      const { charged, held } = page(keyOf(payer, lane));
      const due = charged + held - taken(payer, lane);
      return due > 0n ? sum + due : sum;
    }, 0n);
  }

  function silence(isOn: boolean): void {
    isSilent = isOn;
    fake.intercept = isOn ? () => Promise.reject(rpcError("down")) : null;
  }

  /** Time passes while the chain is waited for: a nonce that a fork freed is filled by and by. */
  async function inTime<T>(work: Promise<T>): Promise<T> {
    const timer = setInterval(() => nowMs += 31_000, 3);
    return await work.finally(() => clearInterval(timer));
  }

  async function hear(): Promise<void> {
    nowMs += 60_001;
    await inTime(payments.follower.poll());
    if (!isSilent) isCurrent = true;
  }

  async function call({ payer, lane, permit: index }: Extract<Step, { do: "call" }>) {
    const account = PAYERS[payer]!;
    const permit = await permitOf(account, LANES[lane]!, PERMITS[index]!);
    const bill = billFor(account, LANES[lane]!, permit);
    const key = keyOf(payer, lane);
    const { charged, held: holding } = page(key);
    const before = taken(payer, lane);
    const { credits, thawingCredits } = fake.allowanceOf(account.address);
    const left = credits - thawingCredits - outstanding(payer);
    const isPrepaid = mode === "each" && before > charged + holding;
    const hasRoom = charged + holding < permit.credits;
    const isRefused = laneAt(account, lane)?.refused ?? null;
    let why = "served";
    const hold = await inTime(holdOne(bill)).catch((error) => {
      why = String(error);
      return null;
    });
    const about =
      `${key} permit ${permit.credits}: ${left} left, ${charged}+${holding} used; ${why}`;
    if (isCurrent && !isSilent && isRefused === null) {
      assert.equal(hold !== null, hasRoom && (isPrepaid || left > 0n), about);
    }
    if (!hold) return;
    assert.ok(hasRoom, `beyond the permit; ${about}`);
    held.push({ key, hold });
    page(key).held += 1n;
    // Notice that was not heard yet leaves the credits in place; a reorganisation may not.
    if (!hasReorganised) assert.ok(outstanding(payer) <= credits, `beyond the credits; ${about}`);
    // The escrow has taken what is used, this one included, and nothing beyond what it had.
    if (mode === "each" && isCurrent) {
      const used = charged + holding + 1n;
      assert.equal(taken(payer, lane), before > used ? before : used, about);
    }
  }

  /** Calls at the same time: as many get a credit as there are, whichever calls they be. */
  async function burst({ payer, lane, calls }: Extract<Step, { do: "burst" }>) {
    const account = PAYERS[payer]!;
    const permit = await permitOf(account, LANES[lane]!, PERMITS.at(-1)!);
    const bill = billFor(account, LANES[lane]!, permit);
    const own = page(keyOf(payer, lane));
    const { credits, thawingCredits } = fake.allowanceOf(account.address);
    const left = credits - thawingCredits - outstanding(payer);
    const room = permit.credits - own.charged - own.held;
    const isRefused = laneAt(account, lane)?.refused ?? null;
    const tries = Array.from({ length: calls }, () => holdOne(bill));
    let admitted = 0n;
    for (const tried of await inTime(Promise.allSettled(tries))) {
      if (tried.status === "rejected") continue;
      held.push({ key: keyOf(payer, lane), hold: tried.value });
      own.held += 1n;
      admitted += 1n;
    }
    assert.ok(admitted <= room, "beyond the permit");
    if (mode === "each" || !isCurrent || isSilent || isRefused !== null) return;
    const most = [BigInt(calls), left, room].reduce((a, b) => a < b ? a : b);
    assert.equal(admitted, most > 0n ? most : 0n, `${left} left, room for ${room}`);
  }

  async function end(how: "charge" | "release", nth: number): Promise<void> {
    const [ended] = held.splice(nth % held.length, 1);
    if (!ended) return;
    const { key, hold } = ended;
    page(key).held -= 1n;
    if (how === "release") return hold.release("test");
    page(key).charged += 1n;
    await hold.charge("answered", null);
  }

  /** The notice has been heard, runs have ended, what was due is settled: only then it is over. */
  async function reclaim(payer: number): Promise<void> {
    silence(false);
    while (held.length > 0) await end("charge", 0);
    await hear();
    await inTime(payments.settlement.settleNow());
    const { address } = PAYERS[payer]!;
    if (fake.allowanceOf(address).thawingCredits === 0n) return;
    fake.reclaim(address);
    isCurrent = false;
  }

  async function crash(): Promise<void> {
    const wasSilent = isSilent;
    // Nothing reaches the chain while the old life ends, as if it had been killed.
    silence(true);
    await inTime(payments.close());
    silence(false);
    for (const { key } of held.splice(0)) page(key).held -= 1n;
    payments = await open();
    credits = creditsOn(payments, () => nowMs);
    isCurrent = true;
    silence(wasSilent);
  }

  async function take(step: Step): Promise<void> {
    switch (step.do) {
      case "call":
        return await call(step);
      case "burst":
        return await burst(step);
      case "charge":
      case "release":
        return held.length > 0 ? await end(step.do, step.nth) : undefined;
      case "allow": {
        const { address } = PAYERS[step.payer]!;
        fake.allow(address, PRICE, fake.allowanceOf(address).credits + BigInt(step.credits));
        break;
      }
      case "revoke": {
        const { address } = PAYERS[step.payer]!;
        if (fake.allowanceOf(address).credits === 0n) return;
        fake.revoke(address, BigInt(step.credits));
        break;
      }
      case "reclaim":
        return await reclaim(step.payer);
      case "reorganise":
        await fake.reorganise(step.depth, step.keeps);
        hasReorganised = true;
        break;
      case "settle": {
        const settled = payments.settlement.settleNow();
        // What is under way when the chain falls silent waits for it to speak again.
        return isSilent ? undefined : await inTime(settled);
      }
      case "hear":
        return await hear();
      case "crash":
        return await crash();
      case "silence":
        return silence(!isSilent);
    }
    isCurrent = false;
  }

  /** Never more than was used, never more than was signed; and the book agrees with the paper. */
  function check(): void {
    for (const [payer, account] of PAYERS.entries()) {
      for (const lane of LANES.keys()) {
        const known = laneAt(account, lane);
        const { charged, held } = page(keyOf(payer, lane));
        assert.equal(known?.charged ?? 0n, charged);
        // What is reserved beyond it waits for calls to come.
        assert.ok((known?.held ?? 0n) >= held);
        const most = PERMITS.at(-1)!;
        assert.ok(taken(payer, lane) <= most);
        if (mode === "batch") assert.ok(taken(payer, lane) <= charged, "taken and not used");
      }
    }
  }

  /** In the end everything used is paid, or the book says that it was refused. */
  async function finish(): Promise<void> {
    silence(false);
    while (held.length > 0) await end("charge", 0);
    await hear();
    await inTime(payments.settlement.settleNow());
    payments.ledger.stopHolding();
    check();
    for (const [payer, account] of PAYERS.entries()) {
      for (const [lane, id] of LANES.entries()) {
        const { charged } = page(keyOf(payer, lane));
        assert.equal(laneAt(account, lane)?.held ?? 0n, 0n);
        const due = charged - taken(payer, lane);
        if (due <= 0n) continue;
        const refused = laneAt(account, lane)?.refused;
        assert.ok(hasReorganised, `${due} credits of lane ${id} were never settled`);
        assert.ok(refused, `${due} credits of lane ${id} are due and nobody says so`);
      }
    }
  }

  return {
    fake,
    take,
    check,
    finish,
    stop: () => payments.close(),
    async restart() {
      payments = await open();
      credits = creditsOn(payments, () => nowMs);
    },
    async [Symbol.asyncDispose]() {
      silence(true);
      await inTime(payments.close());
      await Deno.remove(dir, { recursive: true });
    },
  };
}
