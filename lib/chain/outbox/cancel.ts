/** Takes the nonces of what is out away from it, by transfers of nothing to ourselves. */
import type { Hex, LocalAccount, PublicClient } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { pause } from "../../pause.ts";
import { NONCE_HOLE_MAX } from "../../limits.ts";
import { Delivery, type DeliveryClient } from "./delivery.ts";
import { capFees, type Fees, freshFees, type Price, raiseFees } from "./fees.ts";
import { addForm, newFlight, type OutFlight, storedFlights } from "./flight.ts";
import { estimateGas, type GasClient } from "./gas.ts";
import { type PriceClient, readPrice } from "./price.ts";
import type { OutboxStore, Outgoing } from "./store.ts";

export interface CancelOptions {
  client: DeliveryClient & GasClient & PriceClient & Pick<PublicClient, "getTransactionCount">;
  endpoint: string;
  chainId: number;
  account: LocalAccount;
  store: OutboxStore;
  /** The most that is paid for a unit of gas, wei; null: no limit. */
  feeMax: bigint | null;
  /** Between two looks whether they are mined, ms. */
  pauseMs: number;
  /** How long that is waited for, ms. */
  timeoutMs: number;
}

/**
 * Resolves when all nonces up to the last one that is out are used, and the store is empty. What is
 * out may be mined instead of what takes its place.
 * @throws KhachapuriError `chain_unavailable` when they are not, or the cap is too low: the store
 *   keeps what it has; `chain_refused` for lack of gas coin
 */
export async function cancelAll(options: CancelOptions): Promise<void> {
  const { client, endpoint, account: { address }, store } = options;
  const flights = storedFlights(await store.load(), Date.now());
  const below = Math.max(...flights.map(({ nonce }) => nonce)) + 1;
  const count = await client.getTransactionCount({ address, blockTag: "latest" });
  if (below - count > NONCE_HOLE_MAX + flights.length) throw farAhead(count, below);
  const [price, outgoing] = await Promise.all([readPrice(client), fillerFor(options)]);
  const delivery = new Delivery({ client, endpoint, address });
  for (let nonce = count; nonce < below; nonce++) {
    const known = flights.find((flight) => flight.nonce === nonce);
    const filler = await signFiller(options, nonce, outgoing, await feesFor(options, known, price));
    const failure = await delivery.deliverNewest(filler);
    if (failure?.code === "chain_refused") throw failure;
  }
  await untilUsed(options, below);
  for (const { nonce } of flights) await store.forget(nonce);
  for (let nonce = count; nonce < below; nonce++) await store.forget(nonce);
}

async function fillerFor({ client, account: { address } }: CancelOptions): Promise<Outgoing> {
  const transfer = { to: address, data: "0x" } as const;
  return { ...transfer, gas: await estimateGas(client, address, transfer) };
}

/** What is paid now, and more than the form that the node holds. */
async function feesFor(
  { client, feeMax }: CancelOptions,
  flight: OutFlight | undefined,
  price: Price,
): Promise<Fees> {
  const fresh = freshFees(price);
  for (const { hash, ...held } of flight?.forms.toReversed() ?? []) {
    if (!await isHeld(client, hash)) continue;
    const fees = raiseFees(held, fresh, feeMax, 1);
    if (fees) return fees;
    const message = `nonce ${flight!.nonce} is taken away for more than provider.gas allows only`;
    throw new KhachapuriError("chain_unavailable", message, {
      hints: ["raise provider.gas.maxFeeGwei in config.json, or wait until it is mined"],
    });
  }
  return capFees(fresh, feeMax);
}

async function isHeld(client: DeliveryClient, hash: Hex): Promise<boolean> {
  return await client.getTransaction({ hash }).then(() => true, () => false);
}

async function signFiller(
  { account, chainId, store }: CancelOptions,
  nonce: number,
  outgoing: Outgoing,
  fees: Fees,
): Promise<OutFlight> {
  const standing = { rank: "filler", costMax: null } as const;
  const { maxFeePerGas, maxPriorityFeePerGas } = fees;
  const priced = { nonce, maxFeePerGas, maxPriorityFeePerGas, ...outgoing };
  const raw = await account.signTransaction({ type: "eip1559", chainId, ...priced });
  const now = Date.now();
  const form = { raw, ...priced, ...standing, signedAt: now };
  await store.remember(form);
  const flight = newFlight(nonce, outgoing, standing, fees, now);
  addForm(flight, form);
  return flight;
}

async function untilUsed(options: CancelOptions, below: number): Promise<void> {
  const { client, account: { address }, pauseMs, timeoutMs } = options;
  const lateAt = performance.now() + timeoutMs;
  while (await client.getTransactionCount({ address, blockTag: "latest" }) < below) {
    if (performance.now() > lateAt) throw late();
    await pause(pauseMs);
  }
}

function late(): KhachapuriError {
  return new KhachapuriError("chain_unavailable", "what takes their place is not mined yet", {
    hints: ["look: khachapuri operator outbox; the provider goes on with it when it starts"],
  });
}

function farAhead(count: number, below: number): KhachapuriError {
  const message = `nonces ${count} to ${below - 1} are too many to take`;
  return new KhachapuriError("invalid_input", message, {
    hints: ["forget them: khachapuri operator reset, without --cancel"],
  });
}
