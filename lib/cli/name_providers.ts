/** The providers that a command about a name means. */
import { trustedEscrow } from "../chain/deployments.ts";
import { resolveProvider } from "../chain/ens.ts";
import { labelsOf, type OwnDeployment, readDeployments } from "../client/deployments_file.ts";
import { KhachapuriError } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import type { NamedProvider } from "./name_at_provider.ts";
import type { Name } from "./name_places.ts";

export const PROVIDER_OPTION = {
  type: "string",
  value: "NAME",
  multiple: true,
  description: "the provider whose register has the label; repeat for several",
} as const;

/**
 * Those that `--provider` names, or else those of the deployments that are meant: the one with
 * `cid`, or those that the name led to.
 * @throws KhachapuriError `usage` when a label is meant and nothing says where
 */
export async function providersOf(
  context: CommandContext,
  name: Name,
  given: readonly string[],
  cid: string | null,
): Promise<NamedProvider[]> {
  const names = given.length > 0 ? given : await knownNames(context.home, name, cid);
  if (names.length === 0 && name.kind === "register") {
    throw new KhachapuriError("usage", `at which provider is the name ${name.text}?`, {
      hints: ["give --provider NAME; a name of your own, of ENS or DNS, has a dot in it"],
    });
  }
  return await Promise.all(names.map((each) => namedProvider(context, each)));
}

async function knownNames(home: string, name: Name, cid: string | null): Promise<string[]> {
  const deployments = await readDeployments(home);
  if (cid !== null) return runningAt(deployments.filter((each) => each.cid === cid));
  const led = deployments.filter((each) => ledTo(each, name.text));
  // A name leads to what was stopped until it is moved or given up, and counts there.
  const now = led.filter((each) => labelsOf(each).includes(name.text));
  const known = [...new Set([...runningAt(led), ...madeAt(now)])];
  return known.length > 0 ? known : madeAt(led);
}

function runningAt(deployments: readonly OwnDeployment[]): string[] {
  const running = deployments.map(({ providers, ...each }) => ({
    ...each,
    providers: providers.filter(({ stoppedAt }) => stoppedAt === undefined),
  }));
  return madeAt(running);
}

function madeAt(deployments: readonly OwnDeployment[]): string[] {
  return [...new Set(deployments.flatMap(({ providers }) => providers.map(({ name }) => name)))];
}

/** Whether a deployment was made under a name, or has it now. */
export function ledTo(deployment: OwnDeployment, name: string): boolean {
  return labelsOf(deployment).includes(name) || deployment.flags?.name === name;
}

export async function namedProvider(context: CommandContext, text: string): Promise<NamedProvider> {
  context.out.progress(`resolving ${text}`);
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  const record = await resolveProvider(chain, text, contracts);
  const { chainId } = chain;
  const escrow = trustedEscrow(record, { chainId, escrow: contracts.escrow });
  const { name, address, webDomain } = record;
  return { name, address, webDomain, chainId, escrow };
}
