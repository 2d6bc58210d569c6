/** Opens a provider's parts on what it stands on, and wires its routes on them. */
import { join } from "node:path";
import type { Chain } from "../../chain/client.ts";
import { asChainError } from "../../chain/refusal.ts";
import { keepOf } from "../../config.ts";
import type { KhachapuriError } from "../../errors.ts";
import { BUFFERED_BODY_BYTES_MAX } from "../../limits.ts";
import type { CreditsOffer } from "../../payment_header.ts";
import { OwnerDebits } from "../call/owner_debit.ts";
import { Slots } from "../call/slots.ts";
import { CurrentOffer } from "../deployment/current_offer.ts";
import { type Offering, offeringNow } from "../http/page.ts";
import { createBodyReader } from "../http/request_body.ts";
import { type Counters, createCounters } from "../metrics/gauges.ts";
import type { MachineWatch } from "../metrics/machine_watch.ts";
import { receiptedIn } from "../money/charges.ts";
import { Credits } from "../money/credits.ts";
import { OwnerCredits } from "../money/owner_credits.ts";
import { OwnerPayment } from "../money/owner_payment.ts";
import { Renewals } from "../money/renewals.ts";
import { Receipts } from "../money/receipts.ts";
import type { Seller } from "../money/seller.ts";
import type { NoteServer } from "../program/sandboxes.ts";
import { serverNotes } from "../program/server_notes.ts";
import { coinPriceOf } from "../settlement/gas_worth.ts";
import { MessageRelay } from "../settlement/message_relay.ts";
import { Onboarding } from "../settlement/onboarding.ts";
import type { TurnLimits } from "../settlement/relay_turns.ts";
import { Relays } from "../settlement/relays.ts";
import type { BookedPayments, Books, BooksGround } from "./books.ts";
import { openContent } from "./content_room.ts";
import type { Estate } from "./estate.ts";
import { openExactScheme } from "./exact_scheme.ts";
import { openFleetBooks } from "./fleet_books.ts";
import { LOCK_FILE, lockState, type StateLock } from "./lock.ts";
import { openProviderNames } from "./names.ts";
import { openOpenapi } from "./openapi_document.ts";
import { openOwnBooks } from "./own_books.ts";
import type { RouteParts } from "./parts.ts";
import { watchMachine } from "./machine_room.ts";
import type { Site } from "./site.ts";
import { slotRoom } from "./slot_room.ts";
import { alarmsOf, openMonitoring } from "./watched.ts";
import { openWorkplaces } from "./workplaces.ts";

/** A provider whose books are open, before it listens. */
export interface OpenProvider {
  readonly site: Site;
  parts: RouteParts;
  books: Books;
  /** What is offered: whoever replaces it changes it everywhere. */
  current: CurrentOffer;
  /** Resolves when this process can serve no more, and another one is to begin anew. */
  failed: Promise<KhachapuriError>;
  /** Nobody else's while this one is open. */
  lock: StateLock;
  /** What passes on when another process takes its place. */
  estate: Estate;
}

/**
 * Opens a provider's books and parts, to be closed with `stack`.
 * @throws KhachapuriError `access_denied` when they are another's; when they cannot be read
 */
export async function openProvider(
  site: Site,
  stack: AsyncDisposableStack,
): Promise<OpenProvider> {
  const lock = await lockState(join(site.state.book, LOCK_FILE));
  stack.defer(() => lock.release());
  return { site, lock, ...await openParts(site, stack) };
}

