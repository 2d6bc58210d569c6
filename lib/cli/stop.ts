/** `stop`: ends a deployment at its providers. */
import { labelsOf, noteStopped, type OwnDeployment } from "../client/deployments_file.ts";
import { stopAt } from "../client/stop.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { ownDeployment } from "./own_deployment.ts";
import { presentDomain } from "./present_provider.ts";

export const stop = defineCommand({
  usage: "CID|LABEL|URL [--provider NAME]",
  details: [
    "Ends a deployment of yours at its providers, for good: calls to it get 410 from then on. " +
    "Your signature, not this machine, is what the provider asks for. A URL, or NAME/CID, names " +
    "one provider; it stays at the others.",
  ],
  examples: ["stop bafkrei…", "stop blog", "stop bafkrei… --provider paolo.eth"],
  options: {
    provider: { type: "string", value: "NAME", description: "at this one only" },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { options, positionals }) {
    const { out, home } = context;
    const deployment = await ownDeployment(home, positionals[0]!, options.provider);
    await stopDeployment(context, deployment);
    const names = deployment.providers.map(({ name }) => name);
    out.result(
      { stopped: deployment.cid, providers: names },
      names.map((name) => `stopped at ${name}`),
    );
    for (const label of labelsOf(deployment)) {
      out.note(
        `${label} still leads to it: khachapuri name set ${label} CID, or name remove ${label}`,
      );
    }
  },
});

/**
 * Stops a deployment at the providers that it is given with.
 * @throws KhachapuriError as `stopAt`; where one fails those before it are stopped, and noted
 */
export async function stopDeployment(
  context: CommandContext,
  deployment: OwnDeployment,
): Promise<void> {
  const account = await context.account();
  for (const provider of deployment.providers) {
    context.out.progress(`stopping at ${provider.name}`);
    await stopAt(account, deployment, provider, await presentDomain(context, provider.name));
    await noteStopped(context.home, deployment.cid, provider.name, new Date().toISOString());
  }
}
