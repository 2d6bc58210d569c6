/** `redeploy`: deploys a folder again, with the flags that it was deployed with last. */
import { resolve } from "node:path";
import { described, isRunning } from "../client/called_deployment.ts";
import {
  noteReplaces,
  type OwnDeployment,
  readDeployments,
  requireDeployment,
} from "../client/deployments_file.ts";
import { KhachapuriError } from "../errors.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { deploy } from "./deploy.ts";
import { OPTIONS } from "./deploy_flags.ts";
import { filledFrom, flagsText } from "./flag_layers.ts";
import { deploymentReference } from "./own_deployment.ts";
import { stopDeployment } from "./stop.ts";

export const redeploy = defineCommand({
  usage: "[DIR|LABEL|CID] [flags of deploy] [--stop-old]",
  details: [
    "Deploys a folder again (this one, unless another is named, by its path or a deployment of " +
    "it) with the flags of its last deployment; each that is given now takes that one's place. " +
    "Flags in the folder's khachapuri.json are read anew.",
    "Values of --env are not kept: they are given again, or stand in --env-file, which is read " +
    "again.",
    "The old deployment goes on, at its own URL and at your expense, until you stop it; with " +
    "--stop-old that is done once the new one stands.",
  ],
  examples: [
    "redeploy",
    "redeploy blog --stop-old",
    "redeploy . --memory 256 --env TOKEN=…",
  ],
  options: {
    ...OPTIONS,
    "stop-old": { type: "boolean", description: "stop what it was deployed in place of" },
  },
  positionals: { min: 0, max: 1 },
  async run(context, { options: given, positionals: [wanted] }) {
    const { "stop-old": isStopping, ...typed } = given;
    const { out, home } = context;
    if (isStopping && typed.out !== undefined) {
      throw usageError(
        "redeploy",
        "--stop-old needs the new one to serve, and --out writes it to files",
      );
    }
    const old = await lastOf(home, wanted);
    const { dir, flags } = notedOf(old);
    const options = filledFrom(OPTIONS, typed, flags);
    out.note(`again as ${described(old)}: ${flagsText(OPTIONS, options, typed)}`);
    const before = new Set((await readDeployments(home)).map(({ cid }) => cid));
    try {
      await deploy.run(context, { options, positionals: [dir], raw: [] });
    } finally {
      // One that failed half-way, too: whatever comes after it then ends all that were before it.
      const made = (await readDeployments(home)).findLast(({ cid }) => !before.has(cid));
      if (made) await noteReplaces(home, made.cid, old.cid);
    }
    await leave(context, old, isStopping);
  },
});

/**
 * The deployment to be made again: the last of the folder, or the one that is named.
 * @throws KhachapuriError `not_found`, `usage`, `invalid_cid`
 */
async function lastOf(home: string, wanted = "."): Promise<OwnDeployment> {
  const own = await readDeployments(home);
  const dir = resolve(wanted);
  const last = own.findLast(({ label }) => label === wanted) ??
    own.findLast(({ program }) => program.dir === dir) ?? lastOfFolder(own, wanted);
  if (last) return last;
  if (await isFolder(dir)) {
    throw new KhachapuriError("not_found", `nothing was deployed from ${dir} yet`, {
      hints: [`khachapuri deploy ${wanted} --provider NAME`, "see khachapuri deployments"],
    });
  }
  return await requireDeployment(home, (await deploymentReference(home, wanted)).cid);
}

/** By the folder's name alone; null where there are several folders of that name, or none. */
function lastOfFolder(own: readonly OwnDeployment[], name: string): OwnDeployment | null {
  const ofName = own.filter(({ program }) => program.name === name);
  const isOne = new Set(ofName.map(({ program }) => program.dir)).size === 1;
  return isOne ? ofName.at(-1)! : null;
}

function isFolder(path: string): Promise<boolean> {
  return Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}

function notedOf({ cid, program: { dir }, flags }: OwnDeployment) {
  if (dir !== undefined && flags !== undefined) return { dir, flags };
  throw new KhachapuriError("not_found", `with which flags ${cid} was deployed was not noted`, {
    hints: ["an earlier khachapuri deployed it: khachapuri deploy DIR --provider NAME …"],
  });
}

/** Stops what was replaced, or says how. */
async function leave(
  context: CommandContext,
  old: OwnDeployment,
  isStopping: boolean,
): Promise<void> {
  const { out, home } = context;
  for (const each of (await lineOf(home, old)).filter(isRunning)) {
    if (!isStopping) {
      out.note(`goes on, at your expense: ${described(each)}: khachapuri stop ${each.cid}`);
      continue;
    }
    const providers = each.providers.filter(({ stoppedAt }) => stoppedAt === undefined);
    await stopDeployment(context, { ...each, providers });
    out.note(`stopped ${described({ ...each, providers })}`);
  }
}

/** A deployment, and those in whose place it was made, one after the other. */
async function lineOf(home: string, last: OwnDeployment): Promise<OwnDeployment[]> {
  const own = await readDeployments(home);
  const line = [last];
  for (let at = last; at.replaces !== undefined && line.length <= own.length;) {
    const earlier = own.find(({ cid }) => cid === at.replaces);
    if (!earlier) break;
    line.push(at = earlier);
  }
  return line;
}
