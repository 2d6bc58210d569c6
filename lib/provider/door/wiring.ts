/** Opens a provider's parts on what it stands on, and wires its routes on them. */
import { join } from "node:path";
import type { Chain } from "../../chain/client.ts";
import { asChainError } from "../../chain/refusal.ts";
import { type Config, keepOf, requireProvider, resolveFromHome } from "../../config.ts";
import type { KhachapuriError } from "../../errors.ts";
import { BUFFERED_BODY_BYTES_MAX, PAYER_DEPOSIT_MS } from "../../limits.ts";
import type { Log } from "../../log.ts";
import type { CreditsOffer } from "../../payment_header.ts";
import { recipientOf } from "../../spec/keys.ts";
import { OwnerDebits } from "../call/owner_debit.ts";
import { SqliteIdempotency } from "../call/idempotency.ts";
import { Slots } from "../call/slots.ts";
import { openRecords, type Records, recordsPath } from "../deployment/records.ts";
import type { Offering } from "../http/page.ts";
import { placeForControl } from "../control/control_path.ts";
import { type Control, openControl } from "../control/control_server.ts";
import { createBodyReader } from "../http/request_body.ts";
import { createCounters, providerMetrics } from "../metrics/gauges.ts";
import type { MachineWatch } from "../metrics/machine_watch.ts";
import { receiptedIn, wasCharged } from "../money/charges.ts";
import { Credits } from "../money/credits.ts";
import { OwnerCredits } from "../money/owner_credits.ts";
import { OwnerPayment } from "../money/owner_payment.ts";
import { Renewals } from "../money/renewals.ts";
import { Receipts, receiptSecret } from "../money/receipts.ts";
import type { Seller } from "../money/seller.ts";
import type { NoteServer, Sandboxes } from "../program/sandboxes.ts";
import { serverNotes } from "../program/server_notes.ts";
import { coinPriceOf } from "../settlement/gas_worth.ts";
import { openLastRelays } from "../settlement/last_relays.ts";
import { MessageRelay } from "../settlement/message_relay.ts";
import { Onboarding } from "../settlement/onboarding.ts";
import { openPayments, type Payments } from "../settlement/payments.ts";
import { Relays } from "../settlement/relays.ts";
import { type OpenContent, openContent } from "./content_room.ts";
import { openExactScheme } from "./exact_scheme.ts";
import { offerOf, readLeftBehind } from "./left_behind.ts";
import { LOCK_FILE, lockState, type StateLock } from "./lock.ts";
import { openProviderNames } from "./names.ts";
import { openOpenapi } from "./openapi_document.ts";
import type { RouteParts } from "./parts.ts";
import { watchMachine } from "./machine_room.ts";
import { groundOf, preflight } from "./preflight.ts";
import { prepareState, type Site } from "./site.ts";
import {
  warnOfCollector,
  warnOfEndpoints,
  warnOfLeftBehind,
  warnOfLimits,
  warnOfSharing,
} from "./start_notices.ts";
import { openWorkplaces } from "./workplaces.ts";

/** A provider whose books are open, before it listens. */
export interface OpenProvider {
  parts: RouteParts;
  /** Resolves when this process can serve no more, and another one is to begin anew. */
  failed: Promise<KhachapuriError>;
  /** Nobody else's while this one is open. */
  lock: StateLock;
  /** Where commands of this machine reach it. */
  control: Control;
}

/**
 * Opens a provider's parts, to be closed with `stack`.
 * @throws KhachapuriError when the configuration, the keys, the chain, the operator's approval or
 * the sandbox would not let it serve; it says what to do
 */
export async function openProvider(
  config: Config,
  { log, now }: { log: Log; now: () => number },
  stack: AsyncDisposableStack,
): Promise<OpenProvider> {
  const provider = requireProvider(config);
  const state = await prepareState(config, provider);
  const keysPath = resolveFromHome(config, provider.keyFile);
  const ground = groundOf(await preflight({ config, keysPath, now }));
  warnOfLimits(ground, log);
  warnOfSharing(ground, log);
  warnOfCollector(ground, log);
  warnOfEndpoints(ground, log);
  const lock = await lockState(join(state.book, LOCK_FILE));
  stack.defer(() => lock.release());
  const control = await openControl(await placeForControl(state.book));
  stack.defer(() => control.close());
  const opened = await openParts({ config, provider, state, ground, log, now }, stack);
  return { ...opened, lock, control };
}