async function openParts(
  site: Site,
  stack: AsyncDisposableStack,
): Promise<Omit<OpenProvider, "site" | "lock">> {
  const { ground, succession, log, now } = site;
  const { connected: { chain }, operator: { account } } = ground;
  const { current, offering, seller } = openOffer(site);
  const counters = createCounters();
  const books = await openBooks(site, { current, counters }, stack);
  const { payments, records, denials } = books;
  const machine = await watchMachine(site, books.store, stack);
  const content = await openContent(
    books.nodes ? { ...site, nodes: books.nodes } : site,
    books,
    stack,
  );
  const desks = openDesks(site, seller, offering.offer, books);
  // What relays cost is asked while the rest is opened.
  const known = desks.onboarding.prepare();
  const money = await openMoney(site, seller, offering, books, desks);
  const callRecords = recordsOfCalls(books, counters, { log, now });
  const gate = openGate(site, books, machine, counters);
  const debits = new OwnerDebits({ money, slots: gate.slots, records: callRecords });
  stack.defer(() => debits.settled());
  const noteServer = noteServers(books, counters, debits);
  const told = { provider: offering, records, offer: current, welcome: denials, now };
  const opened = { ...told, seller, counters, content, noteServer, machine };
  const { programs, gateway, cache } = await openWorkplaces(site, opened, stack);
  books.endRunsBy(programs.sandboxes);
  // Where callers wait, no offer does.
  if (!succession) await known;
  const naming = openProviderNames(site, { seller, books, ...programs }, stack);
  const watched = { chain, books, programs, gate, money, content, cache, denials, machine };
  const parts: RouteParts = {
    seller,
    operator: account.address,
    offering,
    terms: { get: (hash) => current.terms.get(hash) },
    openapi: openOpenapi({ ...told, payers: payments.payers, schemes: money.schemes }),
    health: healthOf(chain, payments, machine),
    ...openMonitoring(site, counters, watched, stack),
    money: { ...money, startDebits: debits },
    programs,
    content: { ...content, gateway },
    names: naming?.names ?? null,
    gate,
    denials,
    records: callRecords,
  };
  books.tellOf(() => ({
    price: current.price,
    isDraining: parts.readiness.state === "draining",
    runs: gate.slots.busy(),
    slots: gate.slots.count(),
    sandboxes: programs.sandboxes.figures().open,
  }));
  const estate = books.estate({ content, naming });
  return { parts, books, current, estate, failed: machine.failed };
}

/** What is offered now, and by whom. */
function openOffer({ provider, ground: { connected, terms }, prepared }: Site) {
  const { chain: { chainId }, contracts: { escrow } } = connected;
  const current = new CurrentOffer({ price: provider.price, keep: keepOf(provider), terms });
  const seller: Seller = {
    chainId,
    escrow,
    provider: provider.address,
    get price() {
      return current.price;
    },
  };
  return { current, seller, offering: offeringNow(prepared.offering, current) };
}

function noteServers(
  { runLog }: Pick<Books, "runLog">,
  { servers: usage }: Counters,
  debits: Pick<OwnerDebits, "note">,
): NoteServer {
  const logServer = serverNotes({ runLog, usage });
  return (deployment, event) => {
    logServer(deployment, event);
    debits.note(deployment, event);
  };
}

function recordsOfCalls(
  { records: { registrations, agreements, tariffs }, stops, runLog }: Books,
  { runs, credits, usage }: Counters,
  side: Pick<Site, "log" | "now">,
) {
  return { registrations, agreements, tariffs, stops, runLog, runs, credits, usage, ...side };
}

function openBooks(site: Site, ground: BooksGround, stack: AsyncDisposableStack): Promise<Books> {
  const isOwn = site.provider.ledger.postgres === undefined;
  return isOwn ? openOwnBooks(site, ground, stack) : openFleetBooks(site, ground, stack);
}

/** Where what payers have signed is relayed: their way in, and their way out. */
function openDesks(
  { ground, provider, log, now }: Site,
  seller: Seller,
  { thawingPeriodSeconds: thawingSeconds }: CreditsOffer,
  { payments: { ledger, payers, operator }, lastRelays: last, turns }: Books,
) {
  const { connected: { chain, contracts: { usdc } } } = ground;
  const coinPrice = coinPriceOf(chain.chainId, provider.gas.coinPrice);
  const relaysOf = (limits: TurnLimits) =>
    new Relays({ ...limits, turns: turns(limits), coinPrice, operator, ledger, payers, now });
  const { onboarding, relay } = provider;
  const common = { chain, seller, last, log, now };
  return {
    onboarding: new Onboarding({
      ...common,
      usdc,
      policy: onboarding,
      relays: relaysOf({ what: "deposit", perMinute: onboarding.perMinute }),
    }),
    messages: new MessageRelay({
      ...common,
      policy: relay,
      thawingSeconds,
      relays: relaysOf({ what: "message", perMinute: relay.perMinute }),
    }),
  };
}

