/** `redeploy`: deploys a folder again, with the flags that it was deployed with last. */
import { resolve } from "node:path";
import { described, isRunning } from "../client/called_deployment.ts";
import {
  labelsOf,
  noteReplaces,
  type OwnDeployment,
  readDeployments,
  requireDeployment,
} from "../client/deployments_file.ts";
import { nameLeaves } from "../client/name_left.ts";
import { KhachapuriError } from "../errors.ts";
import { pause } from "../pause.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { deploy } from "./deploy.ts";
import { OPTIONS } from "./deploy_flags.ts";
import { filledFrom, flagsText } from "./flag_layers.ts";
import { deploymentReference } from "./own_deployment.ts";
import { presentDomain } from "./present_provider.ts";
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
    "--stop-old that is done once the new one stands, and its name leads there at each provider.",
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
    let made: OwnDeployment | undefined;
    try {
      await deploy.run(context, { options, positionals: [dir], raw: [] });
    } finally {
      // One that failed half-way, too: whatever comes after it then ends all that were before it.
      made = (await readDeployments(home)).findLast(({ cid }) => !before.has(cid));
      if (made) await noteReplaces(home, made.cid, old.cid);
    }
    const left = (await lineOf(home, old)).filter(isRunning);
    if (!isStopping) return tellOf(context, left);
    for (const name of made ? labelsOf(made) : []) await untilLeft(context, name, left);
    assertNameless(left, made);
    await stopAll(context, left);
  },
});

/**
 * The deployment to be made again: the last of the folder, or the one that is named.
 * @throws KhachapuriError `not_found`, `usage`, `invalid_cid`
 */
async function lastOf(home: string, wanted = "."): Promise<OwnDeployment> {
  const own = await readDeployments(home);
  const dir = resolve(wanted);
  const last = own.findLast((each) => labelsOf(each).includes(wanted)) ??
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

/**
 * What other names lead to goes on: whoever calls it by them would come to what is stopped.
 * @throws KhachapuriError `name_unavailable`
 */
function assertNameless(left: readonly OwnDeployment[], made: OwnDeployment | undefined): void {
  const named = left.filter((each) => labelsOf(each).length > 0);
  if (named.length === 0) return;
  const names = named.flatMap(labelsOf);
  const message = `${names.join(", ")} ${names.length === 1 ? "leads" : "lead"} to what was before`;
  throw new KhachapuriError("name_unavailable", `${message}: nothing was stopped`, {
    hints: [
      ...names.map((name) => `khachapuri name set ${name} ${made?.cid ?? "CID"}`),
      ...left.map(({ cid }) => `then: khachapuri stop ${cid}`),
    ],
  });
}

/** Says how what was replaced is stopped. */
function tellOf({ out }: CommandContext, left: readonly OwnDeployment[]): void {
  for (const each of left) {
    const goesOn = each.signed?.access === "payer" ? "goes on" : "goes on, at your expense";
    out.note(`${goesOn}: ${described(each)}: khachapuri stop ${each.cid}`);
  }
}

/**
 * Callers of a moved name come to what was before for as long as a provider believes what it knew.
 * @throws KhachapuriError `name_unavailable` when that takes too long
 */
async function untilLeft(
  context: CommandContext,
  name: string,
  left: readonly OwnDeployment[],
): Promise<void> {
  const cids = new Set(left.map(({ cid }) => cid));
  const stops = [...cids].map((cid) => `khachapuri stop ${cid}`).join(" && ");
  const world = { now: () => performance.now(), wait: pause };
  for (const provider of new Set(left.flatMap((each) => atNow(each).map(({ name }) => name)))) {
    context.out.progress(`waiting until ${provider} knows where ${name} leads`);
    const webDomain = await presentDomain(context, provider);
    if (await nameLeaves(webDomain, name, cids, world)) continue;
    const message = `${name} still leads to what was before at ${provider}: nothing was stopped`;
    throw new KhachapuriError("name_unavailable", message, {
      hints: [`see khachapuri name show ${name}; once it leads to the new one: ${stops}`],
    });
  }
}

async function stopAll(context: CommandContext, left: readonly OwnDeployment[]): Promise<void> {
  for (const each of left) {
    const running = { ...each, providers: atNow(each) };
    await stopDeployment(context, running);
    context.out.note(`stopped ${described(running)}`);
  }
}

/** The providers at which it was not stopped. */
function atNow({ providers }: OwnDeployment) {
  return providers.filter(({ stoppedAt }) => stoppedAt === undefined);
}

/** A deployment, and those in whose place it was made, one after the other, as they stand now. */
async function lineOf(home: string, { cid }: OwnDeployment): Promise<OwnDeployment[]> {
  const own = await readDeployments(home);
  const line: OwnDeployment[] = [];
  for (let next: string | undefined = cid; next !== undefined && line.length <= own.length;) {
    const at: OwnDeployment | undefined = own.find((each) => each.cid === next);
    if (!at) break;
    line.push(at);
    next = at.replaces;
  }
  return line;
}