async function openParts(
  site: Site,
  stack: AsyncDisposableStack,
): Promise<Pick<OpenProvider, "parts" | "failed">> {
  const { provider, state, ground, log, now } = site;
  const { connected: { chain, contracts }, operator: { account, limits, thawingSeconds } } = ground;
  const seller: Seller = {
    chainId: chain.chainId,
    escrow: contracts.escrow,
    provider: provider.address,
    price: provider.price,
  };
  const records = openBooks(site, stack);
  const offering = await describe(site);
  const payments = await openPayments({
    chain,
    escrow: contracts.escrow,
    usdc: contracts.usdc,
    provider,
    account,
    limits,
    thawingPeriodSeconds: thawingSeconds,
    dir: state.book,
    log,
    now,
  });
  stack.defer(() => payments.close());
  const machine = await watchMachine(site, payments.ledger.store, stack);
  const content = await openContent(site, records, payments, stack);
  const desks = openDesks(site, seller, offering.offer, payments, stack);
  // What relays cost is asked while the rest is opened.
  const prepared = desks.onboarding.prepare();
  const money = await openMoney(site, seller, offering.offer, payments, records, desks);
  const counters = createCounters();
  const callRecords = callRecordsOf(site, records, counters);
  const gate = openGate(site, payments, machine, stack);
  const debits = new OwnerDebits({ money, slots: gate.slots, records: callRecords });
  stack.defer(() => debits.settled());
  const logServer = serverNotes({ runLog: records.runLog, usage: counters.servers });
  const noteServer: NoteServer = (deployment, event) => {
    logServer(deployment, event);
    debits.note(deployment, event);
  };
  const opened = { seller, records, counters, content, noteServer, machine };
  const { programs, gateway } = await openWorkplaces(site, opened, stack);
  await prepared;
  const names = openProviderNames(site, { seller, payments, records, ...programs }, stack);
  const parts: RouteParts = {
    seller,
    operator: account.address,
    offering,
    terms: ground.terms,
    openapi: openOpenapi(offering, records, payments.payers, money.schemes, now),
    health: healthOf(chain, payments, machine),
    responses: counters.responses,
    metrics: providerMetrics(counters, {
      ...watch(chain, payments, programs, gate, money, content),
      machine: () => machine.figures(),
    }),
    money: { ...money, startDebits: debits },
    programs,
    content: { ...content, gateway },
    names,
    gate,
    records: callRecords,
  };
  return { parts, failed: machine.failed };
}

function callRecordsOf(
  { log, now }: Site,
  { registrations, agreements, tariffs, stops, runLog }: Records,
  { runs, credits, usage }: ReturnType<typeof createCounters>,
) {
  return { registrations, agreements, tariffs, stops, runLog, runs, credits, usage, log, now };
}

/** Opens the records, with what is offered from now on in them. */
function openBooks(
  { config, provider, ground, log, now }: Site,
  stack: AsyncDisposableStack,
): Records {
  const terms = [...ground.terms.keys()];
  warnOfLeftBehind(readLeftBehind(config, provider, terms, now), log);
  const records = openRecords(recordsPath(resolveFromHome(config, provider.stateDir)), {
    now,
    lost: (error) => log.warn("log lines of runs were lost", { message: String(error) }),
  });
  stack.defer(() => records.close());
  records.tariffs.begin(offerOf(provider, terms));
  return records;
}

/** Where what payers have signed is relayed: their way in, and their way out. */
function openDesks(
  { ground, provider, state, log, now }: Site,
  seller: Seller,
  { thawingPeriodSeconds: thawingSeconds }: CreditsOffer,
  { ledger, payers, operator }: Payments,
  stack: AsyncDisposableStack,
) {
  const { connected: { chain, contracts: { usdc } } } = ground;
  const coinPrice = coinPriceOf(chain.chainId, provider.gas.coinPrice);
  const keepMs = Math.max(PAYER_DEPOSIT_MS, thawingSeconds * 1_000);
  const last = openLastRelays(join(state.book, "relays.db"), keepMs, now);
  stack.defer(() => last.close());
  const relaysOf = (what: string, perMinute: number) =>
    new Relays({ what, perMinute, coinPrice, operator, ledger, payers, now });
  const { onboarding, relay } = provider;
  const common = { chain, seller, last, log, now };
  return {
    onboarding: new Onboarding({
      ...common,
      usdc,
      policy: onboarding,
      relays: relaysOf("deposit", onboarding.perMinute),
    }),
    messages: new MessageRelay({
      ...common,
      policy: relay,
      thawingSeconds,
      relays: relaysOf("message", relay.perMinute),
    }),
  };
}

async function openMoney(
  site: Site,
  seller: Seller,
  offer: CreditsOffer,
  payments: Payments,
  { registrations, ownerPermits, tariffs }: Records,
  { onboarding, messages }: ReturnType<typeof openDesks>,
) {
  const { ground: { connected: { chain }, operator: { account } }, state, now } = site;
  const { ledger, payers, settlement, policy, follower, purchases } = payments;
  const secret = await receiptSecret(join(state.book, "receipts.key"));
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
    offer: () => withDeposits(offer, onboarding.minimum()),
    policy,
    ledger,
    payers,
    receipts,
    ownerCredits,
    isDeploymentLane: (payer, lane) => registrations.isDeploymentLane(payer, lane),
    ownerPermit: (deployment) => ownerPermits.of(deployment),
    ownerPrices: tariffs,
    relay: (payer, deposit, from) => onboarding.relay(payer, deposit, from),
    onCharge: () => settlement.noticeCharge(),
    now,
  });
  const ownerPayment = new OwnerPayment(credits, ledger);
  const renewals = new Renewals(credits, ownerPermits, tariffs, now);
  const exact = await openExactScheme(site, payments, receipts);
  const schemes = exact ? [exact, credits] : [credits];
  const desks = { renewals, onboarding, messages };
  return { schemes, credits, ownerPayment, receipts, ...desks, settlement, ledger, ownerCredits };
}

