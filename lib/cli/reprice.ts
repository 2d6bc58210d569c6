/** `allow --reprice`: an owner's allowance and permits follow a provider's price. */
import { type Allowance, readAllowance } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { readDeployments } from "../client/deployments_file.ts";
import { permitNeed } from "../client/renewal.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { signingEpoch } from "../permit.ts";
import type { CommandContext } from "./command.ts";
import type { Party } from "./parties.ts";
import { type Placement, renewAll, type Renewals } from "./renew.ts";

/** What is allowed: so many credits, each for at most that. */
export interface Allowed {
  credits: bigint;
  pricePerCredit: bigint;
}

/**
 * The allowance at a provider's present price. Without a number of credits those that are there
 * are kept; and as the escrow lowers no price, a higher one stays, which charges nothing more.
 * @throws KhachapuriError `usage` where it has to be said how many credits are wanted
 */
export function repricedAllowance(
  held: Allowance,
  { name, price, credits }: { name: string; price: bigint; credits: bigint | null },
): Allowed {
  const isHeldDearer = held.credits > 0n && held.pricePerCredit > price;
  const pricePerCredit = isHeldDearer ? held.pricePerCredit : price;
  if (credits !== null) return { credits, pricePerCredit };
  if (held.credits === 0n) throw howMany(`nothing is allowed to ${name} yet`);
  if (held.thawingCredits > 0n) {
    throw howMany(`${creditsText(held.thawingCredits)} of ${held.credits} thaw, as you revoked`);
  }
  return { credits: held.credits, pricePerCredit };
}

function howMany(why: string): KhachapuriError {
  return new KhachapuriError("usage", `${why}: say how many credits to have left`, {
    hints: ["--credits N"],
  });
}

/** Whether an allowance is there already as it is wanted. */
export function isAllowed(held: Allowance, wanted: Allowed): boolean {
  return held.thawingCredits === 0n && held.credits === wanted.credits &&
    held.pricePerCredit === wanted.pricePerCredit;
}

/** Before anything is sent. */
export function tellCost({ out }: CommandContext, held: Allowance, wanted: Allowed): void {
  const cost = wanted.pricePerCredit * wanted.credits - held.pricePerCredit * held.credits;
  if (cost <= 0n) return;
  const each = formatUsdc(wanted.pricePerCredit);
  out.note(
    `${creditsText(wanted.credits)} at ${each} USDC each: ${formatUsdc(cost)} USDC more of your ` +
      "free balance",
  );
}

/** Renews the permits of the account's running deployments with a provider that need it. */
export async function reprice(
  context: CommandContext,
  party: Party,
  price: bigint,
): Promise<Renewals> {
  const { all, needing } = await placementsWith(context, party, price);
  const { name } = party;
  if (all.length === 0) context.out.note(`nothing was deployed from here with ${name}`);
  else if (needing.length === 0) {
    context.out.note(`no deployment with ${name} needs a new permit`);
  }
  return await renewAll(context, needing, null);
}

/** Credits alone do not pay for a deployment whose permit is for less, or was taken back. */
export async function tellUnpaid(
  context: CommandContext,
  party: Party,
  price: bigint,
): Promise<void> {
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
