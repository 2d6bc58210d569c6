/**
 * One history of the random steps: the provider's whole money (credits, ledger, operator, follower,
 * settlement) on a chain in memory, and beside it what a person with paper and pencil would keep.
 */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { parseConfig, type ProviderConfig } from "../../lib/config.ts";
import { silentLog } from "../../lib/log.ts";
import { signingEpoch } from "../../lib/permit.ts";
import { type Lane, laneOf } from "../../lib/provider/ledger/journal.ts";
import type { CreditsBill } from "../../lib/provider/money/bill.ts";
import { Credits } from "../../lib/provider/money/credits.ts";
import type { Hold } from "../../lib/provider/money/scheme.ts";
import { openPayments, type Payments } from "../../lib/provider/settlement/payments.ts";
import type { Settlement } from "../../lib/provider/settlement/settlement.ts";
import type { Ledger } from "../../lib/provider/ledger/ledger.ts";
import { anvilAccount } from "./anvil.ts";
import { billFor, permitOf, PRICE, PROVIDER } from "./payer_bills.ts";
import { FAKE_ESCROW, FAKE_USDC, fakeChain, rpcError } from "./fake_chain.ts";
import { LANES, PAYERS, PERMITS, type Step } from "./payment_steps.ts";

const OPERATOR = anvilAccount(2);
const INTERVAL_SECONDS = 86_400;
/** A permit must outlive a call by so long: its run and three intervals. */
const SETTLE_WINDOW_SECONDS = 3n * BigInt(INTERVAL_SECONDS) + 15n;
/** From a bump to the end of the epoch: time enough for calls before the settle window. */
const NOTICE_SECONDS = 10n * SETTLE_WINDOW_SECONDS;
/** Until all is settled that can be. */
const ROUNDS = 3;

interface Page {
  charged: bigint;
  held: bigint;
}

interface Held {
  key: string;
  hold: Hold;
}

function settings(mode: "batch" | "each"): ProviderConfig {
  const times = { intervalSeconds: INTERVAL_SECONDS, pollMs: 600_000 };
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

/** Whoever pays, whatever was before. */
const ONE_PRICE = { priceOf: () => PRICE, before: () => null, since: () => null };

type Selling = Pick<Payments, "payers" | "policy"> & {
  readonly ledger: Ledger;
  readonly settlement: Pick<Settlement, "noticeCharge">;
};

/** The scheme "credits" on a provider's books. */
export function creditsOn(
  { ledger, payers, settlement, policy }: Selling,
  now: () => number,
): Credits {
  const seller = {
    chainId: 31337,
    escrow: FAKE_ESCROW,
    provider: PROVIDER.address,
    price: PRICE,
  };
  return new Credits({
    seller,
    offer: () => ({
      chainId: seller.chainId,
      escrow: FAKE_ESCROW,
      asset: FAKE_ESCROW,
      payTo: PROVIDER.address,
      pricePerCredit: PRICE,
      maxTimeoutSeconds: 15,
      thawingPeriodSeconds: 3_600,
    }),
    policy,
    ledger,
    payers,
    receipts: { pathOf: String },
    ownerCredits: { note() {} },
    isDeploymentLane: () => false,
    ownerPermit: ({ entry }) => entry.permit,
    ownerPrices: ONE_PRICE,
    relay: () => Promise.reject(new Error("nobody deposits here")),
    onCharge: () => settlement.noticeCharge(),
    now,
  });
}

/** One history: the real thing and the paper beside it. */
export async function openHistory(mode: "batch" | "each") {
  const dir = await Deno.makeTempDir();
  const fake = fakeChain(PROVIDER.address);
  let nowMs = 1_700_000_000_000;
  const seconds = () => BigInt(Math.floor(nowMs / 1000));
  Object.defineProperty(fake, "now", { get: seconds });
  for (const { address } of PAYERS) fake.allow(address, PRICE, 8n);
  const pages = new Map<string, Page>();
  const held: Held[] = [];
  /** Whether the provider has heard of everything that happened on the chain. */
  let isCurrent = true;
  let isSilent = false;
  let hasReorganised = false;

  async function open(): Promise<Payments> {
    const payments = await openPayments({
      chain: fake.chain,
      escrow: FAKE_ESCROW,
      usdc: FAKE_USDC,
      provider: settings(mode),
      account: OPERATOR,
      thawingPeriodSeconds: 3_600n,
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

  /** Whether a permit of this epoch can still be settled, as the protocol has it. */
  function isEpochGood(payer: LocalAccount, signed: number): boolean {
    const { epoch, epochEnd } = fake.allowanceOf(payer.address);
    if (epochEnd === 0n) return signed === epoch;
    const isOver = seconds() + SETTLE_WINDOW_SECONDS >= epochEnd;
    return signed === epoch + 1 || (signed === epoch && !isOver);
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
    await fake.mine();
    await inTime(payments.follower.poll());
    // What an event cures is due again once the chain was asked.
    await payments.settlement.revived();
    if (!isSilent) isCurrent = true;
  }

  async function call({ payer, lane, permit: index, age }: Extract<Step, { do: "call" }>) {
    const account = PAYERS[payer]!;
    const epoch = Math.max(0, signingEpoch(fake.allowanceOf(account.address)) - age);
    const permit = await permitOf(account, LANES[lane]!, PERMITS[index]!, epoch);
    const bill = billFor(account, LANES[lane]!, permit);
    const key = keyOf(payer, lane);
    const { charged, held: holding } = page(key);
    const before = taken(payer, lane);
    const { credits, thawingCredits } = fake.allowanceOf(account.address);
    const left = credits - thawingCredits - outstanding(payer);
    const isPrepaid = mode === "each" && before > charged + holding;
    const hasRoom = charged + holding < permit.credits;
    const isRefused = laneAt(account, lane)?.refused ?? null;
    const isGood = isEpochGood(account, epoch);
    let why = "served";
    const hold = await inTime(holdOne(bill)).catch((error) => {
      why = String(error);
      return null;
    });
    const about = `${key} permit ${permit.credits} of ${epoch}: ` +
      `${left} left, ${charged}+${holding} used; ${why}`;
    if (isCurrent && !isSilent && isRefused === null) {
      assert.equal(hold !== null, isGood && hasRoom && (isPrepaid || left > 0n), about);
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
    const epoch = signingEpoch(fake.allowanceOf(account.address));
    const permit = await permitOf(account, LANES[lane]!, PERMITS.at(-1)!, epoch);
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

  /**
   * Time goes on to where old permits are not served any more, or to where they are void. What was
   * served is settled by then.
   */
  async function passEpoch(payer: number): Promise<void> {
    silence(false);
    while (held.length > 0) await end("charge", 0);
    await hear();
    await inTime(payments.settlement.settleNow());
    const { epochEnd } = fake.allowanceOf(PAYERS[payer]!.address);
    if (epochEnd === 0n) return;
    const lastServed = epochEnd - SETTLE_WINDOW_SECONDS;
    nowMs = Number(seconds() < lastServed ? lastServed : epochEnd) * 1_000;
    await hear();
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
      case "take permits back": {
        const { address } = PAYERS[step.payer]!;
        if (fake.allowanceOf(address).epochEnd !== 0n) return await passEpoch(step.payer);
        fake.bumpEpoch(address, seconds() + NOTICE_SECONDS);
        break;
      }
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
    // On a busy machine time runs so fast that a batch is put off: the next round takes it.
    for (let round = 0; round < ROUNDS; round++) await inTime(payments.settlement.settleNow());
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
