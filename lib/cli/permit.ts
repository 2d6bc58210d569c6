/**
 * `permit`: for a caller a ready PAYMENT-SIGNATURE header for curl and any other client, for the
 * owner of a deployment its next permit, given to the provider.
 */
import type { Address, Hex } from "viem";
import type { Chain } from "../chain/client.ts";
import type { ProviderRecord } from "../chain/ens.ts";
import { clientLane } from "../chain/lane.ts";
import { type SignedPayment, signPayment } from "../chain/payment.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import { calledDeployment } from "../client/called_deployment.ts";
import { readDeployments } from "../client/deployments_file.ts";
import { askCharged, type LaneQuestion } from "../client/lane_charged.ts";
import { openPermitBook } from "../client/permit_book.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { encodePaymentHeader, PAYMENT_SIGNATURE_HEADER } from "../payment_header.ts";
import { permitToJson } from "../permit.ts";
import { endText } from "../time_text.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { fundingAdvice } from "./funding_advice.ts";
import { addressOf, creditsOf, deadlineOf, laneOf, providerParty } from "./parties.ts";
import { cidOf } from "./own_deployment.ts";
import { renewDeployment } from "./renew.ts";

/** Seconds until a permit's deadline without --deadline: one that leaks is worth nothing then. */
const LIFETIME_SECONDS = 86_400n;

export const permit = defineCommand({
  usage: "NAME --credits N [flags]  |  CID|LABEL|URL [--provider NAME] [--max-price USDC]",
  details: [
    "NAME: signs that NAME may charge you N more credits, and prints the value of the header " +
    "PAYMENT-SIGNATURE that proves it: one header pays for N calls. Until then it is as good as " +
    "money: send it over https only, and keep it to yourself.",
    "A lane counts what was charged. Clients that run side by side take a label each, or they " +
    "spend each other's credits.",
    "CID: a deployment of yours whose permit does not pay any more, because the provider's price " +
    "rose or you took your permits back, gets a new one. It is given to its providers, not " +
    "printed, and the deployment runs on at the same URL.",
  ],
  examples: [
    "permit paolo.eth --credits 100",
    "permit paolo.eth --credits 1 --price 0.001 --deadline 2030-01-01T00:00:00Z --json",
    "permit paolo.eth --credits 50 --lane-label laptop",
    "permit bafkrei…",
    "permit bafkrei… --provider paolo.eth --max-price 0.002",
  ],
  options: {
    credits: { type: "string", value: "N", description: "NAME: calls that it pays for" },
    price: { type: "string", value: "USDC", description: "at most, each (default: NAME's price)" },
    deadline: {
      type: "string",
      value: "TIME",
      description: "ISO 8601 or Unix seconds (default: a day from now)",
    },
    lane: { type: "string", value: "HASH", description: "32 bytes of 0x-hex" },
    "lane-label": { type: "string", value: "TEXT", description: "a lane of that name of yours" },
    payer: {
      type: "string",
      value: "ADDRESS",
      description: "who pays, when your key is the signer of its allowance (default: you)",
    },
    provider: { type: "string", value: "NAME", description: "CID: at this one only" },
    "max-price": {
      type: "string",
      value: "USDC",
      description: "CID: most that a credit may cost (default: today's price)",
    },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const isName = !await isDeployment(context.home, positionals[0]!, options.credits);
    refuseFlags(options, isName ? DEPLOYMENT_FLAGS : CALLER_FLAGS, isName);
    if (!isName) return await renewDeployment(context, positionals[0]!, options);
    if (options.credits === undefined) throw usageError("permit", "--credits N is missing");
    const credits = creditsOf(options.credits);
    const deadline = options.deadline === undefined
      ? BigInt(Math.floor(Date.now() / 1000)) + LIFETIME_SECONDS
      : deadlineOf(options.deadline, "--deadline");
    const given = options.price === undefined ? null : parseUsdc(options.price);
    const payerGiven = options.payer === undefined ? null : addressOf(options.payer, "--payer");
    const laneFor = laneChoice(options.lane, options["lane-label"]);
    const { chain, contracts, address, record, name } = await providerParty(
      context,
      positionals[0]!,
    );
    const price = given ?? record?.price;
    if (price === undefined) {
      throw new KhachapuriError("usage", "an address says no price: give --price USDC");
    }
    const account = await context.account();
    const payer = payerGiven ?? account.address;
    const lane = laneFor(payer);
    const { escrow, usdc } = contracts;
    const key = { chainId: chain.chainId, escrow, payer, provider: address, lane };
    const charged = await chargedOn(context, chain, record, { account, key, usdc, price });
    const signed = await signPayment(chain, account, {
      escrow,
      usdc,
      provider: address,
      payer,
      lane,
      price,
      credits,
      deadline,
      charged,
    });
    printPayment(context, signed);
    warn(context, name, signed, credits, price, record?.price ?? price);
    const { allowance } = signed;
    if (record && allowance.credits - allowance.thawingCredits < credits) {
      const steps = await fundingAdvice(context, payer, { ...record, credits });
      for (const step of steps) context.out.note(`  ${step}`);
    }
  },
});

