/**
 * A provider's whole money (credits, ledger, operator, follower, settlement) on the chain in
 * memory, with any number of payers, blocks that come by time, and a clock that nobody waits for.
 */
import type { Address, Hex, LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { parseConfig } from "../../lib/config.ts";
import { type Permit, signPermit, UINT64_MAX } from "../../lib/permit.ts";
import type { Credits } from "../../lib/provider/money/credits.ts";
import type { Hold } from "../../lib/provider/money/scheme.ts";
import { openPayments, type Payments } from "../../lib/provider/settlement/payments.ts";
import { type HeardLog, hearLog } from "../heard_log.ts";
import { anvilAccount } from "./anvil.ts";
import { FAKE_ESCROW, FAKE_USDC, FakeChain, rpcError } from "./fake_chain.ts";
import { billFor, PRICE, PROVIDER } from "./payer_bills.ts";
import { creditsOn } from "./payment_history.ts";
import type { Debt } from "./turns.ts";

export const OPERATOR = anvilAccount(2);
/** When a world begins, Unix seconds. */
const START = 1_700_000_000n;
const GWEI = 10n ** 9n;
/** What a row costs at most; a debt's gas. */
const ROW_GAS = 40_000;
/** Looks in a row at which nothing has moved. */
const QUIET_LAPS = 5;
/** A chain that is out of reach tells nothing, however long one waits. */
const LAPS_MAX = 200;

export interface WorldOptions {
  blockSeconds?: bigint;
  /** Seconds between settlements; they begin with a block. */
  intervalSeconds?: number;
  /** How late the provider's clock is, seconds. */
  lateSeconds?: number;
  /** Of the provider's settings. */
  settlement?: Record<string, unknown>;
  provider?: Record<string, unknown>;
}

export interface Terms {
  credits?: bigint;
  /** Seconds from now; for ever when absent. */
  lasts?: bigint;
  signer?: LocalAccount;
  epoch?: number;
}

/** What was used and signed on a lane, on paper. */
export interface Page {
  payer: Address;
  lane: Hex;
  charged: bigint;
  signed: bigint;
}

/** It is settled once the lane's counter has reached `upTo`. */
interface WorldDebt extends Debt {
  upTo: bigint;
}

/** The nth lane. */
export const laneOf = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;

/** So many payers, the lowest address first. */
export function payersByAddress(count: number): LocalAccount[] {
  const accounts = [...Array(count).keys()].map((n) => privateKeyToAccount(laneOf(n + 1_000)));
  return accounts.sort((a, b) => a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1);
}

export class MoneyWorld implements AsyncDisposable {
  readonly fake: FakeChain;
  readonly heard: HeardLog = hearLog();
  readonly pages = new Map<string, Page>();
  readonly debts: WorldDebt[] = [];
  payments!: Payments;
  credits!: Credits;
  readonly #dir: string;
  readonly #options: WorldOptions;
  /** The newest debt of each lane. */
  readonly #newest = new Map<Page, WorldDebt>();
  readonly #permits = new Map<string, Permit>();
  /** The block up to which settlements were written down. */
  #seen = 0;
  #settledAt: bigint;
  /** Rounds of this life that have not ended. */
  #rounds = new Set<Promise<void>>();

  private constructor(dir: string, options: WorldOptions) {
    this.#dir = dir;
    this.#options = options;
    this.fake = new FakeChain(PROVIDER.address);
    Object.assign(this.fake, { now: START, isMining: false, balance: 10n ** 18n, tip: GWEI / 10n });
    this.fake.blockSeconds = options.blockSeconds ?? 12n;
    this.fake.baseFee = () => GWEI;
    this.#settledAt = START;
  }

  static async open(options: WorldOptions = {}): Promise<MoneyWorld> {
    const world = new MoneyWorld(await Deno.makeTempDir(), options);
    await world.fake.mine();
    await world.start();
    return world;
  }

  nowMs = () => (Number(this.fake.now) - (this.#options.lateSeconds ?? 0)) * 1_000;

  /** The provider starts, on what an earlier life left. */
  async start(): Promise<void> {
    const { intervalSeconds = 12, settlement = {}, provider = {} } = this.#options;
    this.payments = await openPayments({
      chain: this.fake.chain,
      escrow: FAKE_ESCROW,
      usdc: FAKE_USDC,
      provider: parseConfig({
        provider: {
          name: "provider.test",
          address: PROVIDER.address,
          webDomain: "http://provider.test",
          price: String(PRICE),
          terms: ["terms.txt"],
          stateDir: "state",
          keyFile: "keys.json",
          settlement: { pollMs: 600_000, intervalSeconds, amount: "1000000000", ...settlement },
          ...provider,
        },
      }, "/").provider!,
      account: OPERATOR,
      thawingPeriodSeconds: 3_600n,
      dir: this.#dir,
      log: this.heard.log,
      now: this.nowMs,
      receiptPollMs: 1,
      closeWaitMs: 1,
    });
    this.credits = creditsOn(this.payments, this.nowMs);
    this.#rounds = new Set();
    await this.payments.follower.poll();
  }

  /** A call is admitted; @returns why not, or its hold. */
  async hold(payer: LocalAccount, lane: Hex, terms: Terms = {}): Promise<Hold | string> {
    const permit = await this.#permit(payer, lane, terms);
    try {
      const bill = billFor(payer, lane, permit);
      const hold = await this.credits.hold(await this.credits.admit(bill));
      const page = this.#page(payer.address, lane);
      if (permit.credits > page.signed) page.signed = permit.credits;
      return hold;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** A call that is served; @returns whether it was. */
  async call(payer: LocalAccount, lane: Hex, terms: Terms = {}): Promise<boolean> {
    const hold = await this.hold(payer, lane, terms);
    if (typeof hold === "string") return false;
    await this.charge(payer, lane, hold, terms);
    return true;
  }

  async charge(payer: LocalAccount, lane: Hex, hold: Hold, { lasts }: Terms = {}): Promise<void> {
    await hold.charge("answered", null);
    const page = this.#page(payer.address, lane);
    page.charged += 1n;
    const { charged: upTo } = page;
    const chargedAt = Number(this.fake.now);
    const known = this.#newest.get(page);
    if (known?.chargedAt === chargedAt) return void (known.upTo = upTo);
    const endsAt = lasts === undefined ? Infinity : chargedAt + Number(lasts);
    const { address } = payer;
    const debt = { payer: address, lane, chargedAt, settledAt: null, endsAt, gas: ROW_GAS, upTo };
    this.#newest.set(page, debt);
    this.debts.push(debt);
  }

  /** Blocks come; after each the provider does what it does, and settles when it is time. */
  async pass(blocks: number): Promise<void> {
    const { intervalSeconds = 12 } = this.#options;
    for (let n = 0; n < blocks; n++) {
      this.fake.advance(this.fake.blockSeconds!);
      await this.payments.follower.poll();
      if (this.fake.now - this.#settledAt >= BigInt(intervalSeconds)) this.settle();
      await this.rest();
    }
  }

  /** A round begins; what it takes goes on beside. */
  settle(): void {
    this.#settledAt = this.fake.now;
    const rounds = this.#rounds;
    const round = this.payments.settlement.settleDue();
    rounds.add(round);
    round.finally(() => rounds.delete(round));
  }

  /** The provider is killed, and starts again on what it left. */
  async restart(): Promise<void> {
    const { intercept } = this.fake;
    this.fake.intercept = () => Promise.reject(rpcError("the process is over"));
    await this.payments.close();
    this.#rounds.clear();
    this.fake.intercept = intercept;
    await this.start();
  }

  /** Waits until nothing moves any more before the next block: all is sent, or all is done. */
  async rest(): Promise<void> {
    const { operator, ledger, settlement } = this.payments;
    const looks = () =>
      [
        this.fake.mempool.map(({ hash }) => hash).join(),
        operator.pending(),
        ledger.totals().unsettled,
      ].join();
    let last = "";
    for (let quiet = 0, laps = 0; quiet < QUIET_LAPS && laps < LAPS_MAX; laps++) {
      await settlement.revived();
      // However slow the disk is, what waits for it has had its turn.
      await ledger.store.sync();
      await new Promise((resolve) => setTimeout(resolve, 2));
      const now = looks();
      quiet = now === last && !this.#isBusy() ? quiet + 1 : 0;
      last = now;
    }
    this.#writeDown();
  }

  /** Whether a round has sent nothing yet, or the operator has not heard of what was mined. */
  #isBusy(): boolean {
    const { operator } = this.payments;
    const pending = operator.pending();
    const held = new Set(this.fake.mempool.map(({ nonce }) => nonce));
    // Without coin no node holds what was signed.
    const isUnheard = pending > held.size && !operator.figures().lacksCoin;
    return this.#rounds.size > 0 && pending === 0 || isUnheard;
  }

  /** Transactions of the operator that were mined. */
  settlements(): number {
    return this.fake.nonce(OPERATOR.address);
  }

  /** What the escrow took off a lane. */
  taken({ address }: Pick<LocalAccount, "address">, lane: Hex): bigint {
    return this.fake.consumed(address, lane);
  }

  /** The log's lines of one message. */
  told(message: string): number {
    return this.heard.lines.filter((line) => JSON.parse(line).message === message).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.fake.intercept = () => Promise.reject(new Error("the test is over"));
    await this.payments.close();
    await Deno.remove(this.#dir, { recursive: true });
  }

  /** Debts end with the block in which the escrow has taken what was due. */
  #writeDown(): void {
    const { list } = this.fake.blocks;
    for (; this.#seen < list.length; this.#seen++) {
      if (list[this.#seen]!.mined.length === 0) continue;
      for (const debt of this.debts) {
        const { payer, lane, upTo } = debt;
        if (debt.settledAt !== null || this.fake.consumed(payer, lane) < upTo) continue;
        debt.settledAt = Number(list[this.#seen]!.timestamp);
      }
    }
  }

  #page(payer: Address, lane: Hex): Page {
    const key = `${payer}:${lane}`;
    const known = this.pages.get(key) ?? { payer, lane, charged: 0n, signed: 0n };
    this.pages.set(key, known);
    return known;
  }

  async #permit(payer: LocalAccount, lane: Hex, terms: Terms): Promise<Permit> {
    const { credits = 1_000_000n, lasts, signer = payer, epoch = 0 } = terms;
    const deadline = lasts === undefined ? UINT64_MAX : this.fake.now + lasts;
    const key = [payer.address, lane, credits, deadline, signer.address, epoch].join();
    const known = this.#permits.get(key);
    if (known) return known;
    const permit = await signPermit(signer, { chainId: 31_337, escrow: FAKE_ESCROW }, {
      payer: payer.address,
      provider: PROVIDER.address,
      lane,
      price: PRICE,
      credits,
      deadline,
      epoch,
    });
    this.#permits.set(key, permit);
    return permit;
  }
}
