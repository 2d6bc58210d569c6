/**
 * Settlement alone, on books and a chain that exist as numbers: seconds pass one by one, a block
 * comes every two, and holds of ours what its share allows. Nothing here takes real time.
 */
import { mock } from "node:test";
import {
  type Address,
  decodeFunctionData,
  encodeEventTopics,
  getAddress,
  type Hex,
  numberToHex,
  pad,
  type TransactionReceipt,
} from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import type { Charge } from "../../lib/chain/escrow_provider.ts";
import { silentLog } from "../../lib/log.ts";
import type { Permit } from "../../lib/permit.ts";
import type { LaneId } from "../../lib/provider/ledger/journal.ts";
import type { ChainFact, DueLane, LaneState } from "../../lib/provider/ledger/ledger.ts";
import { BATCH_GAS, Capacity, NEW_ROW_GAS } from "../../lib/provider/settlement/capacity.ts";
import { Settlement, type SettlementOptions } from "../../lib/provider/settlement/settlement.ts";
import { selectorOf } from "./fake_escrow.ts";

const ESCROW: Address = getAddress(`0x${"e5".repeat(20)}`);
const PROVIDER: Address = getAddress(`0x${"99".repeat(20)}`);
const INTERVAL_SECONDS = 10;
const WINDOW_SECONDS = 30;
const BLOCK_SECONDS = 2;
const THAW_SECONDS = 60;
/** Rows that a block's share holds. */
const BLOCK_ROWS = 360n;
const SHARE_GAS = BATCH_GAS + BLOCK_ROWS * NEW_ROW_GAS;
/** At one wei a unit of gas a row costs 40,000 base units. */
const COIN_PRICE = 10n ** 18n;
const [DUST, DEBT] = [1n, 10n ** 8n];

interface Debt extends DueLane {
  settledAt: number | null;
  /** What was before it in the round that took it, on its way or of an earlier turn; rows. */
  rowsAhead: number;
  /** The escrow skipped it once, so it had to wait for a further round. */
  isSkipped: boolean;
}

interface Sent {
  readonly rows: readonly Charge[];
  readonly mined: PromiseWithResolvers<TransactionReceipt>;
}

export type PromiseWorld = ReturnType<typeof openPromiseWorld>;

