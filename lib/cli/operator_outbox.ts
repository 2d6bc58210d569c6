/** `operator outbox` and `operator reset`: what the operator has out, to look at and to drop. */
import { formatEther, formatGwei } from "viem";
import { cancelAll } from "../chain/outbox/cancel.ts";
import { gasPriceOf } from "../chain/outbox/fees.ts";
import { type OutFlight, storedFlights } from "../chain/outbox/flight.ts";
import { readPrice } from "../chain/outbox/price.ts";
import type { OutboxStore } from "../chain/outbox/store.ts";
import { type AccountFacts, waitsFor } from "../chain/outbox/waiting.ts";
import { asChainError } from "../chain/refusal.ts";
import { feeMaxOf, requireProvider } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { RECEIPT_TIMEOUT_MS } from "../limits.ts";
import { operatorOf } from "./books.ts";
import type { CommandContext } from "./command.ts";
import { lookIntoOutbox, takeOutbox } from "./outbox_place.ts";

/** A transaction that is out, as it is printed. Amounts in wei. */
type Row = ReturnType<typeof rowOf>;

const PAUSE_MS = 500;

/** Prints what is out. The provider may be running. */
export async function showOutbox(context: CommandContext): Promise<void> {
  const flights = storedFlights(await lookIntoOutbox(context), Date.now());
  const { address } = await operatorOf(context);
  const facts = await factsOf(context);
  const nonces = flights.map(({ nonce }) => nonce);
  const transactions = flights.map((flight) => ({
    ...rowOf(flight),
    waitsFor: waitsFor(flight, nonces, facts),
  }));
  const { latest, pending, balance, price } = facts;
  const gasPrice = gasPriceOf(price);
  context.out.result({ operator: address, latest, pending, balance, gasPrice, transactions }, [
    `${address} has ${formatEther(balance)} of the chain's coin; gas costs ${
      formatGwei(gasPrice)
    } gwei`,
    `${latest} transactions are mined, with those that the node holds ${pending}`,
    ...transactions.flatMap((row) => [lineOf(row), `  waits for ${row.waitsFor}`]),
    ...(transactions.length > 0 ? [] : ["nothing is out"]),
  ]);
}

/** Forgets what is out, or takes its nonces away first. The provider must be stopped. */
export async function resetOutbox(
  context: CommandContext,
  { yes, cancel }: { yes: boolean; cancel: boolean },
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const store = await takeOutbox(context, stack);
  const before = storedFlights(await store.load(), Date.now());
  const transactions = before.map(rowOf);
  if (transactions.length > 0) await assertMeant(context, transactions, yes, cancel);
  const isCancelled = cancel && transactions.length > 0;
  if (isCancelled) await cancelThem(context, store);
  else for (const { nonce } of before) await store.forget(nonce);
  context.out.result({ forgotten: transactions, isCancelled }, [
    transactions.length === 0
      ? "nothing is out"
      : isCancelled
      ? "their nonces are used; what each call did, if anything, the chain says"
      : "forgotten; what a node still holds may be mined all the same",
  ]);
}

async function assertMeant(
  { out, confirm }: CommandContext,
  transactions: readonly Row[],
  yes: boolean,
  cancel: boolean,
): Promise<void> {
  for (const row of transactions) out.note(lineOf(row));
  if (yes) return;
  const what = cancel ? "replace each by an empty transfer" : "forget them";
  if (await confirm(`${what}?`, "give --yes")) return;
  throw new KhachapuriError("usage", "nothing was changed");
}

async function cancelThem(context: CommandContext, store: OutboxStore): Promise<void> {
  const [account, { public: client, chainId, endpoint }] = await Promise.all([
    operatorOf(context),
    context.chain(),
  ]);
  const feeMax = feeMaxOf(requireProvider(await context.config()));
  context.out.progress("replacing them");
  const times = { pauseMs: PAUSE_MS, timeoutMs: RECEIPT_TIMEOUT_MS };
  try {
    await cancelAll({ client, endpoint, chainId, account, store, feeMax, ...times });
  } catch (error) {
    throw asChainError(error, endpoint, {}, account.address);
  }
}

async function factsOf(context: CommandContext): Promise<AccountFacts> {
  const { public: client, endpoint } = await context.chain();
  const { address } = await operatorOf(context);
  try {
    const [latest, pending, balance, price] = await Promise.all([
      client.getTransactionCount({ address, blockTag: "latest" }),
      client.getTransactionCount({ address, blockTag: "pending" }),
      client.getBalance({ address }),
      readPrice(client),
    ]);
    return { latest, pending, balance, price };
  } catch (error) {
    throw asChainError(error, endpoint);
  }
}

function rowOf({ nonce, rank, since, gas, costMax, outgoing: { to }, forms }: OutFlight) {
  return {
    nonce,
    rank,
    since: since === null ? null : new Date(since).toISOString(),
    ageSeconds: since === null ? null : Math.floor((Date.now() - since) / 1000),
    to,
    gas,
    costMax,
    forms: forms.map(({ hash, maxFeePerGas, maxPriorityFeePerGas, isFiller }) => ({
      hash,
      maxFeePerGas,
      maxPriorityFeePerGas,
      isFiller,
    })),
  };
}

function lineOf({ nonce, rank, ageSeconds, gas, forms }: Row): string {
  const age = ageSeconds === null ? "of unknown age" : `${ageSeconds} s old`;
  const fees = forms.map(({ maxFeePerGas }) => formatGwei(maxFeePerGas)).join(", ");
  return `nonce ${nonce}  ${rank}, ${age}, gas ${gas}, signed for up to ${fees} gwei`;
}
