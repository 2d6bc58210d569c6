/** `deposit` and `allow`: the payer's way into the escrow. */
import { allow as allowCredits, deposit as depositUsdc, readBalance } from "../chain/escrow.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import {
  addressOf,
  creditsOf,
  creditsText,
  type Party,
  positiveUsdc,
  providerParty,
} from "./parties.ts";

export const deposit = defineCommand({
  usage: "AMOUNT",
  details: [
    "Moves USDC from your wallet into the escrow, where it is your free balance: withdraw takes " +
    "it back at once, allow sets it aside for a provider. Sends an approval first where needed.",
  ],
  examples: ["deposit 5", "deposit 0.25 --json"],
  options: {},
  positionals: { min: 1, max: 1 },
  async run(context, { positionals }) {
    const amount = positiveUsdc(positionals[0]!);
    const { out } = context;
    const [chain, { escrow, usdc }] = await Promise.all([context.chain(), context.contracts()]);
    const account = await context.account();
    out.progress(`depositing ${formatUsdc(amount)} USDC`);
    const { transactionHash } = await depositUsdc(chain, account, escrow, usdc, amount);
    const free = await readBalance(chain, escrow, account.address);
    out.result({ transaction: transactionHash, amount, free }, [
      `deposited ${formatUsdc(amount)} USDC, free balance ${formatUsdc(free)} USDC`,
    ]);
  },
});

/** @throws KhachapuriError `usage` for a bare address, which announces none */
function announcedPrice({ record }: Party): bigint {
  if (record) return record.price;
  throw new KhachapuriError("usage", "an address says no price: give --price USDC");
}

export const allow = defineCommand({
  usage: "NAME --credits N [--price USDC] [--signer ADDRESS]",
  details: [
    "Locks N credits at a price for one provider, out of your free balance: NAME may then charge " +
    "you that much and no more. Run again, it fills up to N. Nobody but you takes it back, by " +
    "revoke and, when the thawing period is over, reclaim.",
    "NAME is an ENS name, or a provider's address together with --price.",
  ],
  examples: ["allow paolo.eth --credits 1000", "allow paolo.eth --credits 50 --price 0.002"],
  options: {
    credits: { type: "string", value: "N", required: true, description: "credits to have left" },
    price: { type: "string", value: "USDC", description: "of one credit (default: NAME's price)" },
    signer: {
      type: "string",
      value: "ADDRESS",
      description: "the key that signs your permits (default: your own)",
    },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const credits = creditsOf(options.credits);
    const signer = options.signer === undefined ? {} : {
      signer: addressOf(options.signer, "--signer"),
    };
    const given = options.price === undefined ? null : parseUsdc(options.price);
    const { out } = context;
    const party = await providerParty(context, positionals[0]!);
    const pricePerCredit = given ?? announcedPrice(party);
    const { chain, contracts: { escrow }, address: provider, name } = party;
    const account = await context.account();
    if (party.record && pricePerCredit < party.record.price) {
      out.note(`${name} asks ${formatUsdc(party.record.price)} USDC a credit: it may refuse yours`);
    }
    out.progress(`allowing ${name} ${creditsText(credits)}`);
    const wanted = { provider, pricePerCredit, credits, ...signer };
    const { transactionHash } = await allowCredits(chain, account, escrow, wanted);
    const free = await readBalance(chain, escrow, account.address);
    out.result({ transaction: transactionHash, ...wanted, free }, [
      `${name} (${provider}) may charge ${creditsText(credits)} at ${formatUsdc(pricePerCredit)} ` +
      "USDC each",
      `free balance ${formatUsdc(free)} USDC`,
    ]);
  },
});
