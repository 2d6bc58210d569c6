/**
 * The command line's transactions: sent, waited for, and forgotten with the process. It neither
 * raises fees nor fills nonces; who is told that a transaction is late may look it up.
 */
import type { Address, Hex, LocalAccount, PublicClient, TransactionReceipt } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { asChainError } from "../refusal.ts";
import type { GiveUp } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { createMemoryStore, type Outgoing } from "./store.ts";

/**
 * Signs with the account's next nonce, broadcasts, waits until mined. Concurrent transactions of an
 * account get consecutive nonces.
 * @throws KhachapuriError `chain_refused` for lack of gas coin; `chain_unavailable`, with
 *   `data.transaction` once it may have been broadcast
 */
export type Post = (account: LocalAccount, outgoing: Outgoing) => Promise<TransactionReceipt>;

/** A first broadcast that gets an unclear answer is repeated at once: the same bytes do no harm. */
const LAUNCH_ATTEMPTS = 3;
/** One that a node accepted and lost is repeated, ms: some blocks later, on most chains. */
const REBROADCAST_AFTER_MS = 10_000;
/** Who waits at the terminal has nothing to weigh. */
const STANDING = { rank: "settlement", costMax: null } as const;
/** A local chain mines at once; on others a block takes seconds. */
const PAUSE = { firstMs: 20, lastMs: 1_000 };

/** @param client with its chain; the account's key signs for that chain alone */
export function createPost(
  client: PublicClient,
  endpoint: string,
  receiptTimeoutMs: number,
): Post {
  const outboxes = new Map<Address, Promise<Outbox>>();

  function outboxOf(account: LocalAccount): Promise<Outbox> {
    const known = outboxes.get(account.address);
    if (known) return known;
    const outbox = Outbox.open({
      client,
      endpoint,
      chainId: client.chain!.id,
      account,
      store: createMemoryStore(),
      policy: {
        rebroadcastAfterMs: REBROADCAST_AFTER_MS,
        giveUpAfterMs: receiptTimeoutMs,
        repair: null,
      },
      pause: PAUSE,
      launchAttempts: LAUNCH_ATTEMPTS,
      now: () => performance.now(),
      wordGiveUp: (giveUp) => wordGiveUp(giveUp, receiptTimeoutMs),
    });
    outboxes.set(account.address, outbox);
    return outbox;
  }

  return async (account, outgoing) => {
    const outbox = await outboxOf(account);
    const { mined } = await outbox.launch(STANDING, () => Promise.resolve(outgoing))
      .catch((error) => {
        throw asChainError(error, endpoint);
      });
    return await mined;
  };
}

function wordGiveUp({ transaction, failure }: GiveUp, timeoutMs: number): KhachapuriError {
  if (failure) return withTransaction(failure, transaction);
  const late = new KhachapuriError("chain_unavailable", `not mined within ${timeoutMs} ms`);
  return withTransaction(late, transaction);
}

function withTransaction(failure: KhachapuriError, transaction: Hex): KhachapuriError {
  return new KhachapuriError(failure.code, `${failure.shortMessage} (transaction ${transaction})`, {
    hints: ["it may still be mined: look it up before sending it again"],
    data: { transaction },
  });
}
