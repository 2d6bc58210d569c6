/** Deposit and allow: by one signature that the provider sends, or by transactions. */
import { formatUsdc } from "../usdc_text.ts";
import { type Funds, readTokenDomain } from "./funds.ts";
import { post } from "./provider.ts";
import { countOf, LIFETIME_SECONDS, type Say, type Session, type Way } from "./session.ts";
import { Trouble } from "./trouble.ts";
import { depositNonce, texts, typedData } from "./typed_data.ts";
import { callData, type Hex, randomWord } from "./words.ts";

/** What is valid for less is not sent any more: it has to be mined. */
const MINING_SECONDS = 60n;

/** What is allowed when it is done, and what that locks. */
export interface Plan {
  /** All that the provider will have, those that it has included. */
  readonly credits: bigint;
  /** USDC base units. */
  readonly pricePerCredit: bigint;
  /** What has to be locked beyond what is. */
  readonly cost: bigint;
}

/** While credits are left their price can only rise: the escrow keeps the higher one. */
export function planOf({ funds: { allowance }, offer }: Session, added: bigint): Plan {
  const { credits: held, pricePerCredit: heldAt } = allowance;
  const pricePerCredit = held > 0n && heldAt > offer.price ? heldAt : offer.price;
  const credits = held + added;
  return { credits, pricePerCredit, cost: credits * pricePerCredit - held * heldAt };
}

/** @returns what was done */
export async function addCredits(
  session: Session,
  added: bigint,
  way: Way,
  say: Say,
): Promise<string> {
  const plan = planOf(session, added);
  assertMeans(session.funds, plan);
  await (way === "signature"
    ? bySignature(session, plan, say)
    : byTransactions(session, plan, say));
  return `Done: ${countOf(plan.credits)} are allowed to ${session.terms.name}.`;
}

function assertMeans({ wallet, free }: Funds, { cost }: Plan): void {
  if (wallet + free >= cost) return;
  throw new Trouble(
    `Too little USDC: it takes ${formatUsdc(cost)}, your wallet holds ${formatUsdc(wallet)}` +
      ` and ${formatUsdc(free)} is free in the escrow.`,
    "Send USDC to your wallet on this chain first.",
  );
}

/**
 * What was signed and may still be mined, by what it does: of two such signatures both can be, so
 * whoever tries again sends the same one.
 */
const standing = new Map<string, { body: object; validBefore: bigint }>();

async function bySignature(session: Session, plan: Plan, say: Say): Promise<void> {
  const { wallet, funds } = session;
  const amount = depositOf(session, plan);
  const { pricePerCredit, credits } = plan;
  const what = [wallet.address, amount, pricePerCredit, credits].join();
  const known = standing.get(what);
  const isGood = known !== undefined && known.validBefore > funds.now + MINING_SECONDS;
  const { body, validBefore } = isGood ? known : await signDeposit(session, plan, amount, say);
  standing.set(what, { body, validBefore });
  say("The provider sends it; that takes a block or two.");
  await post("/onboard", body);
  standing.delete(what);
}

async function signDeposit(
  { wallet, terms, funds }: Session,
  plan: Plan,
  amount: bigint,
  say: Say,
) {
  const { pricePerCredit, credits } = plan;
  const times = { validAfter: 0n, validBefore: funds.now + LIFETIME_SECONDS };
  const { signer } = funds.allowance;
  const deposit = { amount, ...times, pricePerCredit, credits, signer, salt: randomWord() };
  const domain = await readTokenDomain(wallet, terms);
  say(`Sign in your wallet: ${formatUsdc(amount)} USDC go to the escrow.`);
  const signature = await wallet.signTypedData(typedData(domain, "ReceiveWithAuthorization", {
    from: wallet.address,
    to: terms.escrow,
    value: amount,
    ...times,
    nonce: depositNonce(wallet.address, terms.provider, deposit),
  }));
  const body = { payer: wallet.address, deposit: { ...texts(deposit), signature } };
  return { body, validBefore: times.validBefore };
}

/** What leaves the wallet: all of the cost if it holds so much, else what is not free already. */
function depositOf(
  { funds: { wallet, free }, offer: { depositMinimum } }: Session,
  { cost }: Plan,
) {
  const amount = wallet >= cost ? cost : cost - free;
  if (depositMinimum === null) {
    throw new Trouble(
      "The provider sends no deposits now: it never does, or gas is too dear for it.",
      "Do it by transaction.",
    );
  }
  if (amount >= depositMinimum) return amount;
  const least = formatUsdc(depositMinimum);
  throw new Trouble(
    `The provider sends deposits from ${least} USDC on, as it pays the gas; this is ` +
      `${formatUsdc(amount)}.`,
    "Add more credits, or do it by transaction.",
  );
}

async function byTransactions({ wallet, terms, funds }: Session, plan: Plan, say: Say) {
  const { escrow, asset, provider } = terms;
  const missing = plan.cost > funds.free ? plan.cost - funds.free : 0n;
  const steps: [what: string, to: Hex, data: Hex][] = [];
  if (missing > funds.approved) {
    const what = `let the escrow draw ${formatUsdc(missing)} USDC`;
    steps.push([what, asset, callData("approve(address,uint256)", escrow, missing)]);
  }
  if (missing > 0n) {
    const what = `deposit ${formatUsdc(missing)} USDC`;
    steps.push([what, escrow, callData("deposit(uint256)", missing)]);
  }
  const { pricePerCredit, credits } = plan;
  const { signer } = funds.allowance;
  const allow = callData(
    "allow(address,uint128,uint128,address)",
    provider,
    pricePerCredit,
    credits,
    signer,
  );
  steps.push([`allow ${countOf(credits)}`, escrow, allow]);
  for (const [index, [what, to, data]] of steps.entries()) {
    say(`Transaction ${index + 1} of ${steps.length}: ${what}.`);
    await wallet.send(to, data);
  }
}
