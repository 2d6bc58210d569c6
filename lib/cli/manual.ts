/** `man`: the command table as a manual page. */
import { EXIT_KINDS } from "./exit_kinds.ts";
import { type CommandOutline, type Flag, outlineOf } from "./command_outline.ts";
import { type CommandEntry, defineCommand } from "./command.ts";
import { wrap } from "./help.ts";
import { VERSION } from "../version.ts";

export const man = defineCommand({
  usage: "",
  details: ["Prints the manual page, in the language of man: every command, flag and exit code."],
  examples: ["man | man -l -", "man > ~/.local/share/man/man1/khachapuri.1"],
  options: {},
  positionals: { min: 0, max: 0 },
  async run({ out, commands }) {
    const page = await manualPage(commands);
    out.result({ page }, [page.trimEnd()]);
  },
});

/** The page in the man macros (man 7). */
export async function manualPage(table: readonly CommandEntry[]): Promise<string> {
  const outline = await outlineOf(table);
  const groups = Map.groupBy(outline, ({ entry }) => entry.group);
  const common = outline[0]!.flags.filter(({ isOwn }) => !isOwn);
  return [
    `.TH KHACHAPURI 1 "" "khachapuri ${VERSION}" "User Commands"`,
    section("NAME"),
    "khachapuri \\- compute over IPFS, paid in USDC",
    section("SYNOPSIS"),
    ".B khachapuri",
    text("COMMAND [flags]"),
    section("DESCRIPTION"),
    text(
      "A developer publishes a program, a provider runs it in a sandbox, and every call is paid " +
        "for through a contract that nobody owns. This is the command line of all three.",
    ),
    ...[...groups].flatMap(([group, members]) => [
      section(`COMMANDS: ${group.toUpperCase()}`),
      ...members.flatMap(commandLines),
    ]),
    section("FLAGS OF EVERY COMMAND"),
    ...common.flatMap(flagLines),
    section("EXIT STATUS"),
    ...Object.entries(EXIT_KINDS).flatMap(([code, kind]) => tagged(code, kind)),
    section("ENVIRONMENT"),
    ...ENVIRONMENT.flatMap(([name, meaning]) => tagged(name, meaning)),
    section("FILES"),
    ...FILES.flatMap(([name, meaning]) => tagged(name, meaning)),
    "",
  ].join("\n");
}

const ENVIRONMENT: readonly [string, string][] = [
  ["KHACHAPURI_HOME", "configuration, keys and state, where --home does not say"],
  ["KHACHAPURI_KUBO_TOKEN", "bearer token of the Kubo RPC"],
  ["KHACHAPURI_PINATA_JWT", "JWT of Pinata, for --pinata"],
  ["KHACHAPURI_PIN_TOKEN", "bearer token of the pinning service that --pin names"],
  ["KHACHAPURI_TRACE", "where a failure of ours (exit code 1) came from"],
];

const FILES: readonly [string, string][] = [
  ["~/.khachapuri/config.json", "the configuration"],
  ["~/.khachapuri/keys.json", "the keys; for nobody but you"],
  ["~/.khachapuri/deployments.json", "what was deployed from here"],
  ["~/.khachapuri/unpublished/", "deployments that got nowhere, until publish has brought them"],
  ["~/.khachapuri/permits.json", "how far your lanes are charged"],
  ["~/.khachapuri/terms.json", "the terms that you agreed to"],
];

function commandLines({ entry, command, flags }: CommandOutline): string[] {
  return [
    `.SS ${escaped(entry.name)}`,
    `.B khachapuri ${escaped(entry.name)}`,
    text(command.usage),
    ".PP",
    text(sentence(entry.summary)),
    ...(command.details ?? []).flatMap((paragraph) => [".PP", text(paragraph)]),
    ...flags.filter(({ isOwn }) => isOwn).flatMap(flagLines),
    ".PP",
    "Examples:",
    ".PP",
    ".nf",
    ".RS 4",
    ...command.examples.map((example) => verbatim(`khachapuri ${example}`)),
    ".RE",
    ".fi",
  ].filter((line) => line !== "");
}

function flagLines({ long, short, value, description }: Flag): string[] {
  const spelled = `${short ? `-${short}, ` : ""}--${long}${value === null ? "" : ` ${value}`}`;
  return tagged(spelled, description);
}

function tagged(tag: string, meaning: string): string[] {
  return [".TP", `.B ${escaped(tag)}`, text(meaning)];
}

function section(title: string): string {
  return `.SH "${escaped(title)}"`;
}

function sentence(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`;
}

/** Filled text, in lines as long as man's own style wants them. */
function text(paragraph: string): string {
  return wrap(paragraph, 72).split("\n").map(verbatim).join("\n");
}

/** A line of text; at its beginning a full stop or an apostrophe would be a request. */
function verbatim(line: string): string {
  return escaped(line).replace(/^[.']/, "\\&$&");
}

/** Characters that roff takes for its own, and those that are not ASCII. */
function escaped(line: string): string {
  return line
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(
      /[^\x20-\x7e]/gu,
      (char) => `\\[u${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`,
    );
}
