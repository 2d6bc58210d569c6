/** Renewing the permits of deployments: what `permit CID` and `allow --reprice` do. */
import { resolveProvider } from "../chain/ens.ts";
import { readAllowance } from "../chain/escrow.ts";
import { trustedEscrow } from "../chain/deployments.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import {
  noteRenewed,
  type OwnDeployment,
  type OwnDeploymentProvider,
} from "../client/deployments_file.ts";
import { type RenewalTarget, renewAt, type SignedTerms } from "../client/renewal.ts";
import { KhachapuriError } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import { ownDeployment } from "./own_deployment.ts";

/**
 * `permit CID`: renews a deployment's permits at the providers where it runs, or at one of them.
 * @throws KhachapuriError `not_found`, `stopped`; the first failure, once all were tried
 */
export async function renewDeployment(
  context: CommandContext,
  text: string,
  options: { provider: string | undefined; "max-price": string | undefined },
): Promise<void> {
  const cap = options["max-price"] === undefined ? null : parseUsdc(options["max-price"]);
  const deployment = await ownDeployment(context.home, text, options.provider);
  const { cid } = deployment;
  const running = deployment.providers.filter(({ stoppedAt }) => stoppedAt === undefined);
  if (running.length === 0) {
    throw new KhachapuriError("stopped", `${cid} is stopped`, { hints: ["deploy it again"] });
  }
  const placements = running.map((provider) => ({ deployment, provider }));
  const { renewed, failed, failure } = await renewAll(context, placements, cap);
  if (renewed.length === 0 && failure) throw failure;
  const json = { cid, renewed, ...(failure ? { failed } : {}) };
  context.out.result(json, renewedLines(renewed));
  if (failure) throw failure;
}

/** A deployment at one of its providers. */
export interface Placement {
  deployment: OwnDeployment;
  provider: OwnDeploymentProvider;
}

/** A permit that its provider took. */
export interface RenewedPermit extends SignedTerms {
  cid: string;
  /** The provider's name. */
  provider: string;
}

/** A permit that was not renewed, and why. */
export interface FailedRenewal {
  cid: string;
  /** The provider's name. */
  provider: string;
  code: string;
  message: string;
}

export interface Renewals {
  renewed: RenewedPermit[];
  failed: FailedRenewal[];
  /** The first that failed; null when none did. */
  failure: KhachapuriError | null;
}

/**
 * Renews one permit after the other; one that fails keeps no other from being renewed, and is told.
 * @param cap the most that one credit may cost; null takes each provider's present price
 */
export async function renewAll(
  context: CommandContext,
  placements: readonly Placement[],
  cap: bigint | null,
): Promise<Renewals> {
  const renewals: Renewals = { renewed: [], failed: [], failure: null };
  for (const placement of placements) {
    const { deployment: { cid }, provider: { name } } = placement;
    try {
      const terms = await renew(context, placement, cap);
      renewals.renewed.push({ cid, provider: name, ...terms });
    } catch (error) {
      if (!(error instanceof KhachapuriError)) throw error;
      const { code, shortMessage: message } = error;
      context.out.note(`not renewed: ${cid} at ${name}: ${message}`);
      renewals.failed.push({ cid, provider: name, code, message });
      renewals.failure ??= error;
    }
  }
  return renewals;
}

export function renewedLines(renewed: readonly RenewedPermit[]): string[] {
  return renewed.map(({ cid, provider, price, epoch }) =>
    `${cid} pays ${provider} up to ${formatUsdc(price)} USDC a credit, epoch ${epoch}`
  );
}

async function renew(
  context: CommandContext,
  { deployment, provider }: Placement,
  cap: bigint | null,
): Promise<SignedTerms> {
  context.out.progress(`renewing ${deployment.cid} at ${provider.name}`);
  const [account, target] = await Promise.all([
    context.account(),
    presentTarget(context, deployment, provider),
  ]);
  const terms = await renewAt(account, deployment, provider, target, cap);
  await noteRenewed(context.home, deployment.cid, provider.name, terms);
  tellAllowance(context, target);
  return terms;
}

/** The permit is new, and what is allowed would not pay it. */
function tellAllowance({ out }: CommandContext, { record, allowance }: RenewalTarget): void {
  const { name, price } = record;
  if (allowance.credits - allowance.thawingCredits <= 0n) {
    out.note(`no credits are left with ${name}: khachapuri allow ${name} --credits N`);
    return;
  }
  if (allowance.pricePerCredit >= price) return;
  out.note(
    `that does not suffice: ${name} asks ${formatUsdc(price)} USDC a credit, and the allowance ` +
      `pays ${formatUsdc(allowance.pricePerCredit)}: khachapuri allow ${name} --reprice`,
  );
}

/** @throws KhachapuriError as `resolveProvider`; `untrusted_escrow`; `misdirected` */
async function presentTarget(
  context: CommandContext,
  { owner }: OwnDeployment,
  { name, address, chainId, escrow }: OwnDeploymentProvider,
): Promise<RenewalTarget> {
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  const record = await resolveProvider(chain, name, contracts);
  const trusted = trustedEscrow(record, { chainId: chain.chainId, escrow: contracts.escrow });
  if (chain.chainId !== chainId || trusted !== escrow) {
    const message = `this deployment is paid through ${escrow} on chain ${chainId}`;
    throw new KhachapuriError("misdirected", message, {
      hints: ["give --rpc URL and --escrow ADDRESS", `or deploy again, if ${name} left it`],
    });
  }
  return { record, allowance: await readAllowance(chain, escrow, owner, address) };
}
