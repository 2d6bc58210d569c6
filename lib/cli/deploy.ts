/** `deploy`, also `deno task deploy-spec`: from a program folder to a deployment cid. */
import type { LocalAccount } from "viem";
import { parseUsdc } from "../chain/usdc.ts";
import { type DeployTarget, sealDeployment, type SpecChoices } from "../client/deploy.ts";
import { addDeployment, notePublished } from "../client/deployments_file.ts";
import {
  assertNoSecrets,
  assertStartable,
  type PackedProgram,
  packForDeployment,
} from "../client/packed_program.ts";
import { carBytes } from "../ipfs/car.ts";
import { agree } from "./agree.ts";
import { type Arguments, type CommandContext, defineCommand } from "./command.ts";
import { copyFailure } from "./copies.ts";
import { paymentFault } from "./deploy_costs.ts";
import { noteRefusals, rehearsalFailure, rehearse } from "./deploy_dry_run.ts";
import { OPTIONS, specChoices } from "./deploy_flags.ts";
import {
  isPublished,
  isPushing,
  placesAtProviders,
  placesBeside,
  publishBoth,
  unpublishedNotes,
} from "./deploy_publish.ts";
import { ownDeployment } from "./deploy_record.ts";
import { report, signedLines } from "./deploy_report.ts";
import {
  assertFit,
  type Fitted,
  type Standing,
  standingOf,
  target,
  tellWhose,
} from "./deploy_targets.ts";
import { noteLeftOut } from "./left_out_note.ts";
import type { NamePlan } from "./name_point.ts";
import { assertProvided, withToldFileFlags } from "./program_file.ts";
import { noteServer } from "./server_note.ts";

export const deploy = defineCommand({
  usage: "DIR --provider NAME [flags]",
  details: [
    "Packs DIR, shows you the provider's terms, signs them with the spec, encrypts the spec to " +
    "the provider, pushes both to it and has it rehearse a call. The program is public unless " +
    "--private; the spec with its environment is readable to the provider only.",
    "No IPFS node is needed. With --kubo, --pinata, --pin, or what config.json lists under " +
    "publish, copies go there as well, and each is read back.",
    "--name gives it a URL that stays: once it stands at every provider the name leads to it, and " +
    "no longer to the deployment before (see khachapuri name, and rollback).",
    "Nothing is made known of it but by --about, a file of JSON: description, method, input, output " +
    "and tags, for the provider's /openapi.json and for who is asked to pay.",
    "What it may cost you is bounded by what you allow the provider: see khachapuri allow.",
  ],
  examples: [
    "deploy samples/hello --provider paolo.eth",
    "deploy . --provider paolo.eth --env-file ../env --private --accept-terms",
    "deploy . --provider paolo.eth --env-file ../env --egress api.example.com:443",
    "deploy . --provider paolo.eth --name blog",
    "deploy . --provider paolo.eth --credits 40",
    "deploy . --provider paolo.eth --access payer --about about.json --cors https://app.example",
    "deploy . --provider paolo.eth --interface http --entrypoint server.js --server-port 3000",
    "deploy . --provider a.eth --provider b.eth --pinata --pin https://pins.example",
    "deploy . --provider a.eth --access payer --no-push --kubo http://127.0.0.1:5001",
    "deploy . --provider a.eth --access payer --out /tmp/cars",
  ],
  options: OPTIONS,
  positionals: { min: 1, max: 1 },
  async run(context, { options: typed, positionals }) {
    const { out, home } = context;
    const dir = positionals[0]!;
    const options = await withToldFileFlags(context, dir, typed);
    assertProvided(options.provider);
    if (options.name !== undefined) (await import("./name_places.ts")).assertName(options.name);
    const choices = await specChoices(options);
    const beside = await placesBeside(context, options);
    const program = await packedProgram(context, dir, options, choices);
    const fitted = await fittingTargets(context, options, program, choices);
    for (const { record } of fitted) await agree(context, record, options["accept-terms"]);
    const account = await context.account();
    const standings = await Promise.all(
      fitted.map((each) => standingOf(context, each, account.address)),
    );
    const naming = await namePlan(context, options.name, account, standings);
    const wanted = { bytes: carBytes(program.dag), ownerPays: choices.access === "public", beside };
    const pushed = isPushing(options)
      ? await placesAtProviders(context, account, standings, wanted)
      : [];
    const sealed = await sealDeployment(account, program, standings, choices);
    out.note(`deployment  ${sealed.cid} (${sealed.size} bytes)`);
    for (const line of signedLines(sealed)) out.note(line);

    // Before anything is public: `stop` needs the id, which only we and the provider know.
    await addDeployment(home, ownDeployment(dir, program, sealed, standings, typed));
    const places = [...pushed, ...beside];
    const copies = await publishBoth(context, places, program, sealed, standings);
    const isThere = isPublished(copies);
    if (!isThere) {
      const cids = [program.cid, sealed.cid] as const;
      for (const line of unpublishedNotes(options.out!, cids, standings)) out.note(line);
    }
    const [rehearsals] = await Promise.all([
      isThere && !options["no-dry-run"] ? rehearse(out, account, sealed.cid, standings) : [],
      isThere ? notePublished(home, sealed.cid) : undefined,
    ]);
    await noteRefusals(home, sealed.cid, standings, rehearsals);
    const placed = await Promise.all(standings.map(async (each, index) => ({
      ...each,
      unpaid: await paymentFault(context, each, sealed, each.limits),
      rehearsal: rehearsals[index],
    })));
    const names = standings.map(({ record }) => record.name);
    const failure = copyFailure(sealed.cid, copies) ?? rehearsalFailure(names, rehearsals);
    const isStanding = isThere && failure === null;
    const named = naming && await naming.point(sealed.cid, isStanding);
    report(context, program, sealed, placed, copies, named);
    const fault = failure ?? named?.failure;
    if (fault) throw fault;
  },
});

type Flags = Arguments<typeof OPTIONS>["options"];

/** Its cid is told before anybody else is asked anything. */
async function packedProgram(
  context: CommandContext,
  dir: string,
  options: Flags,
  choices: SpecChoices,
): Promise<PackedProgram> {
  const { out } = context;
  out.progress(`packing ${dir}`);
  const envFile = options["env-file"] ?? null;
  const program = await packForDeployment(dir, options.private, choices, envFile);
  out.note(`program     ${program.cid} (${program.size} bytes)`);
  assertNoSecrets(program.secrets, options["allow-secret"], options.private);
  await noteServer(context, dir, options);
  await noteLeftOut(context, dir, program.leftOut);
  assertStartable(program.start, null);
  return program;
}

async function fittingTargets(
  context: CommandContext,
  options: Flags,
  program: PackedProgram,
  choices: SpecChoices,
): Promise<Fitted[]> {
  const cap = options["max-price"] === undefined ? null : parseUsdc(options["max-price"]);
  const targets: DeployTarget[] = [];
  for (const name of options.provider) targets.push(await target(context, name, cap));
  const fitted: Fitted[] = [];
  for (const each of targets) {
    const fitting = assertFit(context, each, program, choices);
    fitted.push(await fitting.catch(tellWhose(each.record.name, options.provider)));
  }
  return fitted;
}

/** What moves names asks much of the rest, and is loaded for those who give one. */
async function namePlan(
  context: CommandContext,
  name: string | undefined,
  account: LocalAccount,
  standings: readonly Standing[],
): Promise<NamePlan | null> {
  if (name === undefined) return null;
  const { planName } = await import("./name_point.ts");
  return await planName(context, name, account, standings);
}
