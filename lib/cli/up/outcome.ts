/** What became of the provider that systemd was told to start, and what is left to do by whom. */
import { join } from "node:path";
import { KhachapuriError } from "../../errors.ts";
import { askControl } from "../../provider/control/control_client.ts";
import { failureOf } from "./carry_out.ts";
import { type Machine, propertiesOf } from "./machine_facts.ts";

/** A look of `doctor`. */
export interface Told {
  readonly part: string;
  readonly state: "good" | "doubtful" | "bad";
  readonly detail: string;
  readonly hints: readonly string[];
  readonly code?: string;
  readonly operator?: string;
}

export interface Outcome {
  /** Where it listens; null: not yet. */
  readonly url: string | null;
  /** What it waits for, in words. */
  readonly waitsFor: string | null;
}

const LOOK_EVERY_MS = 500;
const SHOWN = "--property=Id,ActiveState,SubState,StatusText,UnitFileState,NeedDaemonReload";

/**
 * Looks until it serves, waits for somebody, or has failed.
 * @param book the folder of the provider's books
 * @throws KhachapuriError `provider_unavailable` when it ended or does not come: its last words
 */
export async function awaitService(
  machine: Machine,
  book: string,
  { pause, looks }: { pause(ms: number): Promise<void>; looks: number },
): Promise<Outcome> {
  for (let look = 0; look < looks; look++) {
    const answer = await askControl(join(machine.root, book), "status").catch(() => null);
    const url = (answer?.done as { url?: string } | undefined)?.url;
    if (url !== undefined) return { url, waitsFor: null };
    const { stdout } = await machine.run(["systemctl", "show", SHOWN, "khachapuri.service"]);
    const [{ ActiveState = "", SubState = "", StatusText = "" } = {}] = propertiesOf(stdout);
    const words = await lastWords(machine);
    const waiting = /^waiting:? (.*)/.exec(StatusText)?.[1] ?? waitingIn(words);
    if (waiting) return { url: null, waitsFor: waiting };
    if (ActiveState === "failed" || SubState === "auto-restart") throw ended(words);
    await pause(LOOK_EVERY_MS);
  }
  throw ended(await lastWords(machine));
}

async function lastWords(machine: Machine): Promise<string[]> {
  const words = ["--unit=khachapuri", "--lines=20", "--no-pager", "--output=cat"];
  const { stdout } = await machine.run(["journalctl", ...words]);
  return stdout.split("\n").filter((line) => line.trim() !== "");
}

/** What the last line of its log waits for, if that is what it does. */
function waitingIn(words: readonly string[]): string | null {
  return /"message":"waiting: ((?:[^"\\]|\\.)*)"/.exec(words.at(-1) ?? "")?.[1] ?? null;
}

function ended(words: readonly string[]): KhachapuriError {
  return new KhachapuriError("provider_unavailable", "the provider does not come up", {
    hints: [...words.slice(-5), "all of it: journalctl -u khachapuri"],
  });
}

/** What `doctor` says as the provider's user, whose programs the unit gives uids of their own. */
export async function askDoctor(machine: Machine, home: string): Promise<Told[]> {
  const words = ["doctor", "--home", home, "--json"];
  const { stdout, stderr } = await machine.run(["runuser", home, ...words]);
  const found = findingsIn(stdout);
  if (found === null) throw failureOf(stdout, stderr || "doctor said nothing");
  const isUnits = ({ part, state }: Told) => part === "sandbox" && state === "doubtful";
  return found.filter((finding) => !isUnits(finding));
}

function findingsIn(text: string): Told[] | null {
  try {
    return (JSON.parse(text) as { findings?: Told[] }).findings ?? null;
  } catch {
    return null;
  }
}

/** The line for the provider key's machine; null where it can't be told yet. */
export async function registrationLine(machine: Machine, home: string): Promise<string | null> {
  const words = ["register", "--home", home, "--print", "--json"];
  const { code, stdout } = await machine.run(["runuser", home, ...words]);
  if (code !== 0) return null;
  return (JSON.parse(stdout) as { line?: string }).line ?? null;
}
