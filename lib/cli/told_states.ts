/** What providers tell an owner of its deployments, as far as they can be asked. */
import { isAddressEqual } from "viem";
import type { ProviderRecord } from "../chain/ens.ts";
import { type DeploymentState, fetchStates } from "../client/deployment_states.ts";
import type { OwnDeployment, OwnDeploymentProvider } from "../client/deployments_file.ts";
import { KhachapuriError } from "../errors.ts";
import { readKeyFile } from "../spec/keys.ts";
import type { CommandContext } from "./command.ts";

/** By provider's name, and then by cid; a provider that could not be asked is left out. */
export type ToldStates = ReadonlyMap<string, ReadonlyMap<string, DeploymentState>>;

/**
 * Asks each provider once where this account's deployments run. Nobody is asked for a key: without
 * one in the key file nothing is known.
 * @param records what the providers' names say now
 */
export async function readStates(
  context: CommandContext,
  own: readonly OwnDeployment[],
  records: ReadonlyMap<string, ProviderRecord>,
): Promise<ToldStates> {
  const running = own.flatMap(({ owner, providers }) =>
    providers.filter(({ stoppedAt }) => stoppedAt === undefined)
      .map((provider) => ({ owner, provider }))
  );
  if (running.length === 0 || !await hasKey(context)) return new Map();
  const account = await context.account();
  const asked = new Map<string, OwnDeploymentProvider>();
  for (const { owner, provider } of running) {
    if (isAddressEqual(owner, account.address)) asked.set(provider.name, provider);
  }
  const answers = await Promise.all([...asked].map(async ([name, provider]) => {
    const webDomain = records.get(name)?.webDomain;
    if (webDomain === undefined) return null;
    context.out.progress(`asking ${name}`);
    const states = await unlessRefused(fetchStates(account, { ...provider, webDomain }));
    return states && [name, states] as const;
  }));
  return new Map(answers.filter((answer) => answer !== null));
}

async function hasKey({ keysPath }: CommandContext): Promise<boolean> {
  const file = await unlessRefused(readKeyFile(keysPath));
  return file?.account !== undefined;
}

async function unlessRefused<Result>(asked: Promise<Result>): Promise<Result | null> {
  return await asked.catch((error) => {
    if (error instanceof KhachapuriError) return null;
    throw error;
  });
}