async function openMoney(
  site: Site,
  seller: Seller,
  offering: Offering,
  { payments, records, permits, receiptSecret: secret }: Books,
  { onboarding, messages }: ReturnType<typeof openDesks>,
) {
  const { ground: { connected: { chain }, operator: { account } }, now } = site;
  const { registrations, tariffs } = records;
  const { ledger, payers, settlement, policy, follower, purchases } = payments;
  const block = () => headOf(chain, follower);
  const receipts = new Receipts({
    secret,
    receipted: receiptedIn(ledger, purchases),
    seller,
    operator: account,
    block,
  });
  const ownerCredits = new OwnerCredits();
  const credits = new Credits({
    seller,
    offer: () => withDeposits(offering.offer, onboarding.minimum()),
    policy,
    ledger,
    payers,
    receipts,
    ownerCredits,
    isDeploymentLane: (payer, lane) => registrations.isDeploymentLane(payer, lane),
    ownerPermit: (deployment) => permits.of(deployment),
    ownerPrices: tariffs,
    relay: (payer, deposit, from) => onboarding.relay(payer, deposit, from),
    onCharge: () => settlement.noticeCharge(),
    now,
  });
  const ownerPayment = new OwnerPayment(credits, ledger);
  const renewals = new Renewals(credits, permits, tariffs, now);
  const exact = await openExactScheme(site, payments, receipts, seller);
  const schemes = exact ? [exact, credits] : [credits];
  const desks = { renewals, onboarding, messages };
  return { schemes, credits, ownerPayment, receipts, ...desks, settlement, ledger, ownerCredits };
}

/** The offer as it is now: whether a deposit is relayed, and from what on, follows the gas. */
function withDeposits(offer: CreditsOffer, minimum: bigint | null): CreditsOffer {
  return minimum === null ? offer : { ...offer, depositMinimum: minimum };
}

/** @throws KhachapuriError `chain_unavailable` */
async function headOf(chain: Chain, follower: BookedPayments["follower"]): Promise<bigint> {
  return follower.head() ?? await chain.public.getBlockNumber().catch((error) => {
    throw asChainError(error, chain.endpoint);
  });
}

function openGate(
  { provider, now }: Site,
  { idempotency, denials: welcome, records: { registrations } }: Books,
  machine: Pick<MachineWatch, "refusal">,
  { slots: usage }: Pick<Counters, "slots">,
) {
  const { requestBytes } = provider.sandbox;
  const readBody = createBodyReader({
    heldBytesMax: BUFFERED_BODY_BYTES_MAX,
    bytesMax: requestBytes,
  });
  const slots = new Slots(slotRoom(provider.sandbox), {
    now,
    refusal: () => machine.refusal(),
    isPaying: (owner) => registrations.isOwner(owner),
    usage,
  });
  return { slots, idempotency, requestBytes, readBody, welcome };
}

/** Whether the chain can be reached, and the machine has room; the reasons when not. */
function healthOf(
  chain: Chain,
  payments: Pick<BookedPayments, "alarms">,
  machine: Pick<MachineWatch, "alarms">,
): () => Promise<string | null> {
  return async () => {
    try {
      await chain.public.getBlockNumber({ cacheTime: 2_000 });
      return alarmsOf({ machine, payments }).join("; ") || null;
    } catch {
      return [...machine.alarms(), "the chain cannot be reached"].join("; ");
    }
  };
}
