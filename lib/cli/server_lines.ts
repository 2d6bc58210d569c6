/** How servers among an owner's deployments do, as `deployments` tells it. */
import { isAddressEqual } from "viem";
import type { ProviderRecord } from "../chain/ens.ts";
import type { OwnDeployment, OwnDeploymentProvider } from "../client/deployments_file.ts";
import { fetchServers, type ServerState } from "../client/servers.ts";
import type { CommandContext } from "./command.ts";
import { hasKey, unlessRefused } from "./own_questions.ts";

/** By provider's name, and then by cid; a provider that could not be asked is left out. */
export type Servers = ReadonlyMap<string, ReadonlyMap<string, ServerState>>;

/**
 * Asks each provider once that has a server of this account's. Nobody is asked for a key: without
 * one in the key file nothing is known.
 * @param records what the providers' names say now
 */
export async function readServers(
  context: CommandContext,
  own: readonly OwnDeployment[],
  records: ReadonlyMap<string, ProviderRecord>,
): Promise<Servers> {
  const running = own.filter(isServer)
    .flatMap((deployment) => deployment.providers.map((provider) => ({ deployment, provider })))
    .filter(({ provider }) => provider.stoppedAt === undefined);
  if (running.length === 0 || !await hasKey(context)) return new Map();
  const account = await context.account();
  const asked = new Map<string, OwnDeploymentProvider>();
  for (const { deployment: { owner }, provider } of running) {
    if (isAddressEqual(owner, account.address)) asked.set(provider.name, provider);
  }
  const answers = await Promise.all([...asked].map(async ([name, provider]) => {
    const webDomain = records.get(name)?.webDomain;
    if (webDomain === undefined) return null;
    context.out.progress(`asking ${name}`);
    const servers = await unlessRefused(fetchServers(account, { ...provider, webDomain }));
    return servers && [name, servers] as const;
  }));
  return new Map(answers.filter((answer) => answer !== null));
}

export function isServer({ signed }: OwnDeployment): boolean {
  return signed?.interface === "http";
}

/** @param state null when its provider did not say */
export function serverLines(state: ServerState | null): string[] {
  if (state === null) return ["  its instances are unknown: its provider did not tell"];
  const { instances, restarts } = state;
  const restarted = restarts === 0 ? [] : [countOf(restarts, "restart")];
  if (instances.length === 0) {
    return [`  ${["a server, started by the next request", ...restarted].join(", ")}`];
  }
  const memory = instances.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0);
  const requests = instances.reduce((sum, instance) => sum + instance.requests, 0);
  const tunnels = instances.reduce((sum, instance) => sum + instance.tunnels, 0);
  const used = [
    ...(memory === 0 ? [] : [`${Math.ceil(memory / (1024 * 1024))} MiB`]),
    countOf(requests, "request"),
    ...(tunnels === 0 ? [] : [countOf(tunnels, "open WebSocket")]),
    ...restarted,
  ];
  return [
    `  ${countOf(instances.length, "instance")} (${statesText(instances)}): ${used.join(", ")}`,
  ];
}

/** e.g. "2 awake, 1 frozen". */
function statesText(instances: ServerState["instances"]): string {
  const states = Map.groupBy(instances, ({ state }) => state);
  return [...states].map(([state, those]) => `${those.length} ${state}`).join(", ");
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
