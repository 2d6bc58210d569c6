/**
 * Opens the books of a provider that is several nodes: one database has them. What a node keeps in
 * files is a copy of what all know, or its own log. Another process that takes this one's place
 * joins the fleet by itself, so of money nothing passes on: each ends its own runs.
 */
import { join } from "node:path";
import { databaseAddressIn } from "../../config_fleet.ts";
import type { CidText } from "../../cid.ts";
import { openStateDatabase } from "../../state_database.ts";
import { PostgresIdempotency } from "../call/postgres_idempotency.ts";
import type { Denial } from "../denial/denial.ts";
import { openSharedBooks, type SharedBooks } from "../deployment/shared_books.ts";
import { type Database, openDatabase } from "../fleet/database.ts";
import { assertMigrated } from "../fleet/migrations.ts";
import { sharedSecret } from "../fleet/settings.ts";
import { PostgresLedger } from "../ledger/postgres/postgres_ledger.ts";
import type { FleetWatched } from "../metrics/fleet_usage.ts";
import { receiptSecret } from "../money/receipts.ts";
import { NAMES_FILE } from "../naming/open_names.ts";
import { NameRegister } from "../naming/register.ts";
import { SharedNames } from "../naming/shared_names.ts";
import { FleetExact } from "../settlement/exact/fleet_exact.ts";
import { type FleetPayments, openFleetPayments } from "../settlement/fleet/fleet_payments.ts";
import { sharedLastRelays } from "../settlement/fleet/shared_last_relays.ts";
import { SharedTurns } from "../settlement/fleet/shared_turns.ts";
import { coinPriceOf } from "../settlement/gas_worth.ts";
import type { BookedPayments, BookFigures, Books, BooksGround } from "./books.ts";
import { expelDenied, openDenials } from "./denials.ts";
import { FleetEstate } from "./fleet_estate.ts";
import { offerOf } from "./left_behind.ts";
import { openLocalRecords } from "./local_records.ts";
import { tellLoneLedger } from "./lone_ledger.ts";
import { Membership } from "./membership.ts";
import { keptRelaysMs, receiptSecretPath, settlingOf } from "./own_books.ts";
import type { Site } from "./site.ts";

/** Who is told what others were told. */
interface Heralds {
  denied: ((denial: Denial) => void)[];
  left: ((cid: CidText) => void)[];
}

/** In the book folder. */
const SESSION_FILE = "session";

/** No money is on this disk that room would have to be kept for. */
const NO_STORE: Books["store"] = {
  ballast: { isGivenUp: () => false, restore: () => true },
  failure: () => null,
};

/**
 * To be closed with `stack`.
 * @throws KhachapuriError `database_unavailable`, `invalid_config` for a schema without all we need
 */
export async function openFleetBooks(
  site: Site,
  { current, counters }: BooksGround,
  stack: AsyncDisposableStack,
): Promise<Books> {
  const { log, now } = site;
  const fleet = site.provider.fleet!;
  const asked = await openBooksDatabase(site, stack);
  await warnOfLoneLedger(site, asked);
  const database = counters.fleet.watch(asked);
  const records = openLocalRecords(site, stack);
  const denials = openDenials(site, counters.denied, stack);
  const heralds: Heralds = { denied: [], left: [] };
  const names = openSharedNames(site, heralds, stack);
  const shared = await openSharedBooks({
    ...{ database, node: fleet.node, records, denials, current, now },
    configured: configuredAt(site),
    others: names ? [names.writer] : [],
    session: () => member.session,
    onDenied: (denial) => heralds.denied.forEach((tell) => tell(denial)),
    onTrouble: (error) => log.debug("what is shared waits", { error }),
    onShortened: (lines) => log.warn("programs write more than a fleet's log takes", { lines }),
  });
  if (!shared.isAsConfigured) warnOfOffer(site);
  const member: Membership = await Membership.begin({
    ...{ database, fleet, shared, log, now },
    sessionPath: join(site.state.book, SESSION_FILE),
    isAlone: site.succession === null,
  });
  stack.defer(() => member.end());
  const { payments, exact } = await openMoney(site, database, member, stack);
  const answers = await openAnswers(site, { database, member, payments }, stack);
  return {
    payments: moneyOf(payments, exact),
    figures: figuresOf(payments, exact),
    store: NO_STORE,
    ...{ records, stops: shared.stops, runLog: shared.runs, permits: shared.permits },
    ...{ denials: denials.denials, denialDesk: shared.denials },
    idempotency: answers,
    lastRelays: sharedLastRelays(database, keptRelaysMs(site)),
    receiptSecret: await openReceiptSecret(site, database),
    names: names ?? {},
    nodes: () => member.nodes(),
    turns: (limits) => new SharedTurns(database, limits),
    endRunsBy(sandboxes) {
      records.stops.onStop((spec) => sandboxes.stop(spec));
      heralds.denied.push((denial) => void expelDenied({ sandboxes }, denial, log));
      heralds.left.push((cid) => sandboxes.retire(cid));
    },
    onDenied: (listener) => void heralds.denied.push(listener),
    tellOf: (work) => member.tellOf(work),
    fleet: watchedIn(asked, { member, payments, shared }),
    estate: (parts) =>
      new FleetEstate({ payments, exact, answers, records, member, log, ...parts }),
  };
}

