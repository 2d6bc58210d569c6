/**
 * What became of a payer's message, by the escrow's own events. Of several messages of one number
 * the escrow takes one, whichever comes first: that the number is used says nothing of which.
 */
import { type Address, type Hex, isAddressEqual, type Log, parseEventLogs } from "viem";
import { creditsText } from "../credits_text.ts";
import { escrowAbi } from "./abi.ts";
import type { Chain } from "./client.ts";
import { readAllowance } from "./escrow.ts";
import type { PayerMessage, SignedMessage } from "./payer_message.ts";
import { asChainError } from "./refusal.ts";
import { formatUsdc } from "./usdc.ts";

/** What took a message's number. */
export interface MessageFate {
  /** Whether it did what the message says, for no more than the message allows. */
  isDone: boolean;
  transaction: Hex;
  /** What it cost the payer, USDC base units. */
  fee: bigint;
  /** What it did of the payer's, in words. */
  effects: string[];
}

const EFFECTS = ["RevokeStarted", "EpochBumped", "Reclaimed", "Withdrawn"] as const;

/** What a transaction did to a payer's money and permits. */
export type Effect = ReturnType<typeof effectsIn>[number];

/**
 * What took the number of `signed`; null when the chain shows nothing that did.
 * @param since a block before any at which it can have been taken
 * @throws KhachapuriError `chain_unavailable`
 */
export async function readMessageFate(
  chain: Chain,
  signed: SignedMessage,
  since: bigint,
): Promise<MessageFate | null> {
  const { escrow, payer, nonce } = signed;
  try {
    const relayed = await chain.public.getContractEvents({
      address: escrow,
      abi: escrowAbi,
      eventName: "Relayed",
      args: { payer },
      fromBlock: since,
      strict: true,
    });
    const taken = relayed.find(({ args }) => args.nonce === nonce);
    if (!taken) return null;
    const { transactionHash: transaction, args: { fee } } = taken;
    const { logs } = await chain.public.getTransactionReceipt({ hash: transaction });
    const effects = effectsIn(escrow, payer, logs);
    const creditsLeft = signed.type === "Revoke"
      ? (await readAllowance(chain, escrow, payer, signed.provider)).credits
      : 0n;
    const isDone = fee <= signed.feeMax &&
      effects.some((effect) => isEffectOf(signed, effect, creditsLeft));
    return { isDone, transaction, fee, effects: effects.map(effectText) };
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}

function effectsIn(escrow: Address, payer: Address, logs: readonly Log[]) {
  const ours = logs.filter(({ address }) => isAddressEqual(address, escrow));
  return parseEventLogs({ abi: escrowAbi, eventName: [...EFFECTS], args: { payer }, logs: ours });
}

/**
 * Whether a message with these words does this.
 * @param creditsLeft what the payer has left at the message's provider, those that thaw included
 */
export function isEffectOf(message: PayerMessage, effect: Effect, creditsLeft: bigint): boolean {
  switch (message.type) {
    case "Revoke": {
      if (effect.eventName !== "RevokeStarted") return false;
      const { provider, thawingCredits: thawing } = effect.args;
      // Fewer than it says only where those are all: what is charged meanwhile makes them fewer.
      const isAmount = thawing === message.credits ||
        thawing < message.credits && creditsLeft <= thawing;
      return isAmount && isAddressEqual(provider, message.provider);
    }
    case "BumpEpoch":
      return effect.eventName === "EpochBumped" &&
        isAddressEqual(effect.args.provider, message.provider);
    case "Reclaim":
      return effect.eventName === "Reclaimed" &&
        isAddressEqual(effect.args.provider, message.provider);
    case "Withdraw":
      return effect.eventName === "Withdrawn" && effect.args.amount === message.amount &&
        isAddressEqual(effect.args.to, message.to);
  }
}

function effectText(effect: Effect): string {
  switch (effect.eventName) {
    case "RevokeStarted":
      return `${creditsText(effect.args.thawingCredits)} at ${effect.args.provider} thaw`;
    case "EpochBumped":
      return `the permits for ${effect.args.provider} were taken back`;
    case "Reclaimed":
      return `${creditsText(effect.args.credits)} were reclaimed from ${effect.args.provider}`;
    case "Withdrawn":
      return `${formatUsdc(effect.args.amount)} USDC went to ${effect.args.to}`;
  }
}
