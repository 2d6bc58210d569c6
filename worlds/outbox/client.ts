/** A nonce chain's node as an outbox sees it: the questions of viem's client, and a signing key. */
import {
  BaseError,
  fromHex,
  type Hex,
  keccak256,
  type LocalAccount,
  toHex,
  TransactionNotFoundError,
  TransactionReceiptNotFoundError,
} from "viem";
import type { OutboxClient } from "../../lib/chain/outbox/options.ts";
import { countOf, type Form, hasReceipt, knows, offer, pendingOf } from "./chain.ts";
import type { Scene } from "./referee.ts";

const ADDRESS = "0x00000000000000000000000000000000000000aa";

/** Signs nothing: the raw form says what is in it, a transfer of nothing being a filler. */
export const NONCE_ACCOUNT = {
  address: ADDRESS,
  signTransaction: ({ nonce, data, maxFeePerGas }: { [name: string]: unknown }) => {
    const call = data === "0x" ? `filler ${nonce}` : fromHex(data as Hex, "string");
    const form: Form = { nonce: nonce as number, call, fee: Number(maxFeePerGas) };
    return Promise.resolve(toHex(JSON.stringify(form)));
  },
} as unknown as LocalAccount;

export const callData = (call: string): Hex => toHex(call);
export const formOf = (raw: Hex): Form => JSON.parse(fromHex(raw, "string"));

/**
 * A client of the scene's chain, in which gas costs the floor: fees are 0 or 1, as in the model.
 * @param onOffer is told of each broadcast
 * @param head the newest block's number
 */
export function nonceClient(
  { chain }: Scene,
  onOffer: (form: Form) => void,
  head: () => number = () => 0,
): OutboxClient {
  const forms = new Map<Hex, Form>();
  const requireAnswer = (isCount = false) => {
    if (chain.view.answers === "all" || isCount && chain.view.answers === "count only") return;
    throw new BaseError("no answer");
  };
  const client = {
    getTransactionCount: async ({ blockTag }: { blockTag: string }) => {
      requireAnswer(blockTag === "latest");
      return await Promise.resolve(blockTag === "latest" ? countOf(chain) : pendingOf(chain));
    },
    getFeeHistory: async () => {
      requireAnswer();
      return await Promise.resolve({ oldestBlock: BigInt(head()), baseFeePerGas: [0n, 0n] });
    },
    estimateMaxPriorityFeePerGas: async () => {
      requireAnswer();
      return await Promise.resolve(BigInt(chain.floor));
    },
    getBalance: async () => {
      requireAnswer();
      return await Promise.resolve(chain.isBroke ? 0n : 10n ** 18n);
    },
    estimateGas: () => Promise.resolve(21_000n),
    sendRawTransaction: async ({ serializedTransaction: raw }: { serializedTransaction: Hex }) => {
      const form = formOf(raw);
      onOffer(form);
      const answer = offer(chain, form);
      if (answer !== "accepted") throw new BaseError(answer, { details: answer });
      const hash = keccak256(raw);
      forms.set(hash, form);
      return await Promise.resolve(hash);
    },
    getTransaction: async ({ hash }: { hash: Hex }) => {
      requireAnswer();
      const form = forms.get(hash);
      if (form && knows(chain, form)) return await Promise.resolve({});
      throw new TransactionNotFoundError({ hash });
    },
    getTransactionReceipt: async ({ hash }: { hash: Hex }) => {
      requireAnswer();
      const form = forms.get(hash);
      if (!form || !hasReceipt(chain, form)) throw new TransactionReceiptNotFoundError({ hash });
      return await Promise.resolve({ transactionHash: hash, call: form.call });
    },
  };
  return client as unknown as OutboxClient;
}