const DEPLOYMENT_FLAGS = ["provider", "max-price"] as const;
const CALLER_FLAGS = ["credits", "price", "deadline", "lane", "lane-label", "payer"] as const;

/**
 * Whether a deployment is meant, not a provider by its name or address, who is paid in credits.
 * @throws KhachapuriError `usage` where several are called so
 */
async function isDeployment(
  home: string,
  text: string,
  credits: string | undefined,
): Promise<boolean> {
  if (text.includes("/") || isCid(text)) return true;
  return credits === undefined && calledDeployment(await readDeployments(home), text) !== null;
}

function isCid(text: string): boolean {
  try {
    cidOf(text);
    return true;
  } catch {
    return false;
  }
}

/** @throws KhachapuriError `usage` for a flag that belongs to the other use of the command */
function refuseFlags(
  options: Readonly<Record<string, unknown>>,
  flags: readonly string[],
  isName: boolean,
): void {
  const given = flags.find((flag) => options[flag] !== undefined);
  if (given === undefined) return;
  const [is, other] = isName ? ["a provider's name", "CID"] : ["a deployment's cid", "NAME"];
  throw usageError("permit", `--${given} goes with ${other}, and this is ${is}`);
}

/** How far the lane is charged, unsettled calls included: the permit covers N calls beyond. */
async function chargedOn(
  context: CommandContext,
  chain: Chain,
  record: ProviderRecord | null,
  about: Pick<LaneQuestion, "account" | "key" | "usdc" | "price">,
): Promise<bigint> {
  const book = openPermitBook(context.home);
  if (!record) return await book.charged(about.key);
  context.out.progress(`asking ${record.name} how far the lane is charged`);
  try {
    return await askCharged(chain, { ...about, book, webDomain: record.webDomain });
  } catch (error) {
    const isSilent = error instanceof KhachapuriError && error.code === "provider_unavailable";
    if (!isSilent) throw error;
    context.out.note(
      `${record.name} can't be asked what is charged and not settled: ` +
        "on a lane used a moment ago the permit may cover fewer calls",
    );
    return await book.charged(about.key);
  }
}

function laneChoice(
  lane: string | undefined,
  label: string | undefined,
): (payer: Address) => Hex {
  if (lane === undefined) return (payer) => clientLane(payer, label);
  if (label !== undefined) {
    throw new KhachapuriError("usage", "--lane and --lane-label say the same thing: give one");
  }
  const given = laneOf(lane);
  return () => given;
}

function printPayment({ out }: CommandContext, { payment, settled }: SignedPayment): void {
  const header = encodePaymentHeader(payment);
  const permit = permitToJson(payment.permit);
  const headerName = PAYMENT_SIGNATURE_HEADER;
  out.result({ headerName, header, permit, consumed: settled }, [header]);
}

/** On stderr, so that `$(khachapuri permit …)` stays the header alone. */
function warn(
  { out }: CommandContext,
  name: string,
  { allowance, payment: { permit } }: SignedPayment,
  credits: bigint,
  price: bigint,
  asked: bigint,
): void {
  out.note(
    `pays ${name} for ${creditsText(credits)} at most ${formatUsdc(price)} USDC each, ` +
      endText(permit.deadline),
  );
  const left = allowance.credits - allowance.thawingCredits;
  if (left < credits) {
    out.note(`only ${creditsText(left)} allowed`);
  }
  if (allowance.credits > 0n && allowance.pricePerCredit < price) {
    out.note(`the allowance pays ${formatUsdc(allowance.pricePerCredit)} USDC a credit at most`);
  }
  if (price < asked) {
    out.note(`${name} asks ${formatUsdc(asked)} USDC a credit: it will refuse this`);
  }
}