/** The offer as it is now: whether a deposit is relayed, and from what on, follows the gas. */
function withDeposits(offer: CreditsOffer, minimum: bigint | null): CreditsOffer {
  return minimum === null ? offer : { ...offer, depositMinimum: minimum };
}

/** @throws KhachapuriError `chain_unavailable` */
async function headOf(chain: Chain, follower: Payments["follower"]): Promise<bigint> {
  return follower.head() ?? await chain.public.getBlockNumber().catch((error) => {
    throw asChainError(error, chain.endpoint);
  });
}

function openGate(
  { provider, state, now }: Site,
  { ledger, purchases }: Payments,
  machine: Pick<MachineWatch, "refusal">,
  stack: AsyncDisposableStack,
) {
  const idempotency = new SqliteIdempotency({
    path: join(state.book, "answers.db"),
    wasCharged: (reservation) => wasCharged({ ledger: ledger.store, purchases }, reservation),
    now,
  });
  stack.defer(() => idempotency.close());
  const { concurrency, requestBytes } = provider.sandbox;
  return {
    slots: new Slots(concurrency, now, () => machine.refusal()),
    idempotency,
    requestBytes,
    readBody: createBodyReader({ heldBytesMax: BUFFERED_BODY_BYTES_MAX, bytesMax: requestBytes }),
  };
}

function watch(
  chain: Chain,
  { ledger, operator, follower, payers, elsewhere, purchases }: Payments,
  { sandboxes }: { sandboxes: Pick<Sandboxes, "open" | "servers"> },
  { slots }: { slots: Slots },
  { ownerCredits }: { ownerCredits: OwnerCredits },
  { kept }: Pick<OpenContent, "kept">,
) {
  return {
    unsettledAmount: () => ledger.totals().unsettled,
    exact: () => purchases.figures(),
    heldAmount: () => ledger.totals().held,
    lanes: () => ledger.figures(),
    chargedElsewhere: () => elsewhere.credits(),
    outboxPending: () => operator.pending(),
    operator: () => operator.figures(),
    chainAgeMs: () => follower.ageMs(),
    endpoints: () => chain.endpoints(),
    headAgeMs: () => follower.headAgeMs(),
    views: () => payers.figures(),
    sandboxesOpen: () => sandboxes.open(),
    servers: () => sandboxes.servers().map(({ view }) => view),
    runsBusy: () => slots.busy(),
    ownersLow: () => ownerCredits.low(),
    kept: () => ({ bytes: kept.bytes(), roots: kept.count() }),
  };
}

async function describe({ provider, ground }: Site): Promise<Offering> {
  const { connected: { chain, contracts: { escrow, usdc } }, keys, terms, operator } = ground;
  const { name, address, webDomain, price, egress, names } = provider;
  const { timeoutMs, memoryMb, credits, requestBytes, responseBytes } = provider.sandbox;
  const { instances, instanceIdleSeconds } = provider.sandbox;
  const { ipfs } = provider;
  return {
    name,
    address,
    webDomain: webDomain.replace(/\/$/, ""),
    recipients: await Promise.all((keys.identities ?? []).map(recipientOf)),
    termsHashes: [...terms.keys()],
    keep: keepOf(provider),
    timeoutMs,
    memoryMb,
    credits,
    requestBytes,
    responseBytes,
    egress,
    instances,
    instanceIdleSeconds,
    names: names.enabled ? { perUsdc: names.perUsdc } : null,
    ipfs,
    offer: {
      chainId: chain.chainId,
      escrow,
      asset: usdc,
      payTo: address,
      pricePerCredit: price,
      maxTimeoutSeconds: Math.ceil(timeoutMs / 1000),
      thawingPeriodSeconds: Number(operator.thawingSeconds),
    },
  };
}

/** Whether the chain can be reached, and the machine has room; the reasons when not. */
function healthOf(
  chain: Chain,
  payments: Pick<Payments, "alarms">,
  machine: Pick<MachineWatch, "alarms">,
): () => Promise<string | null> {
  return async () => {
    try {
      await chain.public.getBlockNumber({ cacheTime: 2_000 });
      return [...machine.alarms(), ...payments.alarms()].join("; ") || null;
    } catch {
      return [...machine.alarms(), "the chain cannot be reached"].join("; ");
    }
  };
}
