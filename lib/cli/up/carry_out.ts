/** Does the steps of a plan. Each is whole or not done, so a run that broke off can be repeated. */
import { dirname, join } from "node:path";
import { KhachapuriError, knownCode } from "../../errors.ts";
import { isMissing, makeFolders, named } from "../../files.ts";
import { isExample, type Machine, UNFINISHED_PATH, userOf } from "./machine_facts.ts";
import type { Step } from "./steps.ts";

/** What only makes things better: where it fails, that is said, and `up` goes on. */
const OPTIONAL: readonly string[] = ["sysctl"];

export interface CarryOutOptions {
  /** Hears of each step before it is done. */
  onStep(step: Step): void;
  /** Hears of what failed and is no hindrance. */
  onTrouble(text: string): void;
}

/** @throws KhachapuriError of the step that failed; those before it are done */
export async function carryOut(
  machine: Machine,
  steps: readonly Step[],
  { onStep, onTrouble }: CarryOutOptions,
): Promise<void> {
  if (steps.length === 0) return;
  await markUnfinished(machine);
  for (const step of steps) {
    onStep(step);
    await doStep(machine, step, onTrouble);
  }
  await removeFile(join(machine.root, UNFINISHED_PATH));
}

async function doStep(
  machine: Machine,
  step: Step,
  onTrouble: (text: string) => void,
): Promise<void> {
  const at = (path: string) => join(machine.root, path);
  switch (step.kind) {
    case "tool":
      return await useTool(machine, step.words, onTrouble);
    case "write":
      return await placeFile(at(step.path), new TextEncoder().encode(step.text), 0o644);
    case "remove":
      return await removeFile(at(step.path));
    case "install":
      return await placeFile(at(step.path), await ownBytes(machine), 0o755);
    case "home":
      return await makeHome(machine, step.path, step.mode);
    case "configure":
      return await configure(machine, step.home, step.words, step.input);
    case "terms":
      return await assertTermsEdited(at(step.path), step.path);
  }
}

async function useTool(
  machine: Machine,
  words: readonly string[],
  onTrouble: (text: string) => void,
): Promise<void> {
  const { code, stdout, stderr } = await machine.run(words);
  if (code === 0) return;
  const said = `${stdout}\n${stderr}`.trim().split("\n").slice(-5);
  const message = `${words.join(" ")} failed with exit code ${code}`;
  if (OPTIONAL.includes(words[0]!)) return onTrouble([message, ...said].join(": "));
  throw new KhachapuriError("provider_unavailable", message, { hints: said });
}

/** Under another name first: whoever looks finds the old file or the new one. */
async function placeFile(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const fresh = `${path}.khachapuri-new`;
  await makeFolders(dirname(path));
  await removeFile(fresh);
  const place = async () => {
    using file = await Deno.open(fresh, { write: true, createNew: true, mode });
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await file.write(rest));
    await file.sync();
    await Deno.chmod(fresh, mode);
    await Deno.rename(fresh, path);
  };
  await named(path, "written", place());
}

async function ownBytes({ ownFile }: Machine): Promise<Uint8Array> {
  return await named(ownFile!, "read", Deno.readFile(ownFile!));
}

async function removeFile(path: string): Promise<void> {
  await named(path, "removed", Deno.remove(path)).catch((error) => {
    if (!isMissing(error)) throw error;
  });
}

async function makeHome(machine: Machine, home: string, mode: number): Promise<void> {
  const path = join(machine.root, home);
  const user = await userOf(machine);
  if (!user) throw new KhachapuriError("internal", "there is no user khachapuri");
  await makeFolders(path, mode);
  await named(path, "made", Deno.chown(path, user.uid, user.gid));
  await named(path, "made", Deno.chmod(path, mode));
}

/** @throws KhachapuriError what the command that runs as the user fails with */
async function configure(
  machine: Machine,
  home: string,
  words: readonly string[],
  input: string,
): Promise<void> {
  const { code, stdout, stderr } = await machine.run(["runuser", home, ...words], input);
  if (code !== 0) throw failureOf(stdout, stderr || `it failed with exit code ${code}`);
}

/** The failure that a command has printed as JSON; anything else by what it said. */
export function failureOf(stdout: string, stderr: string): KhachapuriError {
  const { error, message, hints = [] } = jsonIn(stdout);
  const code = knownCode(error);
  if (code && message !== undefined) return new KhachapuriError(code, message, { hints });
  const said = stderr.trim().split("\n").slice(-5);
  return new KhachapuriError("provider_unavailable", said[0]!, { hints: said.slice(1) });
}

function jsonIn(text: string): { error?: string; message?: string; hints?: string[] } {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

async function assertTermsEdited(path: string, told: string): Promise<void> {
  const text = await named(path, "read", Deno.readTextFile(path));
  if (!isExample(text)) return;
  throw new KhachapuriError("invalid_config", `${told} is still the example`, {
    hints: [
      `make it your own, and delete its last paragraph: editor ${told}`,
      "then go on with the same command: khachapuri up",
    ],
  });
}

/** The provider may have to be started with what is done now, whether or not we get there. */
async function markUnfinished({ root }: Machine): Promise<void> {
  const path = join(root, UNFINISHED_PATH);
  await makeFolders(dirname(path));
  await named(path, "written", Deno.writeTextFile(path, ""));
}
