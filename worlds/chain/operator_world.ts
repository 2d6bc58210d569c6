/** An operator on the chain in memory, with a clock moved by hand and a store of its own. */
import { join } from "node:path";
import type { Hex, TransactionReceipt } from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import type { ContractCall } from "../../lib/chain/client.ts";
import { KhachapuriError } from "../../lib/errors.ts";
import { silentLog } from "../../lib/log.ts";
import { signPermit, UINT64_MAX } from "../../lib/permit.ts";
import { openOperator, type Operator } from "../../lib/provider/settlement/operator.ts";
import { openOutboxStore } from "../../lib/provider/settlement/outbox_store.ts";
import { anvilAccount } from "./anvil.ts";
import { FAKE_ESCROW, type FakeChain, fakeChain } from "./fake_chain.ts";

const PROVIDER = anvilAccount(1).address;
export const PAYER = anvilAccount(4);
export const LANE: Hex = `0x${"1a".repeat(32)}`;
export const BUMP_AFTER_MS = 30_000;
export const SETTLEMENT = { rank: "settlement", costMax: null } as const;

export interface World {
  fake: FakeChain;
  operator: Operator;
  mined: TransactionReceipt[];
  /** Moves the operator's clock on. */
  advance(ms: number): void;
  /** As after a crash: another operator on the same outbox. */
  restart(): Promise<void>;
  readonly consumption: ContractCall;
  consume(): Promise<TransactionReceipt>;
}

export async function withOperator(work: (world: World) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const fake = fakeChain(PROVIDER);
  const terms = { payer: PAYER.address, provider: PROVIDER, lane: LANE, price: 5n, credits: 100n };
  const domain = { chainId: fake.chain.chainId, escrow: FAKE_ESCROW };
  const permit = await signPermit(PAYER, domain, { ...terms, deadline: UINT64_MAX, epoch: 0 });
  fake.allow(PAYER.address, 5n, 50n);
  const mined: TransactionReceipt[] = [];
  let nowMs = 1_000;
  const open = () =>
    openOperator({
      store: openOutboxStore(join(dir, "operator.db")),
      chain: fake.chain,
      account: anvilAccount(2),
      log: silentLog,
      onMined: (receipt) => Promise.resolve(void mined.push(receipt)),
      pollMs: 1,
      bumpAfterMs: BUMP_AFTER_MS,
      now: () => nowMs,
    });
  const world: World = {
    fake,
    operator: await open(),
    mined,
    advance: (ms) => void (nowMs += ms),
    async restart() {
      await world.operator.close();
      world.operator = await open();
    },
    consumption: {
      address: FAKE_ESCROW,
      abi: escrowAbi,
      functionName: "consume",
      args: [5n, permit],
    },
    consume: () => world.operator.send(world.consumption, SETTLEMENT),
  };
  try {
    await work(world);
  } finally {
    // Nobody waits for what is still out.
    fake.intercept = null;
    await world.operator.close();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Lets the operator look and look again until it is so; bounded by the test runner. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Hours pass, look by look, until `work` is done. */
export async function inTime<T>({ advance }: World, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => isDone = true);
  done.catch(() => {});
  await until(() => {
    advance(BUMP_AFTER_MS);
    return isDone;
  });
  return await done;
}

export const unavailable = (error: unknown) =>
  error instanceof KhachapuriError && error.code === "chain_unavailable";

/** Counts the requests for `method` from now on and lets `answer` speak in the chain's place. */
export function intercept(
  fake: FakeChain,
  method: string,
  answer: (call: number, params: readonly unknown[]) => unknown,
): { count(): number } {
  let calls = 0;
  fake.intercept = (request) => {
    if (request.method !== method) return Promise.resolve(undefined);
    calls += 1;
    return Promise.resolve().then(() => answer(calls, request.params ?? []));
  };
  return { count: () => calls };
}

/** A block in which nothing of ours is mined. */
export function passBlock(fake: FakeChain): void {
  fake.allow(PAYER.address, 5n, 50n);
}
