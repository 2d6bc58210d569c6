/** Opens the books of a provider that is one machine: files, which its lock keeps others from. */
import { join } from "node:path";
import { PAYER_DEPOSIT_MS } from "../../limits.ts";
import { IdempotencySeat } from "../call/idempotency_seat.ts";
import { SqliteIdempotency } from "../call/sqlite_idempotency.ts";
import { wasCharged } from "../money/charges.ts";
import { receiptSecret } from "../money/receipts.ts";
import { openLastRelays } from "../settlement/last_relays.ts";
import { openPayments, type Payments } from "../settlement/payments.ts";
import { OwnTurns } from "../settlement/relay_turns.ts";
import type { BookFigures, Books, BooksGround } from "./books.ts";
import { openDenials } from "./denials.ts";
import { OwnEstate } from "./estate.ts";
import { offerOf } from "./left_behind.ts";
import { openLocalRecords } from "./local_records.ts";
import type { Site } from "./site.ts";

/** To be closed with `stack`. */
export async function openOwnBooks(
  site: Site,
  { counters }: Pick<BooksGround, "counters">,
  stack: AsyncDisposableStack,
): Promise<Books> {
  const { provider, state, ground, succession, now } = site;
  const records = openLocalRecords(site, stack);
  records.tariffs.begin(offerOf(provider, [...ground.terms.keys()]));
  const { usdc, ...settling } = settlingOf(site);
  const payments = await openPayments({
    ...settling,
    usdc,
    dir: state.book,
    left: { isInUse: succession !== null, ahead: succession?.ahead ?? null },
  });
  stack.defer(() => payments.close());
  succession?.ahead?.close();
  const { denials } = openDenials(site, counters.denied, stack);
  const { ledger, purchases, callPurchases, settler, sender: operator } = payments;
  const own = new SqliteIdempotency({
    path: join(state.book, "answers.db"),
    wasCharged: (reservation) => wasCharged({ ledger: ledger.store, purchases }, reservation),
    now,
  });
  stack.defer(() => own.close());
  const seat = new IdempotencySeat(own);
  const lastRelays = openLastRelays(join(state.book, "relays.db"), keptRelaysMs(site), now);
  stack.defer(() => lastRelays.close());
  return {
    payments: { ...payments, purchases: callPurchases, settler, operator },
    figures: figuresOf(payments),
    store: ledger.store,
    ...{ records, stops: records.stops, runLog: records.runLog, permits: records.ownerPermits },
    ...{ denials, denialDesk: denials },
    idempotency: seat,
    lastRelays,
    receiptSecret: await receiptSecret(receiptSecretPath(site)),
    names: {},
    turns: (limits) => new OwnTurns(limits, now),
    // Whoever is told ends it: no other node is told of anything.
    endRunsBy: () => {},
    onDenied: () => {},
    tellOf: () => {},
    estate: (parts) => new OwnEstate({ payments, records, answers: { own, seat }, ...parts }),
  };
}

/** What settling a provider's charges takes, whatever they are kept in. */
export function settlingOf(
  { provider, ground, prepared: { watch }, log, now }: Site,
) {
  const { connected: { chain, contracts }, operator: { account, thawingSeconds } } = ground;
  return {
    ...{ chain, escrow: contracts.escrow, usdc: contracts.usdc, provider, account, watch },
    thawingPeriodSeconds: thawingSeconds,
    ...{ log, now },
  };
}

/** How long it is remembered when something was relayed for a payer, ms. */
export function keptRelaysMs({ ground }: Pick<Site, "ground">): number {
  return Math.max(PAYER_DEPOSIT_MS, Number(ground.operator.thawingSeconds) * 1_000);
}

export function receiptSecretPath({ state }: Pick<Site, "state">): string {
  return join(state.book, "receipts.key");
}

function figuresOf({ ledger: { store }, purchases, operator }: Payments): BookFigures {
  return {
    purchases: () => purchases.figures(),
    outboxPending: () => operator.pending(),
    operator: () => operator.figures(),
    ledger: () => ({ entries: store.entries(), syncs: store.syncs, ...store.upkeep() }),
  };
}
