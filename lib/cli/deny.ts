/** `deny`: the abuse desk of this machine's provider. */
import { join } from "node:path";
import { KhachapuriError } from "../errors.ts";
import { askControl } from "../provider/control/control_client.ts";
import {
  type Denial,
  denialToJson,
  type DenialWish,
  parseDenialWish,
} from "../provider/denial/denial.ts";
import { DenialBook, DENIALS_FILE } from "../provider/denial/denial_book.ts";
import { Denials } from "../provider/denial/denials.ts";
import { DENIAL_KINDS, type DenialKind } from "../provider/denial/welcome.ts";
import { LOCK_FILE, lockState } from "../provider/door/lock.ts";
import { usageError } from "./arguments.ts";
import { bookDir } from "./books.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { cidOf } from "./own_deployment.ts";
import { deadlineOf } from "./parties.ts";

const DAY_MS = 86_400_000;

type Told = ReturnType<typeof denialToJson>;

export const deny = defineCommand({
  usage: "owner|deployment|payer|network WHAT --reason TEXT | list [--all] | lift ID",
  details: [
    "Serves somebody no more: an owner (ADDRESS), one deployment (CID or URL), a payer (ADDRESS) " +
    "or a network (an address, or a range as 198.51.100.0/24). It counts at once where the " +
    "provider runs, and from its next start on where it does not.",
    "What is denied is refused with the reason, before it costs anybody anything; runs of a denied " +
    "owner or deployment are ended, and cost nothing. What is due is settled all the same, and the " +
    "way out of the escrow stays open.",
    "list prints those in force, with --all also those that were. lift ends one.",
  ],
  examples: [
    'deny deployment bafkrei… --reason "phishing" --note "report 17"',
    'deny network 198.51.100.0/24 --reason "attacks" --until 7d',
    "deny list --json",
    "deny lift 3",
  ],
  options: {
    reason: { type: "string", value: "TEXT", description: "told to whoever is refused" },
    note: { type: "string", value: "TEXT", description: "for you alone" },
    until: {
      type: "string",
      value: "TIME",
      description: "90d, ISO 8601, Unix seconds or never (default: never)",
    },
    all: { type: "boolean", description: "list: also those that are over or lifted" },
  },
  choices: [...DENIAL_KINDS, "list", "lift"],
  positionals: { min: 1, max: 2 },
  async run(context, { positionals, options }) {
    const [action, what] = positionals as [string, string | undefined];
    const kind = DENIAL_KINDS.find((known) => known === action) ?? null;
    const { reason, note, until, all } = options;
    if (kind === null && action !== "list" && action !== "lift") {
      throw usageError("deny", `"${action}" is none of ${DENIAL_KINDS.join(", ")}, list, lift`);
    }
    if (kind === null && (reason ?? note ?? until) !== undefined) {
      throw usageError("deny", "--reason, --note and --until are for what is to be denied");
    }
    if (all && action !== "list") throw usageError("deny", "--all is for list");
    if (kind !== null) {
      if (what === undefined) throw usageError("deny", `deny which ${kind}?`);
      if (reason === undefined) throw usageError("deny", "--reason says why, to who is refused");
      const wish = { kind, what: subjectOf(kind, what), reason, note: note ?? null };
      return await denyOne(context, { ...wish, until: endOf(until) });
    }
    if (action === "list") {
      if (what !== undefined) throw usageError("deny", "list takes nothing else");
      return await list(context, all);
    }
    if (!/^[1-9][0-9]{0,14}$/.test(what ?? "")) throw usageError("deny", "lift which ID?");
    await lift(context, Number(what));
  },
});

/** A deployment may be named as everywhere; the rest is the desk's to read. */
function subjectOf(kind: DenialKind, text: string): string {
  return kind === "deployment" ? cidOf(text) : text;
}

/** Unix ms; null: until it is lifted. @throws KhachapuriError `usage` */
function endOf(text: string | undefined): number | null {
  if (text === undefined || text === "never") return null;
  const days = /^([1-9][0-9]{0,4})d$/.exec(text);
  if (days) return Date.now() + Number(days[1]) * DAY_MS;
  if (!/^[0-9]{4,}/.test(text)) {
    throw new KhachapuriError("usage", `--until is no time: ${text}`, {
      hints: ["write it as 90d, as 2030-01-01T00:00:00Z or as Unix seconds; never is for good"],
    });
  }
  const until = Number(deadlineOf(text, "--until")) * 1_000;
  if (Number.isSafeInteger(until)) return until;
  throw new KhachapuriError("usage", "--until is too far away: say never");
}

async function denyOne(context: CommandContext, wish: DenialWish): Promise<void> {
  const told = await atTheDesk(context, "deny", wish, (denials, now) => {
    return denials.deny(parseDenialWish(wish, now));
  });
  const { id, kind, what, until } = told;
  const end = until === null ? "until it is lifted" : `until ${until}`;
  context.out.result(told, [`${id}: ${kind} ${what} is denied ${end}`]);
}

async function lift(context: CommandContext, id: number): Promise<void> {
  const told = await atTheDesk(context, "lift", { id }, (denials) => denials.lift(id));
  const { kind, what, state } = told;
  const line = state === "lifted" ? "is served again" : "was over already";
  context.out.result(told, [`${id}: ${kind} ${what} ${line}`]);
}

/** Asks the provider that runs; where none does, changes the book that the next one opens. */
async function atTheDesk(
  context: CommandContext,
  verb: string,
  body: unknown,
  change: (denials: Denials, now: number) => Denial,
): Promise<Told> {
  const dir = await bookDir(context);
  const answer = await askControl(dir, verb, body);
  if (answer) return answer.done as Told;
  await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
  // So that no provider starts meanwhile with the book as it was.
  const lock = await lockState(join(dir, LOCK_FILE));
  try {
    const book = DenialBook.open(join(dir, DENIALS_FILE));
    try {
      const now = Date.now();
      return denialToJson(change(new Denials({ book, now: Date.now }), now), now);
    } finally {
      book.close();
    }
  } finally {
    lock.release();
  }
}

async function list(context: CommandContext, isAll: boolean): Promise<void> {
  const path = join(await bookDir(context), DENIALS_FILE);
  const now = Date.now();
  const rows = await allIn(path);
  const told = rows.map((denial) => denialToJson(denial, now))
    .filter(({ state }) => isAll || state === "in force");
  context.out.result({ denials: told }, told.length === 0 ? ["none"] : tableOf(told));
}

async function allIn(path: string): Promise<Denial[]> {
  const isThere = await Deno.stat(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
  if (!isThere) return [];
  const book = DenialBook.open(path);
  try {
    return book.all();
  } finally {
    book.close();
  }
}

const COLUMNS = ["id", "kind", "what", "state", "since", "until", "reason", "note"] as const;

function tableOf(denials: readonly Told[]): string[] {
  const rows = [
    COLUMNS.map((column) => column.toUpperCase()),
    ...denials.map((denial) => COLUMNS.map((column) => String(denial[column] ?? ""))),
  ];
  const widths = COLUMNS.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)).join("  ").trimEnd());
}
