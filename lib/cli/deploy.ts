/** `deploy`, also `deno task deploy-spec`: from a program folder to a deployment cid. */
import { parseUsdc } from "../chain/usdc.ts";
import { type DeployTarget, sealDeployment } from "../client/deploy.ts";
import { addDeployment, notePublished } from "../client/deployments_file.ts";
import { assertNoSecrets, assertStartable, packForDeployment } from "../client/packed_program.ts";
import type { RunLimits } from "../client/provider_limits.ts";
import { agree } from "./agree.ts";
import { defineCommand } from "./command.ts";
import { paymentFault } from "./deploy_costs.ts";
import { OPTIONS, specChoices } from "./deploy_flags.ts";
import { publishBoth, requireKubo, writeBoth } from "./deploy_publish.ts";
import { ownDeployment } from "./deploy_record.ts";
import { report, signedLines } from "./deploy_report.ts";
import { assertFit, signingTarget, target } from "./deploy_targets.ts";
import { assertProvided, withToldFileFlags } from "./program_file.ts";
import { noteServer } from "./server_note.ts";

export const deploy = defineCommand({
  usage: "DIR --provider NAME [flags]",
  details: [
    "Packs DIR, shows you the provider's terms, signs them with the spec, encrypts the spec to " +
    "the provider and publishes both. The program is public unless --private; the spec with its " +
    "environment is readable to the provider only.",
    "What it may cost you is bounded by what you allow the provider: see khachapuri allow.",
  ],
  examples: [
    "deploy samples/hello --provider paolo.eth",
    "deploy . --provider paolo.eth --env-file ../env --private --accept-terms",
    "deploy . --provider paolo.eth --env-file ../env --egress api.example.com:443",
    "deploy . --provider paolo.eth --credits 40",
    "deploy . --provider paolo.eth --interface http --entrypoint server.js --server-port 3000",
    "deploy . --provider a.eth --provider b.eth --access payer --out /tmp/cars",
  ],
  options: OPTIONS,
  positionals: { min: 1, max: 1 },
  async run(context, { options: typed, positionals }) {
    const { out, home } = context;
    const dir = positionals[0]!;
    const options = await withToldFileFlags(context, dir, typed);
    assertProvided(options.provider);
    const choices = await specChoices(options);
    if (options.out === undefined) await requireKubo(context);
    out.progress(`packing ${dir}`);
    const program = await packForDeployment(
      dir,
      options.private,
      choices,
      options["env-file"] ?? null,
    );
    assertNoSecrets(program.secrets, options["allow-secret"], options.private);
    await noteServer(context, dir, options);
    assertStartable(program.start, null);
    const cap = options["max-price"] === undefined ? null : parseUsdc(options["max-price"]);
    const targets: DeployTarget[] = [];
    for (const name of options.provider) targets.push(await target(context, name, cap));
    const given: RunLimits[] = [];
    for (const each of targets) given.push(await assertFit(context, each, program, choices));
    for (const { record } of targets) await agree(context, record, options["accept-terms"]);
    const account = await context.account();
    const signing = await Promise.all(
      targets.map((each) => signingTarget(context, each, account.address)),
    );
    const sealed = await sealDeployment(account, program, signing, choices);
    out.note(`program     ${program.cid} (${program.size} bytes)`);
    out.note(`deployment  ${sealed.cid} (${sealed.size} bytes)`);
    for (const line of signedLines(sealed)) out.note(line);

    // Before anything is public: `stop` needs the id, which only we and the provider know.
    await addDeployment(home, ownDeployment(dir, program, sealed, signing, typed));
    if (options.out === undefined) {
      await publishBoth(context, program, sealed);
      await notePublished(home, sealed.cid);
    } else await writeBoth(context, options.out, program, sealed);
    const placed = await Promise.all(targets.map(async (each, index) => {
      const limits = given[index]!;
      return { ...each, limits, unpaid: await paymentFault(context, each, sealed, limits) };
    }));
    report(context, program, sealed, placed);
  },
});
