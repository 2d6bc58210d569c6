/**
 * Transactions on their way out. Signed here, so that the hash is known before anything is sent
 * and a broadcast can be repeated without ever becoming a second transaction.
 */
import {
  type Address,
  type BaseError,
  type Hex,
  keccak256,
  type LocalAccount,
  type PublicClient,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import { asChainError } from "./refusal.ts";

export interface Outgoing {
  to?: Address;
  data: Hex;
  gas: bigint;
}

export interface Outbox {
  /**
   * Signs with the account's next nonce, broadcasts, waits until mined.
   * @throws KhachapuriError `chain_refused` for lack of gas coin; `chain_unavailable`, with
   *   `data.transaction` once it may have been broadcast
   */
  post(account: LocalAccount, outgoing: Outgoing): Promise<TransactionReceipt>;
}

const BROADCAST_ATTEMPTS = 3;
const POLL_FIRST_MS = 20;
const POLL_LAST_MS = 1_000;

export function createOutbox(
  client: PublicClient,
  endpoint: string,
  receiptTimeoutMs: number,
): Outbox {
  /** One queue an account: the next nonce is only known when the one before is out. */
  const queues = new Map<Address, Promise<unknown>>();
  /** The nonce after our own last broadcast, until it is mined: the node asked may lag behind. */
  const nextNonces = new Map<Address, number>();

  function enqueue<T>(address: Address, work: () => Promise<T>): Promise<T> {
    const turn = (queues.get(address) ?? Promise.resolve()).then(work, work);
    queues.set(address, turn.catch(() => {}));
    return turn;
  }

  async function broadcastNext(account: LocalAccount, outgoing: Outgoing): Promise<Hex> {
    const { address } = account;
    const [pending, fees] = await Promise.all([
      client.getTransactionCount({ address, blockTag: "pending" }),
      client.estimateFeesPerGas(),
    ]).catch((error) => {
      throw asChainError(error, endpoint);
    });
    const nonce = Math.max(pending, nextNonces.get(address) ?? 0);
    const chainId = client.chain!.id;
    const signed = await account.signTransaction({ ...outgoing, ...fees, nonce, chainId });
    await broadcast(client, endpoint, address, signed);
    nextNonces.set(address, nonce + 1);
    return keccak256(signed);
  }

  return {
    async post(account, outgoing) {
      const hash = await enqueue(account.address, () => broadcastNext(account, outgoing));
      try {
        return await waitForReceipt(client, endpoint, hash, receiptTimeoutMs);
      } finally {
        // Mined, the chain counts it; dropped, it would leave a gap that blocks every later one.
        nextNonces.delete(account.address);
      }
    },
  };
}

/** Sending the same signed bytes again is harmless, so an unclear answer leads to a repeat. */
async function broadcast(
  client: PublicClient,
  endpoint: string,
  sender: Address,
  signed: Hex,
): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      await client.sendRawTransaction({ serializedTransaction: signed });
      return;
    } catch (error) {
      if (await isKnown(client, keccak256(signed), error)) return;
      const failure = asChainError(error, endpoint, {}, sender);
      if (failure.code === "chain_refused") throw failure;
      if (attempt === BROADCAST_ATTEMPTS) throw withTransaction(failure, keccak256(signed));
    }
  }
}

/** "already known", or "nonce too low" because an earlier attempt did arrive. */
async function isKnown(client: PublicClient, hash: Hex, error: unknown): Promise<boolean> {
  const said = `${(error as BaseError).details ?? ""} ${(error as Error).message}`;
  if (/already (known|imported|exists)/i.test(said)) return true;
  if (!/nonce/i.test(said)) return false;
  return await client.getTransaction({ hash }).then(() => true, () => false);
}

async function waitForReceipt(
  client: PublicClient,
  endpoint: string,
  hash: Hex,
  timeoutMs: number,
): Promise<TransactionReceipt> {
  const deadline = performance.now() + timeoutMs;
  let lastFailure: KhachapuriError | null = null;
  for (let pauseMs = POLL_FIRST_MS;; pauseMs = Math.min(pauseMs * 2, POLL_LAST_MS)) {
    try {
      return await client.getTransactionReceipt({ hash });
    } catch (error) {
      // A chain that stays silent for one poll is no verdict on a transaction that is out.
      const isPending = error instanceof TransactionReceiptNotFoundError;
      lastFailure = isPending ? null : asChainError(error, endpoint);
    }
    if (performance.now() + pauseMs > deadline) {
      const late = new KhachapuriError("chain_unavailable", `not mined within ${timeoutMs} ms`);
      throw withTransaction(lastFailure ?? late, hash);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function withTransaction(failure: KhachapuriError, transaction: Hex): KhachapuriError {
  return new KhachapuriError(failure.code, `${failure.shortMessage} (transaction ${transaction})`, {
    hints: ["it may still be mined: look it up before sending it again"],
    data: { transaction },
  });
}
