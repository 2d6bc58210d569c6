/** `up`: from a bare server to a provider that serves, and what is left to do by whom. */
import { join } from "node:path";
import { parseConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { readText } from "../files.ts";
import { pause } from "../pause.ts";
import { parseJson } from "../shape.ts";
import { assertOwnTerms } from "../spec/terms.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { jsonText } from "./output.ts";
import {
  type Answers,
  answersIn,
  answersJson,
  assertWhole,
  firstOf,
  HTTPS_WAYS,
  missingIn,
  parseAnswers,
  type WholeAnswers,
  withChain,
} from "./up/answers.ts";
import { carryOut } from "./up/carry_out.ts";
import { CHAINS } from "./up/chains.ts";
import { type Facts, type Machine, readFacts, thisMachine } from "./up/machine_facts.ts";
import { awaitService, type Outcome } from "./up/outcome.ts";
import { planUp } from "./up/plan_up.ts";
import { configAfter } from "./up/provider_fields.ts";
import { askFor } from "./up/questions.ts";
import { remainingLines } from "./up/left_to_do.ts";
import { readRemaining, type Remains } from "./up/remaining.ts";
import { type Step, stepLines } from "./up/steps.ts";

/** Where a provider lives that says nothing else. */
export const SERVICE_HOME = "/var/lib/khachapuri";
/** A first start may unpack, look at interpreters and lay out its books: two minutes of looks. */
const LOOKS_AT_START = 240;

const OPTIONS = {
  name: { type: "string", value: "NAME", description: "ENS name of the provider" },
  domain: { type: "string", value: "DOMAIN", description: "web domain that callers use" },
  price: { type: "string", value: "USDC", description: "of one call, e.g. 0.001" },
  chain: {
    type: "string",
    value: "CHAIN",
    choices: Object.keys(CHAINS),
    description: "the chain that you are paid on; or name its --rpc",
  },
  address: { type: "string", value: "ADDRESS", description: "of the provider key" },
  https: {
    type: "string",
    value: "WAY",
    choices: HTTPS_WAYS,
    description: "how HTTPS is had; default http-01",
  },
  email: { type: "string", value: "EMAIL", description: "where the authority may write to you" },
  agree: { type: "boolean", description: "to the terms of the certificate authority" },
  acme: { type: "string", value: "FILE", description: "JSON of more fields of provider.acme" },
  certificate: { type: "string", value: "FILE", description: "PEM, for --https files" },
  "certificate-key": { type: "string", value: "FILE", description: "PEM, for --https files" },
  listen: { type: "string", value: "ADDRESS:PORT", description: "where calls come in" },
  terms: { type: "string", value: "FILE", description: "your terms, in the place of the example" },
  answers: { type: "string", value: "FILE", description: "JSON of all this" },
  "print-answers": { type: "boolean", description: "print that JSON, and do nothing" },
  "dry-run": { type: "boolean", description: "print each step, and do nothing" },
  keep: { type: "boolean", description: "leave files of the system that were changed by hand" },
} as const;

type Flags = { readonly [K in keyof typeof OPTIONS]?: string | boolean | undefined };

export const up = defineCommand({
  usage: "[--name NAME --domain DOMAIN --price USDC --chain CHAIN --address ADDRESS]",
  details: [
    "Sets this server up, as root, on Debian 12, Ubuntu 24.04 and later: packages, a user, keys, " +
    "configuration, HTTPS, a service of systemd's. What no flag and no file says it asks for on a " +
    "terminal. It ends with what is left to do by whom.",
    "On the example of the terms it stops: make them yours, and run it again. Again it changes " +
    "what its flags say and nothing else; keys are never overwritten, nor what somebody has " +
    "changed by hand. `down` undoes it.",
  ],
  examples: [
    "up",
    "up --name paolo.eth --domain paolo.example --price 0.001 --chain base " +
    "--address 0x7099…79C8 --agree",
    "up --answers answers.json --terms terms.txt",
    "up --price 0.002 --dry-run",
  ],
  options: OPTIONS,
  async run(context, { options }) {
    const machine = thisMachine(context.world.env("KHACHAPURI_FILE"));
    await setUp(context, machine, options);
  },
});

/** @param machine this one; in tests, one in a folder */
export async function setUp(
  context: CommandContext,
  machine: Machine,
  flags: Flags,
  looks = LOOKS_AT_START,
): Promise<void> {
  const { out } = context;
  const home = homeFor(context);
  if (flags["print-answers"] !== true) assertRoot(machine, "up");
  const facts = await readFacts(machine, home);
  const { answers, wereAsked } = await collect(context, facts, flags);
  if (flags["print-answers"] === true) return out.line(jsonText(answersJson(answers)).trimEnd());
  parseConfig(configAfter(facts.config, answers), home);
  const terms = await givenTerms(answers);
  const plan = planUp(facts, answers, { keepsForeign: flags.keep === true, terms });
  if (wereAsked) tellAnswers(context, answers);
  if (flags["dry-run"] === true) return tellPlan(context, plan);
  if (!facts.hasSystemd) throw noSystemd();
  await doAll(context, machine, plan);
  out.progress("waiting until it serves");
  const outcome = await awaitService(machine, join(home, "state", "book"), { pause, looks });
  await tellOutcome(context, machine, answers, plan, outcome);
}

/** `--home`, or where the service's is by default. @throws KhachapuriError `usage` */
export function homeFor({ flags }: Pick<CommandContext, "flags">): string {
  const home = flags.home ?? SERVICE_HOME;
  if (/^(?:\/[\w][\w.-]*){2,}$/.test(home)) return home;
  throw new KhachapuriError("usage", `--home is no absolute path of a provider's own: ${home}`, {
    hints: [`by default it is ${SERVICE_HOME}`],
  });
}

/** @throws KhachapuriError `access_denied` */
export function assertRoot({ uid }: Machine, command: string): void {
  if (uid === 0) return;
  throw new KhachapuriError("access_denied", `${command} changes this machine, as root alone may`, {
    hints: [`su - (Debian) or sudo -i (Ubuntu), then: khachapuri ${command}`],
  });
}

function noSystemd(): KhachapuriError {
  return new KhachapuriError("not_implemented", "no systemd is in charge of this machine", {
    hints: ["set it up step by step: docs/provider.md"],
  });
}

async function collect(
  context: CommandContext,
  facts: Facts,
  flags: Flags,
): Promise<{ answers: WholeAnswers; wereAsked: boolean }> {
  const { world } = context;
  const flagged = parseAnswers(await answersOfFlags(context, flags), "flags", "usage");
  const filed = typeof flags.answers === "string" ? await answersFile(flags.answers) : {};
  const known = withOwnEnd(firstOf(flagged, filed, answersIn(facts.config)), flagged, filed);
  const isPerson = world.stdin.isTerminal() && world.stderr.isTerminal() && !context.flags.json;
  const isFirst = facts.config.provider === undefined;
  const wereAsked = isPerson && isFirst && missingIn(withChain(known)).length > 0;
  const answers = wereAsked ? await askFor(context, known) : known;
  return { answers: assertWhole(answers), wereAsked };
}

/** Another chain or way of HTTPS takes with it what went with the one before. */
function withOwnEnd(all: Answers, ...given: readonly Answers[]): Answers {
  const says = (field: keyof Answers) => given.some((one) => one[field] !== undefined);
  const { rpc, listen, acme, certificate, ...rest } = all;
  return {
    ...rest,
    ...(rpc === undefined || (says("chain") && !says("rpc")) ? {} : { rpc }),
    ...(listen === undefined || (says("https") && !says("listen")) ? {} : { listen }),
    ...(acme === undefined ? {} : { acme }),
    ...(certificate === undefined ? {} : { certificate }),
  };
}

async function answersOfFlags(
  { flags: { rpc, gateway, escrow, registry } }: CommandContext,
  flags: Flags,
): Promise<Record<string, unknown>> {
  const text = (flag: keyof Flags) =>
    typeof flags[flag] === "string" ? { [flag]: flags[flag] } : {};
  const { certificate: cert, "certificate-key": key, acme } = flags;
  return {
    ...text("name"),
    ...text("domain"),
    ...text("price"),
    ...text("chain"),
    ...text("address"),
    ...text("https"),
    ...text("email"),
    ...text("listen"),
    ...(typeof flags.terms === "string" ? { terms: await absolute(flags.terms) } : {}),
    ...(flags.agree === true ? { agreeToCa: true } : {}),
    ...(typeof acme === "string" ? { acme: await jsonFile(acme) } : {}),
    ...(cert === undefined && key === undefined ? {} : { certificate: { cert, key } }),
    ...(rpc.length === 0 ? {} : { rpc: [...rpc] }),
    ...(gateway.length === 0 ? {} : { gateways: [...gateway] }),
    ...(escrow === undefined ? {} : { escrow }),
    ...(registry === undefined ? {} : { registry }),
  };
}

async function answersFile(path: string): Promise<Answers> {
  return parseAnswers(await jsonFile(path), path);
}

async function jsonFile(path: string): Promise<unknown> {
  return parseJson(await readText(path === "-" ? "/dev/stdin" : path), path, "invalid_input");
}

async function absolute(path: string): Promise<string> {
  return await Deno.realPath(path).catch(() => path);
}

/** @throws KhachapuriError `invalid_config` for the example */
async function givenTerms({ terms }: Answers): Promise<string | null> {
  if (terms === undefined) return null;
  const text = await readText(terms);
  assertOwnTerms(new TextEncoder().encode(text), terms);
  return text;
}

function tellAnswers({ out }: CommandContext, answers: Answers): void {
  out.note(
    "\nto do the same again, on this machine or another: khachapuri up --answers FILE, with",
  );
  out.note(jsonText(answersJson(answers)).trimEnd());
  out.note("");
}

/** Prints the steps as they would be done. */
export function tellPlan({ out }: CommandContext, plan: readonly Step[]): void {
  const lines = plan.flatMap((step) => stepLines(step, true));
  out.result({ steps: plan }, lines.length === 0 ? ["nothing is to be changed"] : lines);
}

/** Does the steps, each told as it begins. */
export async function doAll(
  { out }: CommandContext,
  machine: Machine,
  plan: readonly Step[],
): Promise<void> {
  await carryOut(machine, plan, {
    onStep: (step) => stepLines(step, false).forEach((line) => out.line(line)),
    onTrouble: (text) => out.note(`warning: ${text}`),
  });
}

async function tellOutcome(
  { out, ...context }: CommandContext,
  machine: Machine,
  answers: WholeAnswers,
  plan: readonly Step[],
  outcome: Outcome,
): Promise<void> {
  out.progress("looking at everything");
  const remains = await readRemaining(machine, answers, homeFor(context));
  out.result(outcomeJson(outcome, plan, remains), [
    ...plan.length === 0 ? ["nothing was to be changed"] : [],
    outcome.url === null ? `waiting for: ${outcome.waitsFor}` : `serving   ${outcome.url}`,
    ...outcome.url === null ? ["          it goes on by itself as soon as that is so"] : [],
    `for       ${answers.domain}`,
    ...remains.notes.map((note) => `note      ${note}`),
    ...remainingLines(remains),
  ]);
}

function outcomeJson(outcome: Outcome, plan: readonly Step[], remains: Remains) {
  const { operator, dns, registration, findings } = remains;
  return { ...outcome, changed: plan.length > 0, operator, dns, registration, findings };
}
