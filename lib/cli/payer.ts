/** `deposit` and `allow`: the payer's way into the escrow. */
import type { Hex } from "viem";
import {
  allow as allowCredits,
  type Allowance,
  deposit as depositUsdc,
  readAllowance,
  readBalance,
} from "../chain/escrow.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { decreaseHints, endedThawLines } from "./allowance_advice.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { type Held, isWanting, withFundingHints, withHints } from "./funding.ts";
import { fundingAdvice } from "./funding_advice.ts";
import { addressOf, creditsOf, type Party, positiveUsdc, providerParty } from "./parties.ts";
import { renewedLines } from "./renew.ts";
import { isAllowed, reprice, repricedAllowance, tellCost, tellUnpaid } from "./reprice.ts";

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
    const sent = depositUsdc(chain, account, escrow, usdc, amount);
    const { transactionHash } = await withFundingHints(
      sent,
      () =>
        Promise.resolve([`or without ETH: khachapuri onboard NAME --amount ${formatUsdc(amount)}`]),
    );
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
  usage: "NAME --credits N [--price USDC] [--signer ADDRESS]  |  NAME --reprice [--credits N]",
  details: [
    "Locks N credits at a price for one provider, out of your free balance: NAME may then charge " +
    "you that much and no more. Run again, it fills up to N. Nobody but you takes it back, by " +
    "revoke and, when the thawing period is over, reclaim.",
    "NAME is an ENS name, or a provider's address together with --price.",
    "With --reprice you follow NAME's price: what you allow is allowed at it, the same number of " +
    "credits unless you give another, and those of your deployments with NAME whose permit pays " +
    "less, or was taken back, get a new one and run on at the same URL. What it costs is said " +
    "before it is sent; run again, it does what is left to do.",
  ],
  examples: [
    "allow paolo.eth --credits 1000",
    "allow paolo.eth --credits 50 --price 0.002",
    "allow paolo.eth --reprice",
  ],
  options: {
    credits: {
      type: "string",
      value: "N",
      description: "credits to have left (with --reprice by default: as many as there are)",
    },
    price: { type: "string", value: "USDC", description: "of one credit (default: NAME's price)" },
    signer: {
      type: "string",
      value: "ADDRESS",
      description: "the key that signs your permits (default: your own)",
    },
    reprice: { type: "boolean", description: "renew the permits of your deployments with NAME" },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    if (options.credits === undefined && !options.reprice) {
      throw usageError("allow", "--credits N is missing");
    }
    if (options.reprice && options.price !== undefined) {
      throw usageError("allow", "--reprice takes NAME's own price, and no --price");
    }
    const credits = options.credits === undefined ? null : creditsOf(options.credits);
    const signer = options.signer === undefined ? {} : {
      signer: addressOf(options.signer, "--signer"),
    };
    const given = options.price === undefined ? null : parseUsdc(options.price);
    const party = await providerParty(context, positionals[0]!);
    const price = given ?? announcedPrice(party);
    const account = await context.account();
    const { chain, contracts: { escrow }, address: provider, name } = party;
    const held = await readAllowance(chain, escrow, account.address, provider);
    const wanted = options.reprice
      ? { provider, ...repricedAllowance(held, { name, price, credits }), ...signer }
      : { provider, pricePerCredit: price, credits: credits!, ...signer };
    const isThere = options.reprice && !options.signer && isAllowed(held, wanted);
    const transaction = isThere ? null : await allowed(context, party, held, wanted);
    const free = await readBalance(chain, escrow, account.address);
    const repriced = options.reprice ? await reprice(context, party, price) : null;
    if (!options.reprice && party.record) await tellUnpaid(context, party, party.record.price);
    const json = { transaction, ...wanted, free };
    const { renewed, failed } = repriced ?? {};
    context.out.result(repriced ? { ...json, renewed, failed } : json, [
      `${name} (${provider}) may charge ${creditsText(wanted.credits)} at ` +
      `${formatUsdc(wanted.pricePerCredit)} USDC each`,
      `free balance ${formatUsdc(free)} USDC`,
      ...endedThawLines(held),
      ...(repriced ? renewedLines(repriced.renewed) : []),
    ]);
    if (repriced?.failure) throw repriced.failure;
  },
});

type WantedAllowance = Parameters<typeof allowCredits>[3];

/** Has the escrow take an allowance; returns the transaction. */
async function allowed(
  context: CommandContext,
  party: Party,
  held: Allowance,
  wanted: WantedAllowance,
): Promise<Hex> {
  const { out } = context;
  const { chain, contracts: { escrow }, name, record } = party;
  const { pricePerCredit, credits } = wanted;
  if (record && pricePerCredit < record.price) {
    out.note(`${name} asks ${formatUsdc(record.price)} USDC a credit: it may refuse yours`);
  }
  tellCost(context, held, wanted);
  out.progress(`allowing ${name} ${creditsText(credits)}`);
  const sent = allowCredits(chain, await context.account(), escrow, wanted);
  const { transactionHash } = await withHints(
    sent,
    (reason) => refusalHints(context, { reason, party, held, pricePerCredit, credits }),
  );
  return transactionHash;
}

/** What to do about an allowance that the escrow does not take. */
async function refusalHints(
  context: CommandContext,
  { reason, party, held, pricePerCredit, credits }: {
    reason: unknown;
    party: Party;
    held: Held;
    pricePerCredit: bigint;
    credits: bigint;
  },
): Promise<string[]> {
  const { name, record } = party;
  if (reason === "AllowanceDecrease") {
    const now = BigInt(Math.floor(Date.now() / 1000));
    return decreaseHints(held, { name, credits, pricePerCredit }, now);
  }
  if (record === null || !isWanting(reason)) return [];
  const { address } = await context.account();
  return await fundingAdvice(context, address, { ...record, credits });
}
