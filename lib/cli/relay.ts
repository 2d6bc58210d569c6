/** `relay`: what a payer has signed to leave the escrow, sent by anybody. */
import {
  assertForEscrow,
  isSignedByPayer,
  messageCall,
  messageFromJson,
  type PayerMessage,
  type SignedMessage,
} from "../chain/payer_message.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { readText } from "../files.ts";
import { UINT128_MAX } from "../permit.ts";
import { parseJson } from "../shape.ts";
import { endText } from "../time_text.ts";
import { defineCommand } from "./command.ts";
import { addressOf } from "./parties.ts";

export const relay = defineCommand({
  usage: "FILE [--fee USDC] [--relayer ADDRESS]",
  details: [
    "Sends a message that a payer has signed (revoke, reclaim, withdraw with --print or --out), " +
    "for your ETH. It does what the payer signed and nothing else; you may take a fee up to what " +
    "it names, out of the payer's free balance.",
  ],
  examples: ["relay revoke.json", "relay withdraw.json --fee 0.01"],
  options: {
    fee: { type: "string", value: "USDC", description: "what you take for it (default: nothing)" },
    relayer: {
      type: "string",
      value: "ADDRESS",
      description: "whose free balance gets the fee (default: yours)",
    },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const fee = options.fee === undefined ? 0n : parseUsdc(options.fee);
    const given = options.relayer === undefined ? null : addressOf(options.relayer, "--relayer");
    const { out } = context;
    const signed = await readMessage(positionals[0]!);
    const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
    assertForEscrow(signed, { chainId: chain.chainId, escrow });
    if (!await isSignedByPayer(signed)) {
      throw new KhachapuriError("invalid_signature", "the message is not signed by its payer");
    }
    const account = await context.account();
    const relayer = given ?? account.address;
    const { type, payer, deadline } = signed;
    out.progress(`sending ${payer}'s ${type}, good ${endText(deadline)}`);
    const { transactionHash } = await chain.send(account, messageCall(signed, fee, relayer));
    out.result({ transaction: transactionHash, type, payer, fee, relayer }, [
      `${payer} ${matterText(signed)}`,
      `fee ${formatUsdc(fee)} USDC to ${relayer}`,
    ]);
  },
});

/** @throws KhachapuriError `invalid_input` that names the file or the field */
async function readMessage(path: string): Promise<SignedMessage> {
  return messageFromJson(parseJson(await readText(path), path, "invalid_input"));
}

/** What the payer has done by it. */
function matterText(message: PayerMessage): string {
  switch (message.type) {
    case "Revoke":
      return `takes back ${revokedText(message.credits)} from ${message.provider}`;
    case "BumpEpoch":
      return `takes back its permits for ${message.provider}`;
    case "Reclaim":
      return `has reclaimed from ${message.provider}`;
    case "Withdraw":
      return `has withdrawn ${formatUsdc(message.amount)} USDC to ${message.to}`;
  }
}

function revokedText(credits: bigint): string {
  return credits === UINT128_MAX ? "all credits" : `${creditsText(credits)} at most`;
}
