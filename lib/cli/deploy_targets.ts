/** The providers that `deploy` is told to deploy to: what their names say, and whether it fits. */
import type { Address } from "viem";
import { trustedEscrow } from "../chain/deployments.ts";
import { resolveProvider } from "../chain/ens.ts";
import { type Allowance, readAllowance } from "../chain/escrow.ts";
import {
  type DeployTarget,
  deployTarget,
  type SigningTarget,
  type SpecChoices,
} from "../client/deploy.ts";
import { assertStartable, type PackedProgram } from "../client/packed_program.ts";
import {
  assertMayCall,
  assertMayTake,
  assertTakesServers,
  type ContentOffer,
  fetchOffer,
  instanceFaults,
  leastOf,
  limitFaults,
  type RunLimits,
} from "../client/provider_limits.ts";
import { assertHasRuntime } from "../client/provider_runtimes.ts";
import { KhachapuriError } from "../errors.ts";
import { signingEpoch } from "../permit.ts";
import { creditsMax } from "../spec/credits.ts";
import type { CommandContext } from "./command.ts";

/** A provider that the program fits. */
export interface Fitted extends DeployTarget {
  /** What a run gets: the provider's own limits where they are lower than the spec's. */
  limits: RunLimits;
  content: ContentOffer | null;
}

/** One of them, and how the owner stands with it. */
export interface Standing extends Fitted, SigningTarget {
  held: Allowance;
}

/**
 * Whether the provider's machine can start the program, and lets it call what it wants.
 * @throws KhachapuriError `invalid_program`, `invalid_input`
 */
export async function assertFit(
  { out }: CommandContext,
  target: DeployTarget,
  { start }: PackedProgram,
  wanted: Pick<SpecChoices, "interface" | "server" | "limits" | "egress">,
): Promise<Fitted> {
  const { name, webDomain } = target.record;
  const { interpreter } = start;
  const offer = await fetchOffer(webDomain, { interpreter });
  const { machine, limits, egressHosts, instances, content } = offer;
  const asked = { ...wanted.limits, credits: creditsMax(wanted) };
  if (wanted.interface === "http") assertTakesServers(name, instances);
  assertMayCall(name, wanted.egress, egressHosts);
  assertMayTake(name, asked, limits);
  const lacking = assertStartable(start, machine ?? Deno.build.arch);
  if (assertHasRuntime(name, start, offer) === null && lacking !== null) {
    out.note(`warning: ${lacking}; ${name} does not say whether it is there`);
  }
  for (const fault of [...limitFaults(asked, limits), ...instanceFaults(wanted, instances)]) {
    out.note(`warning: ${name} ${fault}`);
  }
  return { ...target, limits: leastOf(asked, limits), content };
}

/** An address tells nobody which of several it is, nor that the others can do without it. */
export function tellWhose(name: string, all: readonly string[]): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof KhachapuriError) || error.code !== "provider_unavailable") throw error;
    const others = all.filter((each) => each !== name).map((each) => `--provider ${each}`);
    const without = `or deploy without it: leave --provider ${name} out, and keep ${
      others.join(" ")
    }`;
    throw error.toldWith({
      message: `${name}: ${error.shortMessage}`,
      hints: [...error.hints, ...(others.length === 0 ? [] : [without])],
    });
  };
}

/** @throws KhachapuriError as `resolveProvider`, `trustedEscrow` and `deployTarget` */
export async function target(
  context: CommandContext,
  name: string,
  cap: bigint | null,
): Promise<DeployTarget> {
  context.out.progress(`resolving ${name}`);
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  const record = await resolveProvider(chain, name, contracts);
  const { chainId } = chain;
  const escrow = trustedEscrow(record, { chainId, escrow: contracts.escrow });
  return deployTarget(record, { chainId, escrow }, cap);
}

/** What the owner allows it, and which epoch is signed for. */
export async function standingOf(
  context: CommandContext,
  each: Fitted,
  owner: Address,
): Promise<Standing> {
  const { record: { address }, escrow } = each;
  const held = await readAllowance(await context.chain(), escrow, owner, address);
  return { ...each, held, epoch: signingEpoch(held) };
}