async function openBooksDatabase(
  { config, provider }: Pick<Site, "config" | "provider">,
  stack: AsyncDisposableStack,
): Promise<Database> {
  const address = databaseAddressIn(config.home, provider.ledger.postgres!);
  const database = await openDatabase(address, { passfile: Deno.env.get("PGPASSFILE") });
  stack.defer(() => database.close());
  await assertMigrated(database);
  return database;
}

async function warnOfLoneLedger(
  { state, log }: Pick<Site, "state" | "log">,
  database: Database,
): Promise<void> {
  const lone = await tellLoneLedger(state.book, database);
  if (lone !== null) log.warn(lone.detail, { hints: lone.hints });
}

/** Null where the configuration wants no names. */
function openSharedNames(
  { provider, state, now }: Pick<Site, "provider" | "state" | "now">,
  { left }: Heralds,
  stack: AsyncDisposableStack,
): { register: NameRegister; writer: SharedNames } | null {
  if (!provider.names.enabled) return null;
  const database = openStateDatabase(join(state.book, NAMES_FILE));
  stack.defer(() => database.close());
  const register = new NameRegister(database, now);
  const onLeft = (cid: CidText) => left.forEach((tell) => tell(cid));
  return { register, writer: new SharedNames(database, register, onLeft) };
}

function configuredAt({ provider, ground: { terms } }: Pick<Site, "provider" | "ground">) {
  return { offer: offerOf(provider, [...terms.keys()]), texts: terms };
}

function warnOfOffer({ log }: Pick<Site, "log">): void {
  log.warn("this node offers what its fleet does, which is not what its config.json says", {
    hints: ["change the price or the terms at one node, and have it reload; the others follow"],
  });
}

async function openMoney(
  site: Site,
  database: Database,
  member: Membership,
  stack: AsyncDisposableStack,
): Promise<{ payments: FleetPayments; exact: FleetExact }> {
  const { usdc, ...settling } = settlingOf(site);
  const { chain, provider, log, now } = settling;
  const session = () => member.session;
  // Until the payments are open nobody asks.
  let laterNow = now;
  const exact = new FleetExact({
    ...{ database, session, chain, usdc, log, now },
    payTo: provider.address,
    coinPrice: coinPriceOf(chain.chainId, provider.gas.coinPrice),
    laterNow: () => laterNow(),
  });
  stack.defer(() => exact.close());
  const payments = await openFleetPayments({
    ...{ ...settling, database, session },
    openLedger: (clock) =>
      new PostgresLedger({
        ...{ database, session, settling: clock, log, now },
        renew: () => member.renew(),
        giveUp: () => member.giveUp(),
        heldElsewhere: () => member.heldElsewhere(),
      }),
    openExact: (operator, onRest, term) => exact.lead(operator, onRest, term),
  });
  stack.defer(() => payments.close());
  laterNow = payments.policy.laterNow;
  member.follow(payments);
  return { payments, exact };
}

async function openAnswers(
  { now }: Pick<Site, "now">,
  { database, member, payments: { ledger } }: {
    database: Database;
    member: Membership;
    payments: Pick<FleetPayments, "ledger">;
  },
  stack: AsyncDisposableStack,
): Promise<PostgresIdempotency> {
  const answers = await PostgresIdempotency.open({
    ...{ database, now },
    session: () => member.session,
    isCharging: (reservation) => ledger.isCharging(reservation),
  });
  stack.defer(() => answers.close());
  return answers;
}

/** The same addresses of receipts at all nodes: the first to come has brought its own secret. */
function openReceiptSecret(site: Site, database: Database): Promise<Uint8Array> {
  return sharedSecret(database, "receipts.key", () => receiptSecret(receiptSecretPath(site)));
}

/** @param database that does not count what metrics ask */
function watchedIn(
  database: Database,
  { member, payments: { leadership, ledger }, shared }: {
    member: Pick<Membership, "live">;
    payments: Pick<FleetPayments, "leadership" | "ledger">;
    shared: Pick<SharedBooks, "seen">;
  },
): FleetWatched {
  return {
    database,
    nodes: () => member.live(),
    leader: () => leadership.leader(),
    term: () => leadership.term,
    state: () => ({ ...ledger.heldHere(), seen: shared.seen() }),
  };
}

function moneyOf(payments: FleetPayments, { purchases, settler }: FleetExact): BookedPayments {
  const { settlement, ledger, sender: operator } = payments;
  return {
    ...{ ...payments, purchases, settler, operator },
    settlement: {
      noticeCharge: () => settlement.noticeCharge(),
      behindSeconds: () => settlement.behindSeconds(),
      async settleNow() {
        await settlement.settleNow();
        // Whoever waited reads what is due then, not as of the last beat.
        await ledger.refresh();
      },
    },
  };
}

function figuresOf(
  { settlement }: Pick<FleetPayments, "settlement">,
  { purchases }: Pick<FleetExact, "purchases">,
): BookFigures {
  return {
    purchases: () => purchases.figures(),
    outboxPending: () => settlement.pending(),
    operator: () => settlement.figures(),
    ledger: () => null,
  };
}
