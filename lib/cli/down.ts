/** `down`: undoes `up`, but for keys and books, and says what those are still worth. */
import { join } from "node:path";
import { formatEther } from "viem";
import { formatUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import { isMissing, named } from "../files.ts";
import { keptBeside } from "../release/installed_file.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { assertRoot, doAll, homeFor, tellPlan } from "./up.ts";
import type { Remaining } from "./up/left_to_do.ts";
import { type Facts, type Machine, readFacts, thisMachine } from "./up/machine_facts.ts";
import { askDoctor } from "./up/outcome.ts";
import { planDown } from "./up/plan_down.ts";
import { readOperator } from "./up/remaining.ts";
import { PROGRAM_PATH } from "./up/system_files.ts";

export const down = defineCommand({
  usage: "[--dry-run] [--keep]",
  details: [
    "Stops the service that `up` made and takes away its units, settings, AppArmor profile and " +
    "the installed file, with those of before, as root. Keys, configuration and books stay, and " +
    "the user with them.",
    "What is due is settled first; where that can't be, nothing is done but by --unsettled.",
  ],
  examples: ["down --dry-run", "down"],
  options: {
    "dry-run": { type: "boolean", description: "print each step, and do nothing" },
    keep: { type: "boolean", description: "leave files of the system that were changed by hand" },
    unsettled: { type: "boolean", description: "also where what is due can't be settled" },
  },
  async run(context, { options }) {
    const machine = thisMachine(context.world.env("KHACHAPURI_FILE"));
    await takeDown(context, machine, options);
  },
});

interface DownFlags {
  readonly "dry-run": boolean;
  readonly keep: boolean;
  readonly unsettled: boolean;
}

/** @param machine this one; in tests, one in a folder */
export async function takeDown(
  context: CommandContext,
  machine: Machine,
  flags: DownFlags,
): Promise<void> {
  const home = homeFor(context);
  assertRoot(machine, "down");
  const facts = await readFacts(machine, home);
  const plan = planDown(facts, flags.keep, await programsOf(machine, facts));
  if (flags["dry-run"]) return tellPlan(context, plan);
  const worth = plan.length > 0 ? await settleFirst(context, machine, facts) : NOTHING_KNOWN;
  const isOpen = worth.due !== 0n && worth.trouble !== null;
  if (isOpen && !flags.unsettled) throw unsettled(worth, home);
  await doAll(context, machine, plan);
  tellLeft(context, facts, worth, plan.length > 0);
}

/** What stays behind in the home. */
interface Worth {
  /** What was served and the escrow has not taken, USDC base units; null: not known. */
  readonly due: bigint | null;
  /** Why it is not known, or could not be settled. */
  readonly trouble: string | null;
  readonly operator: Remaining["operator"];
}

const NOTHING_KNOWN: Worth = { due: null, trouble: null, operator: null };

/** Has what is due settled, as a provider's end does; one that never served owes nothing. */
async function settleFirst(
  { out }: CommandContext,
  machine: Machine,
  { home, config, installed, user }: Facts,
): Promise<Worth> {
  const { provider, rpc } = config;
  if (!provider || installed === null || user === null) return NOTHING_KNOWN;
  out.progress("settling");
  const run = await machine.run(["runuser", home, "settle", "--home", home, "--json"]);
  const operator = await askDoctor(machine, home)
    .then((findings) => readOperator([rpc ?? []].flat(), findings), () => null);
  const { unsettled, error, message = null } = settledIn(run.stdout);
  if (error === "not_found") return { due: 0n, trouble: null, operator };
  const due = unsettled === undefined ? null : BigInt(unsettled);
  return { due, trouble: due === 0n ? null : message ?? "it could not be settled", operator };
}

function settledIn(text: string): { unsettled?: string; error?: string; message?: string } {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function unsettled({ due, trouble }: Worth, home: string): KhachapuriError {
  const what = due === null
    ? `what is due could not be settled: ${trouble}`
    : `${formatUsdc(due)} USDC were served and are not settled`;
  return new KhachapuriError("invalid_input", `${what}; nothing was done`, {
    hints: [
      `see runuser -u khachapuri -- khachapuri settle --home ${home}`,
      "or leave it in the book, and bring the provider up again later: --unsettled",
    ],
  });
}

/** The program that is installed, and what upgrades have left beside it, as far as it is ours. */
async function programsOf(machine: Machine, { installed, own }: Facts): Promise<string[]> {
  const found: string[] = [];
  for (const path of [PROGRAM_PATH, ...keptBeside(PROGRAM_PATH)]) {
    const isOwn = path === PROGRAM_PATH && installed !== null && installed === own;
    if (isOwn || await beginsAsOurs(join(machine.root, path))) found.push(path);
  }
  return found;
}

async function beginsAsOurs(path: string): Promise<boolean> {
  const head = new Uint8Array(64);
  try {
    using file = await named(path, "read", Deno.open(path));
    await file.read(head);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  return new TextDecoder().decode(head).startsWith("#!/bin/sh\n# Khachapuri ");
}

function tellLeft(
  { out }: CommandContext,
  { home, homeFolder }: Facts,
  { due, operator }: Worth,
  isChanged: boolean,
): void {
  const coin = operator === null
    ? "what coin it has was not looked at"
    : `${operator.address} has ${formatEther(operator.balance)} of the chain's coin`;
  const left = homeFolder === null ? [] : [
    `left      ${home}: keys, configuration and books, of user khachapuri`,
    `unsettled ${due === null ? "not looked at" : `${formatUsdc(due)} USDC`}`,
    `operator  ${coin}; keys.json is the key to it`,
    "earnings  lie in the escrow, where the provider key alone reaches them: khachapuri collect",
    `for good  make a backup, then: rm -r ${home} && userdel khachapuri`,
  ];
  const head = isChanged ? "the provider is down" : "nothing was to be taken down";
  out.result({ home, changed: isChanged, unsettled: due, operator }, [head, ...left]);
}
