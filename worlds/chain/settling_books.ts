/**
 * The books of a provider that settles: the real ledger, operator and settlement on the chain in
 * memory. Batches can be held up, lost or altered on their way, and counted.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { decodeFunctionData, type Hex, type LocalAccount, type TransactionReceipt } from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import type { Chain } from "../../lib/chain/client.ts";
import { type Charge, NEVER } from "../../lib/chain/escrow_provider.ts";
import type { CidText } from "../../lib/cid.ts";
import { signPermit, UINT64_MAX } from "../../lib/permit.ts";
import type { PayerView } from "../../lib/provider/ledger/judge.ts";
import type { DueLane, LaneState } from "../../lib/provider/ledger/ledger.ts";
import { openSqliteLedger } from "../../lib/provider/ledger/sqlite_ledger.ts";
import { Capacity } from "../../lib/provider/settlement/capacity.ts";
import { parseEscrowLogs, settlementsIn } from "../../lib/provider/settlement/escrow_events.ts";
import {
  openOperator,
  type Operator,
  type Sending,
} from "../../lib/provider/settlement/operator.ts";
import { OperatorWatch } from "../../lib/provider/settlement/operator_watch.ts";
import { Settlement, type SettlementOptions } from "../../lib/provider/settlement/settlement.ts";
import { hearLog } from "../heard_log.ts";
import { openOutboxStore } from "../../lib/provider/settlement/outbox_store.ts";
import { anvilAccount } from "./anvil.ts";
import { FAKE_ESCROW, fakeChain } from "./fake_chain.ts";

const PROVIDER = anvilAccount(1).address;
export const [ANNA, BERT] = [anvilAccount(4), anvilAccount(5)];
/** What a run costs when nothing else is said. */
export const PRICE = 5n;
/** The most that permits and allowances here pay for a credit. */
export const PRICE_MAX = 100n;
/** What Anna and Bert allow at first, each, and what their permits are good for. */
export const CREDITS = 1_000n;

type Times = Partial<
  Pick<SettlementOptions, "amount" | "intervalMs" | "closeWaitMs" | "coinPrice" | "windowSeconds">
>;

interface Setting extends Times {
  /** Gas that a block takes; of which half is for settlement. */
  blockGas?: bigint;
}

/** What goes between the settlement, its books and the chain, as a test may change it. */
function carrying() {
  return {
    /** Every batch, in the order they were sent in. */
    batches: [] as Charge[][],
    /** What the operator was told of each. */
    sendings: [] as Sending[],
    /** Wei for a unit of gas. */
    gasPrice: 0n,
    /** Ms since the epoch. */
    now: 0,
    /** How often the ledger was asked what is due. */
    looks: 0,
    /** Receipts come without the events that they must have. */
    isMute: false,
    /** What the chain says of many payers or lanes, on its way to the settlement. */
    tellReads: (answers: unknown[]) => answers,
    /** What becomes of a batch; `send` has the operator mine it. */
    carry: (send: () => Promise<TransactionReceipt>) => send(),
    /** Why a batch is not sent; null: it is. */
    refuse: (_sending: Sending): Error | null => null,
    /** What the ledger found due, on its way to the settlement. */
    tellDue: (due: DueLane[]) => Promise.resolve(due),
  };
}

type Carrying = ReturnType<typeof carrying>;

export interface Use {
  price?: bigint;
  signer?: LocalAccount;
  deadline?: bigint;
}

export type SettlingBooks = Awaited<ReturnType<typeof openSettlingBooks>>;

