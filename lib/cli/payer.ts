/** `deposit` and `allow`: the payer's way into the escrow. */
import {
  allow as allowCredits,
  deposit as depositUsdc,
  readAllowance,
  readBalance,
} from "../chain/escrow.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import { readDeployments } from "../client/deployments_file.ts";
import { permitNeed } from "../client/renewal.ts";
import { signingEpoch } from "../permit.ts";
import { decreaseHints, endedThawLines } from "./allowance_advice.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { type Held, isWanting, withFundingHints, withHints } from "./funding.ts";
import { fundingAdvice } from "./funding_advice.ts";
import {
  addressOf,
  creditsOf,
  creditsText,
  type Party,
  positiveUsdc,
  providerParty,
} from "./parties.ts";
import { type Placement, renewAll, type Renewals, renewedLines } from "./renew.ts";

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
  usage: "NAME --credits N [--price USDC] [--signer ADDRESS] [--reprice]",
  details: [
    "Locks N credits at a price for one provider, out of your free balance: NAME may then charge " +
    "you that much and no more. Run again, it fills up to N. Nobody but you takes it back, by " +
    "revoke and, when the thawing period is over, reclaim.",
    "NAME is an ENS name, or a provider's address together with --price.",
    "With --reprice your deployments with NAME follow its price: those whose permit pays less, or " +
    "was taken back, get a new one and run on at the same URL.",
  ],
  examples: [
    "allow paolo.eth --credits 1000",
    "allow paolo.eth --credits 50 --price 0.002",
    "allow paolo.eth --credits 1000 --reprice",
  ],
  options: {
    credits: { type: "string", value: "N", required: true, description: "credits to have left" },
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
    const credits = creditsOf(options.credits);
    const signer = options.signer === undefined ? {} : {
      signer: addressOf(options.signer, "--signer"),
    };
    const given = options.price === undefined ? null : parseUsdc(options.price);
    if (options.reprice && given !== null) {
      throw usageError("allow", "--reprice takes NAME's own price, and no --price");
    }
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
    const held = await readAllowance(chain, escrow, account.address, provider);
    const sent = allowCredits(chain, account, escrow, wanted);
    const { transactionHash } = await withHints(
      sent,
      (reason) => refusalHints(context, { reason, party, held, pricePerCredit, credits }),
    );
    const free = await readBalance(chain, escrow, account.address);
    const repriced = options.reprice ? await reprice(context, party, pricePerCredit) : null;
    if (!options.reprice && party.record) await tellUnpaid(context, party, party.record.price);
    const json = { transaction: transactionHash, ...wanted, free };
    out.result(repriced ? { ...json, renewed: repriced.renewed } : json, [
      `${name} (${provider}) may charge ${creditsText(credits)} at ${formatUsdc(pricePerCredit)} ` +
      "USDC each",
      `free balance ${formatUsdc(free)} USDC`,
      ...endedThawLines(held),
      ...(repriced ? renewedLines(repriced.renewed) : []),
    ]);
    if (repriced?.failure) throw repriced.failure;
  },
});

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

/** Renews the permits of the account's running deployments with a provider that need it. */
async function reprice(context: CommandContext, party: Party, price: bigint): Promise<Renewals> {
  const { all, needing } = await placementsWith(context, party, price);
  const { name } = party;
  if (all.length === 0) context.out.note(`nothing was deployed from here with ${name}`);
  else if (needing.length === 0) {
    context.out.note(`no deployment with ${name} needs a new permit`);
  }
  return await renewAll(context, needing, null);
}

/** Credits alone do not pay for a deployment whose permit is for less, or was taken back. */
async function tellUnpaid(context: CommandContext, party: Party, price: bigint): Promise<void> {
  const { needing } = await placementsWith(context, party, price);
  const [first] = needing;
  if (!first) return;
  const { length } = needing;
  context.out.note(
    `${length} deployment${length === 1 ? "" : "s"} with ${party.name} ` +
      `(${first.deployment.cid}${length === 1 ? "" : ", …"}) need a new permit besides: --reprice`,
  );
}

/** The account's deployments with a provider, and those whose permit would not pay `price`. */
async function placementsWith(
  context: CommandContext,
  { chain, contracts: { escrow }, address }: Party,
  price: bigint,
) {
  const { address: owner } = await context.account();
  const all: Placement[] = (await readDeployments(context.home)).flatMap((deployment) =>
    deployment.providers
      .filter((provider) => deployment.owner === owner && provider.address === address)
      .map((provider) => ({ deployment, provider }))
  );
  if (all.length === 0) return { all, needing: [] };
  const epoch = signingEpoch(await readAllowance(chain, escrow, owner, address));
  const needing = all.filter(({ provider }) => permitNeed(provider, { price, epoch }));
  return { all, needing };
}
