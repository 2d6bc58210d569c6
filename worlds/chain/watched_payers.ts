/**
 * A provider's money on the chain in memory, with every request to the chain counted: for who asks
 * how much of the chain a number of payers, or of strangers, costs.
 */
import { encodeFunctionData, type Hex, type LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { escrowAbi } from "../../lib/chain/abi.ts";
import type { Charge } from "../../lib/chain/escrow_provider.ts";
import { type ConfigJson, parseConfig, type ProviderConfig } from "../../lib/config.ts";
import type { Permit } from "../../lib/permit.ts";
import type { Credits } from "../../lib/provider/money/credits.ts";
import { openPayments, type Payments } from "../../lib/provider/settlement/payments.ts";
import { manualClock } from "../clock.ts";
import { hearLog } from "../heard_log.ts";
import { anvilAccount } from "./anvil.ts";
import { FAKE_ESCROW, FAKE_USDC, fakeChain } from "./fake_chain.ts";
import { billFor, permitOf, PRICE, PROVIDER } from "./payer_bills.ts";
import { creditsOn } from "./payment_history.ts";

const OPERATOR = anvilAccount(2);
/** Between two blocks, ms. */
export const BLOCK_MS = 2_000;
const START = 1_700_000_000_000;

type Settings = NonNullable<NonNullable<ConfigJson["provider"]>["settlement"]>;

/** Between two looks of the operator for receipts, ms. */
const POLL_MS = 500;

/** Nothing is settled but when the test says so, and nothing is polled but by `look`. */
export function bookSettings(settlement: Settings = {}): ProviderConfig {
  return parseConfig({
    provider: {
      name: "provider.test",
      address: PROVIDER.address,
      webDomain: "http://provider.test",
      price: String(PRICE),
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: "keys.json",
      // What ether cost once: gas is asked for, and worth it.
      gas: { coinPrice: "4000000000" },
      settlement: { amount: "1000000000", intervalSeconds: 86_400, pollMs: 600_000, ...settlement },
    },
  }, "/").provider!;
}

/** The payer with this number; each its own. */
export function payerAt(n: number): LocalAccount {
  return privateKeyToAccount(`0x${(n + 1_000).toString(16).padStart(64, "0")}`);
}

/** A lane of whoever signs for it. */
export function laneAt(n: number): Hex {
  return `0x${n.toString(16).padStart(64, "0")}`;
}

/** An IPv4 address of the n-th network. */
export function networkAt(n: number): string {
  return `${20 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.7`;
}

export type WatchedPayers = Awaited<ReturnType<typeof openWatchedPayers>>;

/** Opens it. */
export async function openWatchedPayers(settlement: Settings = {}) {
  const dir = await Deno.makeTempDir();
  const fake = fakeChain(PROVIDER.address);
  const heard = hearLog();
  const clock = manualClock(START);
  const world = { now: START, requests: 0, isCounting: true };
  Object.defineProperty(fake, "now", { get: () => BigInt(Math.floor(world.now / 1_000)) });
  fake.intercept = () => {
    if (world.isCounting) world.requests += 1;
    return Promise.resolve(undefined);
  };
  await fake.mine();

  async function open(): Promise<{ payments: Payments; credits: Credits }> {
    const now = () => world.now;
    const payments = await openPayments({
      chain: fake.chain,
      escrow: FAKE_ESCROW,
      usdc: FAKE_USDC,
      provider: bookSettings(settlement),
      account: OPERATOR,
      thawingPeriodSeconds: 1_000_000n,
      dir,
      log: heard.log,
      now,
      receiptPollMs: POLL_MS,
      after: clock.after,
      closeWaitMs: 1,
    });
    await payments.follower.poll();
    return { payments, credits: creditsOn(payments, now) };
  }

  const own = Object.assign(world, await open());
  return Object.assign(own, {
    fake,
    heard,
    dir,
    /** One call from its admission to its charge. */
    async call(account: LocalAccount, lane: Hex, permit?: Permit, from?: string): Promise<void> {
      const signed = permit ?? await permitOf(account, lane, 1_000_000n, 0);
      const bill = { ...billFor(account, lane, signed), ...(from === undefined ? {} : { from }) };
      const { credits } = own;
      const hold = await credits.hold(await credits.admit(bill));
      await hold.charge("answered", null);
    },
    /** The operator looks for receipts until a block is made, and the follower looks. */
    async look(): Promise<void> {
      for (let ms = 0; ms < BLOCK_MS; ms += POLL_MS) {
        world.now += POLL_MS;
        clock.advance(POLL_MS);
        await until(() => clock.pending() > 0 || own.payments.operator.pending() === 0);
      }
      await fake.mine();
      await own.payments.follower.poll();
    },
    /** The provider settles what is due, and its operator looks for receipts meanwhile. */
    async settleNow(): Promise<void> {
      let isOver = false;
      const settled = own.payments.settlement.settleNow().finally(() => isOver = true);
      while (!isOver) {
        clock.advance(POLL_MS);
        await until(() => isOver || clock.pending() > 0);
      }
      await settled;
    },
    /** Another process with the operator's key settles each lane up to `credits`; uncounted. */
    async settle(rows: readonly Charge[]): Promise<void> {
      // As many as a block holds.
      if (rows.length > 500) await this.settle(rows.slice(500));
      const args = [rows.slice(0, 500)] as const;
      const data = encodeFunctionData({ abi: escrowAbi, functionName: "consume", args });
      const raw = await OPERATOR.signTransaction({
        to: FAKE_ESCROW,
        data,
        chainId: 31_337,
        nonce: fake.nonce(),
        gas: 28_000_000n,
        maxFeePerGas: 2n,
        type: "eip1559",
      });
      world.isCounting = false;
      await fake.chain.public.request({ method: "eth_sendRawTransaction", params: [raw] });
      world.isCounting = true;
    },
    /** How many requests `work` takes. */
    async counted(work: () => Promise<unknown>): Promise<number> {
      const before = world.requests;
      await work();
      return world.requests - before;
    },
    /** The process ends. */
    end: () => own.payments.close(),
    /** Another one starts. */
    async start(): Promise<void> {
      Object.assign(own, await open());
    },
    async restart(): Promise<void> {
      await this.end();
      await this.start();
    },
    async [Symbol.asyncDispose]() {
      await own.payments.close();
      await Deno.remove(dir, { recursive: true });
    },
  });
}

/** Resolves once it is so. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