export function openPromiseWorld() {
  let now = 1_000;
  let block = 500n;
  let lanes = 0;
  let gasPrice = 1n;
  let isHeldBack = false;
  const debts = new Map<string, Debt>();
  const done: Debt[] = [];
  const thawEnds = new Map<Address, bigint>();
  const skipped = new Set<Address>();
  const mempool: Sent[] = [];
  const capacity = new Capacity(0.5);

  // Rounds come by the seconds of this world.
  mock.timers.enable({ apis: ["setInterval"] });
  const settlement = new Settlement({
    chain: {
      endpoint: "world",
      public: {
        getBlock: () =>
          Promise.resolve({ number: block, timestamp: BigInt(now), gasLimit: 2n * SHARE_GAS }),
        getBlockNumber: () => Promise.resolve(block),
      } as never,
      readMany: (reads) =>
        Promise.resolve(reads.map(({ functionName, args }) => {
          if (functionName === "consumed") return 0n;
          const thawEnd = thawEnds.get(args![0] as Address) ?? 0n;
          return { epoch: 0, epochEnd: 0n, thawEnd, signer: args![0], credits: 1n };
        }) as never),
    },
    escrow: ESCROW,
    provider: PROVIDER,
    ledger: ledgerOf(debts),
    operator: {
      address: PROVIDER,
      gasPrice: () => Promise.resolve(gasPrice),
      launch(call) {
        const { args } = decodeFunctionData({ abi: escrowAbi, data: (call as { data: Hex }).data });
        const mined = Promise.withResolvers<TransactionReceipt>();
        mempool.push({ rows: args![0] as unknown as Charge[], mined });
        return Promise.resolve({ transaction: "0x", mined: mined.promise });
      },
    },
    watch: { limits: () => null, expect: () => () => {}, look: () => Promise.resolve() },
    capacity,
    log: silentLog,
    now: () => now * 1_000,
    intervalMs: INTERVAL_SECONDS * 1_000,
    amount: 1n,
    windowSeconds: WINDOW_SECONDS,
    coinPrice: COIN_PRICE,
    closeWaitMs: 1,
  });

  /** Whatever is ready has happened. */
  async function turn(): Promise<void> {
    for (let n = 0; n < 4; n++) await new Promise((resolve) => setImmediate(resolve));
  }

  function mine(): void {
    block += 1n;
    let left = SHARE_GAS;
    while (mempool.length > 0 && !isHeldBack) {
      const gas = BATCH_GAS + NEW_ROW_GAS * BigInt(mempool[0]!.rows.length);
      if (gas > left) return;
      left -= gas;
      const { rows, mined } = mempool.shift()!;
      mined.resolve(receiptOf(rows, gas));
    }
  }

  function receiptOf(rows: readonly Charge[], gasUsed: bigint): TransactionReceipt {
    const logs = rows.map(({ permit: { payer, provider, lane } }) => {
      const isSkipped = skipped.delete(payer);
      if (isSkipped) debts.get(keyOf({ payer, lane }))!.isSkipped = true;
      const eventName = isSkipped ? "ChargeSkipped" : "Charged";
      const topics = encodeEventTopics({
        abi: escrowAbi,
        eventName,
        args: { payer, provider, lane },
      });
      if (!isSkipped) end(keyOf({ payer, lane }));
      // An older counter of the lane, so that nothing comes of it.
      const reason = selectorOf("AlreadyCharged").slice(2).padEnd(64, "0");
      const data: Hex = isSkipped ? `${pad("0x01")}${reason}` : "0x";
      return { address: ESCROW, topics, data };
    });
    return { status: "success", logs, gasUsed, transactionHash: pad("0x01") } as never;
  }

  function end(key: string): void {
    const debt = debts.get(key);
    if (!debt) return;
    debts.delete(key);
    done.push(Object.assign(debt, { settledAt: now }));
  }

  /** A round begins: ahead of a debt are those on their way and those whose turn is earlier. */
  function noteRound(): void {
    const out = new Set(mempool.flatMap(({ rows }) => rows.map(({ permit }) => keyOf(permit))));
    const turns = [...debts.values()].filter((debt) => !out.has(keyOf(debt)))
      .map((debt) => ({ debt, at: turnOf(debt) })).sort((a, b) => a.at - b.at);
    const last = new Map(turns.map(({ at }, index) => [at, index]));
    for (const key of out) noteAhead(debts.get(key), out.size);
    for (const { debt, at } of turns) noteAhead(debt, out.size + last.get(at)! + 1);
  }

  /** Of the first round after it became due. */
  function noteAhead(debt: Debt | undefined, rows: number): void {
    if (debt && debt.since / 1_000 >= now - INTERVAL_SECONDS) debt.rowsAhead = rows;
  }

  function turnOf(debt: Debt): number {
    const byEnd = endOf(debt) - Number(settlement.windowSeconds());
    return Math.min(debt.since / 1_000 + INTERVAL_SECONDS, byEnd);
  }

  function endOf({ payer, deadline }: Debt): number {
    const thawEnd = thawEnds.get(payer);
    const end = Number(deadline) + 1;
    return thawEnd === undefined ? end : Math.min(end, Number(thawEnd));
  }

  return {
    /** So many lanes of a payer become due, unless there is no room for them. */
    owe(what: { payer: number; lanes: number; spare: number; isDust: boolean }): void {
      const payer = payerOf(what.payer);
      const mine = [...debts.values()].filter((debt) => debt.payer === payer).length;
      for (let n = 0; n < what.lanes && settlement.backlog(mine + n) === null; n++) {
        const window = Number(settlement.windowSeconds());
        const deadline = BigInt(now + window + what.spare);
        const thawEnd = thawEnds.get(payer);
        if (thawEnd !== undefined && Number(thawEnd) < now + window) return;
        const lane = numberToHex(++lanes, { size: 32 });
        const amount = what.isDust ? DUST : DEBT;
        const owed = { deadline, epoch: 0, settled: 0n, amount };
        const debt = { payer, lane, since: now * 1_000, ...owed };
        debts.set(keyOf(debt), {
          ...debt,
          settledAt: null,
          rowsAhead: 0,
          isSkipped: false,
        });
      }
    },
    async giveNotice(n: number): Promise<void> {
      const payer = payerOf(n);
      if (thawEnds.has(payer)) return;
      thawEnds.set(payer, BigInt(now + THAW_SECONDS));
      settlement.settlePayer(payer);
      await turn();
    },
    async amountIsDue(): Promise<void> {
      settlement.noticeCharge();
      await turn();
    },
    gasCosts(times: number): void {
      gasPrice = BigInt(times);
    },
    /** The payer's next row is skipped. */
    skip(n: number): void {
      skipped.add(payerOf(n));
    },
    /** Nothing is mined from now on. */
    holdBack(): void {
      isHeldBack = true;
    },
    async second(): Promise<void> {
      now += 1;
      if (now % BLOCK_SECONDS === 0) mine();
      await turn();
      if (now % INTERVAL_SECONDS !== 0) return;
      noteRound();
      settlement.settleDue();
      await turn();
    },
    settled: () => done.length,
    /** Debts that were, or are, worth their gas and waited too long. */
    late(): { since: number; settledAt: number | null; bound: number }[] {
      return [...done, ...debts.values()]
        .filter(({ amount, isSkipped }) => amount === DEBT && !isSkipped)
        .map(({ since, settledAt, rowsAhead }) => {
          // By the next round's begin, as long as the provider itself says, and one block.
          const round = INTERVAL_SECONDS + capacity.secondsFor(rowsAhead);
          return { since, settledAt, bound: since / 1_000 + round + BLOCK_SECONDS };
        })
        .filter(({ settledAt, bound }) => settledAt === null ? now > bound : settledAt > bound);
    },
    async close(): Promise<void> {
      isHeldBack = false;
      const closed = settlement.close();
      for (let n = 0; n < 200; n++) {
        mine();
        await turn();
      }
      await closed;
      mock.timers.reset();
    },
  };
}

