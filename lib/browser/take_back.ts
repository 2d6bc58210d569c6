/** The way out: by transaction, or by a message that the provider sends for a fee. */
import { formatUsdc } from "../usdc_text.ts";
import { post } from "./provider.ts";
import { countOf, LIFETIME_SECONDS, type Say, type Session, type Way } from "./session.ts";
import { Trouble } from "./trouble.ts";
import { escrowDomain, type Fields, texts, typedData, type TypeName } from "./typed_data.ts";
import { callData, type Hex } from "./words.ts";

/** Both forms of the same step. */
interface Step {
  readonly type: Extract<TypeName, "Revoke" | "BumpEpoch" | "Reclaim" | "Withdraw">;
  /** Between payer and terms in the message. */
  readonly fields: Fields;
  readonly data: Hex;
  readonly done: string;
}

/** @param credits null: all of them */
export async function revoke(session: Session, credits: bigint | null, way: Way, say: Say) {
  const { terms: { provider }, funds: { allowance } } = session;
  if (allowance.credits === 0n) throw new Trouble("There is nothing to take back.");
  const most = credits === null || credits > allowance.credits ? allowance.credits : credits;
  return await take(session, way, say, {
    type: "Revoke",
    fields: { provider, credits: most },
    data: callData("revoke(address,uint128)", provider, most),
    done: `Done: ${countOf(most)} thaw.`,
  });
}

/** What was signed for the provider so far is void a thawing period from now. */
export async function voidPermits(session: Session, way: Way, say: Say) {
  const { terms: { provider }, funds: { allowance, now } } = session;
  if (allowance.epochEnd > now) throw new Trouble("Your permits are on their way out already.");
  return await take(session, way, say, {
    type: "BumpEpoch",
    fields: { provider },
    data: callData("bumpEpoch(address)", provider),
    done: "Done: permits signed so far end with the thawing period.",
  });
}

export async function reclaim(session: Session, way: Way, say: Say) {
  const { terms: { provider }, funds: { allowance, now } } = session;
  if (allowance.thawingCredits === 0n) throw new Trouble("Nothing thaws.");
  if (allowance.thawEnd > now) throw new Trouble("The thawing period is not over.");
  return await take(session, way, say, {
    type: "Reclaim",
    fields: { provider },
    data: callData("reclaim(address)", provider),
    done: "Done: what has thawed is free.",
  });
}

/** To the payer's own wallet. @param asked base units; null: all that there is */
export async function withdraw(session: Session, asked: bigint | null, way: Way, say: Say) {
  const { wallet: { address }, funds: { free }, relayFee } = session;
  const fee = way === "signature" ? relayFee ?? 0n : 0n;
  const amount = asked ?? free - fee;
  if (amount <= 0n || amount + fee > free) {
    const besides = fee > 0n ? `, and sending it costs ${formatUsdc(fee)}` : "";
    throw new Trouble(`Only ${formatUsdc(free)} USDC is free${besides}.`);
  }
  return await take(session, way, say, {
    type: "Withdraw",
    fields: { amount, to: address },
    data: callData("withdraw(uint256,address)", amount, address),
    done: `Done: ${formatUsdc(amount)} USDC are in your wallet.`,
  });
}

async function take(session: Session, way: Way, say: Say, step: Step): Promise<string> {
  const { wallet, terms } = session;
  if (way === "signature") return await byMessage(session, say, step);
  say("Confirm the transaction in your wallet.");
  await wallet.send(terms.escrow, step.data);
  return step.done;
}

async function byMessage(session: Session, say: Say, { type, fields, done }: Step) {
  const { wallet, terms: { chainId, escrow }, funds, relayFee } = session;
  if (relayFee === null) {
    throw new Trouble("This provider sends no messages.", "Do it by transaction.");
  }
  const message = {
    payer: wallet.address,
    ...fields,
    feeMax: relayFee,
    nonce: funds.nonce,
    deadline: funds.now + LIFETIME_SECONDS,
  };
  say(`Sign in your wallet: the provider may take ${formatUsdc(relayFee)} USDC for sending it.`);
  const data = typedData(escrowDomain(chainId, escrow), type, message);
  const signature = await wallet.signTypedData(data);
  say("The provider sends it; that takes a block or two.");
  const body = { type, chainId, escrow, ...texts(message), signature };
  const { fee } = await post<{ fee: string }>("/relay", body);
  return `${done} It cost ${BigInt(fee) === 0n ? "nothing" : `${formatUsdc(BigInt(fee))} USDC`}.`;
}