/** Opens them; nothing settles by itself unless `times` say so. */
export async function openSettlingBooks({ blockGas, ...times }: Setting = {}) {
  const dir = await Deno.makeTempDir();
  const fake = fakeChain(PROVIDER, blockGas === undefined ? {} : { blockGas });
  for (const { address } of [ANNA, BERT]) fake.allow(address, PRICE_MAX, CREDITS);
  const heard = hearLog();
  const ledger = await openSqliteLedger({
    path: join(dir, "ledger.db"),
    now: () => 0,
    settleWindowSeconds: () => 0n,
    thawingPeriodSeconds: 3_600n,
    operatorLimits: () => null,
  });
  const world = carrying();
  const operator = await openOperator({
    store: openOutboxStore(join(dir, "operator.db")),
    chain: fake.chain,
    account: anvilAccount(2),
    log: heard.log,
    pollMs: 1,
    async onMined({ logs }) {
      if (!world.isMute) await ledger.record(settlementsIn(parseEscrowLogs(FAKE_ESCROW, logs)));
    },
  });
  const watch = new OperatorWatch({
    chain: fake.chain,
    escrow: FAKE_ESCROW,
    provider: PROVIDER,
    operator: operator.address,
  });
  async function readMany<T>(...reads: Parameters<Chain["readMany"]>): Promise<T[]> {
    return world.tellReads(await fake.chain.readMany(...reads)) as T[];
  }

  const capacity = new Capacity(0.5);
  const settlement = new Settlement({
    chain: { ...fake.chain, readMany },
    escrow: FAKE_ESCROW,
    provider: PROVIDER,
    ledger: {
      async due() {
        world.looks += 1;
        return await world.tellDue(await ledger.due());
      },
      dueOf: (payer) => ledger.dueOf(payer),
      lane: (id) => ledger.lane(id),
      refused: (payer) => ledger.refused(payer),
      record: (facts) => ledger.record(facts),
      totals: () => ledger.totals(),
    },
    operator: carrierOf(world, operator),
    watch,
    capacity,
    log: heard.log,
    now: () => world.now,
    intervalMs: 86_400_000,
    amount: 1_000_000n,
    windowSeconds: 120,
    coinPrice: 0n,
    closeWaitMs: 1,
    ...times,
  });

  return Object.assign(world, {
    fake,
    ledger,
    settlement,
    watch,
    capacity,
    heard,
    /** The operator may settle no more than `left` today. */
    limit(left: bigint): void {
      fake.limitOperator({ expiry: NEVER, dailyCap: 1_000n, spent: 1_000n - left });
    },
    /** So many runs of `account` end, each for `price`; `signer` signed for them. */
    async use(account: LocalAccount, lane: Hex, credits: number, more: Use = {}): Promise<void> {
      const { price = PRICE, signer = account, deadline = UINT64_MAX } = more;
      const permit = await permitOf(account, lane, signer, deadline);
      const draw = { payer: account.address, lane, permit, price, cid: "bafytest" as CidText };
      for (let run = 0; run < credits; run++) {
        const held = await ledger.hold(draw, viewOf(account, lane), "allowance");
        assert.ok(held.payable);
        await ledger.charge(held, "answered", null);
      }
    },
    async stateOf({ address: payer }: LocalAccount, lane: Hex): Promise<LaneState> {
      const state = await ledger.lane({ payer, lane });
      assert.ok(state, "the lane was never opened");
      return state;
    },
    async [Symbol.asyncDispose]() {
      world.carry = () => Promise.reject(new Error("the test is over"));
      await settlement.close();
      await operator.close();
      await ledger.close();
      await Deno.remove(dir, { recursive: true });
    },
  });
}

/** Batches are out, and nothing is mined until what this returns is called. */
export function holdUp(books: SettlingBooks): () => void {
  const goesOn = Promise.withResolvers<void>();
  books.carry = async (send) => {
    await goesOn.promise;
    return await send();
  };
  return () => {
    books.carry = (send) => send();
    goesOn.resolve();
  };
}

/** Where a disk is slow, what waits for it is, ms. */
const LONGEST_MS = 30_000;

/** Resolves once it is so. */
export async function until(isSo: () => boolean): Promise<void> {
  const late = performance.now() + LONGEST_MS;
  while (!isSo()) {
    assert.ok(performance.now() < late, "it never came");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** An operator whose batches are counted, and go as the world has them carried. */
function carrierOf(world: Carrying, operator: Operator): SettlementOptions["operator"] {
  return {
    address: operator.address,
    gasPrice: () => Promise.resolve(world.gasPrice),
    launch(call, sending) {
      const refusal = world.refuse(sending);
      if (refusal) return Promise.reject(refusal);
      const { args } = decodeFunctionData({ abi: escrowAbi, data: (call as { data: Hex }).data });
      world.batches.push(args![0] as unknown as Charge[]);
      world.sendings.push(sending);
      const mined = world.carry(() => operator.send(call, sending));
      return Promise.resolve({
        transaction: "0x",
        mined: mined.then((receipt) => world.isMute ? { ...receipt, logs: [] } : receipt),
      });
    },
  };
}

/** A row as one writes it on paper. */
export function paper({ permit: { payer, lane }, credits, price }: Charge) {
  return { payer, lane, credits, price };
}

/** The log's lines of one message, oldest first. */
export function linesOf({ heard }: SettlingBooks, message: string) {
  return heard.lines.map((line) => JSON.parse(line)).filter((line) => line.message === message);
}

function permitOf({ address }: LocalAccount, lane: Hex, signer: LocalAccount, deadline: bigint) {
  return signPermit(signer, { chainId: 31_337, escrow: FAKE_ESCROW }, {
    payer: address,
    provider: PROVIDER,
    lane,
    price: PRICE_MAX,
    credits: CREDITS,
    deadline,
    epoch: 0,
  });
}

/** As the chain had it when the first call came. */
function viewOf({ address }: LocalAccount, lane: Hex): PayerView {
  return {
    block: 0n,
    at: 0,
    credits: CREDITS,
    thawingCredits: 0n,
    thawEnd: 0n,
    pricePerCredit: PRICE_MAX,
    signer: address,
    epoch: 0,
    epochEnd: 0n,
    settled: new Map([[lane, 0n]]),
    ceiling: CREDITS,
  };
}
