/** The provider's money, wired: ledger, operator, view of the chain, settlement, credits. */
import { join } from "node:path";
import type { Address, LocalAccount } from "viem";
import type { Chain } from "../../chain/client.ts";
import type { ProviderConfig } from "../../config.ts";
import type { Log } from "../../log.ts";
import type { EscrowDomain } from "../../permit.ts";
import { createCredits, type Credits } from "../money/credits.ts";
import { type EscrowEvent, parseEscrowLogs, recordCharges } from "./escrow_events.ts";
import { type Follower, startFollower } from "./follower.ts";
import { type Ledger, openLedger } from "../ledger/ledger.ts";
import { openOperator, type Operator } from "./operator.ts";
import { createPayers, type Payers } from "../money/payers.ts";
import { createConsume } from "./settle_each.ts";
import { createSettlement, type Settlement } from "./settlement.ts";

export interface PaymentsOptions {
  chain: Chain;
  escrow: Address;
  provider: ProviderConfig;
  account: LocalAccount;
  /** Folder of the ledger and the operator's outbox. */
  dir: string;
  log: Log;
  now: () => number;
  /** Between two looks for receipts, ms. */
  receiptPollMs?: number;
  /** How long the last batch is waited for when all is closed, ms. */
  closeWaitMs?: number;
}

export interface Payments {
  credits: Credits;
  ledger: Ledger;
  operator: Operator;
  settlement: Settlement;
  payers: Payers;
  follower: Follower;
  /** Settles what is due, then closes. */
  close(): Promise<void>;
}

/** Between "this permit is good" and its settlement on chain, seconds; at least three batches. */
const SETTLE_WINDOW_SECONDS = 120;
/** While events are heard, a view holds until one says otherwise; this is the second belt, ms. */
const FOLLOWED_AGE_MS = 60_000;
/** While they are not, a view holds this long, ms. */
const UNFOLLOWED_AGE_MS = 2_000;

/** Opens the books and starts to follow the chain. */
export async function openPayments(options: PaymentsOptions): Promise<Payments> {
  const { chain, escrow, account, dir, log, now, provider: { settlement: policy } } = options;
  const provider = options.provider.address;
  const domain: EscrowDomain = { chainId: chain.chainId, escrow };
  const ledger = await openLedger(join(dir, "ledger.db"), now);
  const operator = openOperator({
    path: join(dir, "operator.db"),
    chain,
    account,
    log,
    now,
    async onMined({ blockNumber: number, blockHash: hash, logs }) {
      follower.note({ number, hash });
      await recordCharges(ledger, parseEscrowLogs(escrow, logs));
    },
    bumpAfterMs: policy.stuckSeconds * 1_000,
    ...(options.receiptPollMs === undefined ? {} : { pollMs: options.receiptPollMs }),
  });
  const payers = createPayers({
    client: chain.public,
    escrow,
    provider,
    ledger,
    finality: policy.finality,
    now,
  });
  const settlement = createSettlement({
    chain,
    escrow,
    provider,
    ledger,
    operator,
    log,
    intervalMs: policy.intervalSeconds * 1_000,
    amount: policy.amount,
    ...(options.closeWaitMs === undefined ? {} : { closeWaitMs: options.closeWaitMs }),
    noteBlock: (block) => follower.note(block),
  });
  const follower = follow({ ...options, ledger, payers, settlement });
  const offlineAmount = policy.mode === "each" ? 0n : policy.offlineAmount;
  const credits = createCredits({
    domain,
    ledger,
    payers,
    consume: policy.mode === "each" ? createConsume(operator, escrow) : null,
    settleWindowSeconds: BigInt(Math.max(SETTLE_WINDOW_SECONDS, 3 * policy.intervalSeconds)),
    viewAgeMs: () => {
      if (follower.isCurrent()) return FOLLOWED_AGE_MS;
      return ledger.unsettled() < offlineAmount ? UNFOLLOWED_AGE_MS : 0;
    },
    offlineAmount,
    onCharge: settlement.noticeCharge,
    now,
  });
  return {
    credits,
    ledger,
    operator,
    settlement,
    payers,
    follower,
    async close() {
      await follower.stop();
      await credits.close();
      await settlement.close();
      await operator.close();
      await ledger.close();
    },
  };
}

interface FollowParts extends PaymentsOptions {
  ledger: Ledger;
  payers: Payers;
  settlement: Settlement;
}

/** What the chain's news mean here. */
function follow(parts: FollowParts): Follower {
  const { chain, escrow, log, now, provider, ledger, payers, settlement } = parts;

  async function onEvents(events: readonly EscrowEvent[]): Promise<void> {
    await recordCharges(ledger, events);
    for (const { eventName, args: { payer } } of events) {
      payers.forget(payer);
      // The payer has given notice: what it owes is settled well before the credits can leave.
      if (eventName === "RevokeStarted") settlement.settleNow();
      if (eventName === "Allowed") await reviveRefused(ledger, settlement, payer);
    }
  }

  async function onReorg(block: bigint): Promise<void> {
    payers.forget();
    for (const lane of ledger.lanes()) {
      if (lane.settledBlock > block || lane.refused !== null) await settlement.level(lane);
    }
  }

  const { address } = provider;
  const { pollMs } = provider.settlement;
  return startFollower({ chain, escrow, provider: address, log, pollMs, onEvents, onReorg, now });
}

/** More credits may cover what the escrow refused. */
async function reviveRefused(ledger: Ledger, settlement: Settlement, payer: Address) {
  for (const lane of ledger.account(payer)?.lanes.values() ?? []) {
    if (lane.refused !== null) await settlement.level(lane);
  }
}