const keyOf = ({ payer, lane }: LaneId) => `${payer}:${lane}`;
const payerOf = (n: number) => getAddress(numberToHex(n + 1, { size: 20 }));

/** Books that hold so many debts, each a lane of one credit. */
function ledgerOf(debts: ReadonlyMap<string, Debt>): SettlementOptions["ledger"] {
  return {
    due: () => Promise.resolve([...debts.values()]),
    dueOf: (payer: Address) =>
      Promise.resolve([...debts.values()].filter((debt) => debt.payer === payer)),
    lane: (id: LaneId) => Promise.resolve(stateOf(debts.get(keyOf(id)))),
    refused: () => Promise.resolve([]),
    // A row that is skipped for now, as its lane is level in the end.
    record: (_: readonly ChainFact[]) => Promise.resolve(),
    totals: () => ({
      // More than the settlement's amount, whenever there is anything.
      unsettled: BigInt(debts.size) * DEBT,
      held: 0n,
      preheld: 0n,
      dueLanes: debts.size,
    }),
  };
}

function stateOf(debt: Debt | undefined): LaneState | undefined {
  if (!debt) return undefined;
  const { payer, lane, deadline, epoch, amount } = debt;
  const signature: Hex = `0x${"00".repeat(65)}`;
  const permit = {
    payer,
    provider: PROVIDER,
    lane,
    price: amount,
    credits: 1n,
    deadline,
    epoch,
    signature,
  };
  const counters = { charged: 1n, settled: 0n, held: 0n, settledBlock: 0n, refused: null };
  const segments = [{ upTo: 1n, price: amount }];
  return { payer, lane, ...counters, segments, ...permitsOf(permit) } as unknown as LaneState;
}

function permitsOf(permit: Permit) {
  return { permit, permits: [{ permit, signer: permit.payer }] };
}
