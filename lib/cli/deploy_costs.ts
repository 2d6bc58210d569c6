/** What the runs of a new deployment can cost, and what its owner lacks to pay for them. */
import { readAllowance } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { allowanceFault, type DeployTarget, type SealedDeployment } from "../client/deploy.ts";
import { longRunFaults } from "../client/long_run.ts";
import type { RunLimits } from "../client/provider_limits.ts";
import type { CommandContext } from "./command.ts";
import { creditsAdvised, fundingAdvice } from "./funding_advice.ts";

/** What the owner's calls lack, and the commands that mend it. */
interface Unpaid {
  /** Why no call is paid; null when some are. */
  fault: ReturnType<typeof allowanceFault>;
  /** Why a run ends before it has taken its credits. */
  shortfalls: string[];
  steps: string[];
}

/** null when nothing is lacking, or only callers pay. */
export async function paymentFault(
  context: CommandContext,
  { record, escrow }: DeployTarget,
  { spec }: SealedDeployment,
  limits: RunLimits,
): Promise<Unpaid | null> {
  if (spec.access === "payer") return null;
  const chain = await context.chain();
  const allowance = await readAllowance(chain, escrow, spec.owner, record.address);
  const fault = allowanceFault(allowance, spec.owner, record.price);
  const allowed = allowance.credits - allowance.thawingCredits;
  const shortfalls = fault === null ? longRunFaults({ ...spec.limits, ...limits }, allowed) : [];
  if (fault === null && shortfalls.length === 0) return null;
  const wholeRun = BigInt(limits.credits);
  const wanted = { ...record, credits: creditsAdvised(wholeRun) };
  const isAllowed = fault === null && allowed >= wholeRun;
  const steps = isAllowed ? [] : await fundingAdvice(context, spec.owner, wanted);
  return { fault, shortfalls, steps };
}

/** A provider, with what a run gets there and what its owner lacks to pay for it. */
export interface Placed extends DeployTarget {
  limits: RunLimits;
  unpaid: Unpaid | null;
}

/** What one run can cost, where that is more than a credit. */
export function costLines(
  { record: { name }, maxPrice, limits: { credits, timeoutMs } }: Placed,
): string[] {
  if (credits === 1) return [];
  const most = `${formatUsdc(maxPrice * BigInt(credits))} USDC`;
  return [
    `a run at ${name} takes up to ${credits} credits, one each ${timeoutMs / 1_000} s: ${most}`,
  ];
}

/** What is to be done before calls are paid. */
export function unpaidLines({ record: { name }, unpaid }: Placed): string[] {
  if (unpaid === null) return [];
  const { fault, shortfalls, steps } = unpaid;
  const unable = `warning: ${name} can't charge you yet (${fault}); callers will get 402 until`;
  return [
    ...(fault === null ? [] : [unable]),
    ...shortfalls.map((shortfall) => `warning: ${shortfall}: then it ends as a timeout`),
    ...steps.map((step) => `  ${step}`),
  ];
}
