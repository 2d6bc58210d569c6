/** A machine as `up` and `down` find it. Reading all of it changes nothing. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  type MachineSettings,
  readMachine,
  runTool,
  type ToolRun,
} from "../../../sandbox/system.ts";
import type { ConfigJson } from "../../config.ts";
import { isMissing, named } from "../../files.ts";
import { assertOwnTerms } from "../../spec/terms.ts";
import { openConfigFile } from "../config_file.ts";
import { PROGRAM_PATH, SERVICE, SOCKETS, SYSTEM_FILES, USER } from "./system_files.ts";

/** The machine, as an argument: tests have one in a folder. */
export interface Machine {
  /** Stands before every path; empty on a real machine. */
  readonly root: string;
  /** The user that runs us. */
  readonly uid: number;
  /** The file that runs, which is to be installed; null: it runs from its sources. */
  readonly ownFile: string | null;
  settings(): Promise<MachineSettings>;
  run(words: readonly string[], input?: string): Promise<ToolRun>;
}

/** @param ownFile as KHACHAPURI_FILE says it */
export function thisMachine(ownFile: string | undefined): Machine {
  const standalone = Deno.build.standalone ? Deno.execPath() : null;
  return {
    root: "",
    uid: Deno.uid()!,
    ownFile: ownFile || standalone,
    settings: readMachine,
    run: runTool,
  };
}

export interface UnitState {
  readonly isActive: boolean;
  readonly isEnabled: boolean;
  /** Its file has changed since systemd read it. */
  readonly isOutdated: boolean;
}

/** Somebody in /etc/passwd. */
export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

export interface Facts {
  readonly home: string;
  readonly settings: MachineSettings;
  /** Debian packages whose tools are not there. */
  readonly packages: readonly string[];
  /** Whether systemd is in charge here. */
  readonly hasSystemd: boolean;
  readonly user: SystemUser | null;
  readonly homeFolder: {
    readonly uid: number;
    readonly mode: number;
    readonly isEmpty: boolean;
  } | null;
  readonly config: ConfigJson;
  readonly hasKeys: boolean;
  /** What the first of the terms is, and says. */
  readonly terms: "absent" | "example" | "own";
  readonly termsText: string | null;
  /** What the files of `SYSTEM_FILES` say; null: absent. */
  readonly files: ReadonlyMap<string, string | null>;
  /** SHA-256 of the program that is installed, and of the one that runs; null: none. */
  readonly installed: string | null;
  readonly own: string | null;
  readonly units: ReadonlyMap<string, UnitState>;
  /** Whether an earlier `up` has changed what the provider has not been started with. */
  readonly isUnfinished: boolean;
}

/** There from the first change on until the provider has been started with it. */
export const UNFINISHED_PATH = "/run/khachapuri-up";

/** Whose tools prove that a package is there. */
const PACKAGES: readonly (readonly [string, string])[] = [
  ["bubblewrap", "/usr/bin/bwrap"],
  ["procps", "/usr/sbin/sysctl"],
  ["util-linux", "/usr/sbin/runuser"],
];

export async function readFacts(machine: Machine, home: string): Promise<Facts> {
  const at = (path: string) => join(machine.root, path);
  const settings = await machine.settings();
  const files = new Map<string, string | null>();
  for (const path of SYSTEM_FILES) files.set(path, await textAt(at(path)));
  const config = await openConfigFile(at(home)).read();
  const isAppArmor = settings.apparmorUserns !== null && settings.apparmorUserns !== "0";
  const wanted = [
    ...PACKAGES,
    ...isAppArmor ? [["apparmor", "/usr/sbin/apparmor_parser"] as const] : [],
  ];
  const termsText = await textAt(at(join(home, config.provider?.terms[0] ?? "terms.txt")));
  const packages: string[] = [];
  for (const [name, proof] of wanted) if (!await exists(at(proof))) packages.push(name);
  return {
    home,
    settings,
    packages,
    hasSystemd: await exists(at("/run/systemd/system")),
    user: await userOf(machine),
    homeFolder: await folderAt(at(home)),
    config,
    hasKeys: await exists(at(join(home, config.provider?.keyFile ?? "keys.json"))),
    terms: termsText === null ? "absent" : isExample(termsText) ? "example" : "own",
    termsText,
    files,
    installed: await digestAt(at(PROGRAM_PATH)),
    own: machine.ownFile === null ? null : await digestAt(machine.ownFile),
    units: await readUnits(machine),
    isUnfinished: await exists(at(UNFINISHED_PATH)),
  };
}

/** Those that systemd knows; empty where it does not answer. */
export async function readUnits(machine: Machine): Promise<Map<string, UnitState>> {
  const words = ["--property=Id,ActiveState,SubState,StatusText,UnitFileState,NeedDaemonReload"];
  const { code, stdout } = await machine.run(["systemctl", "show", ...words, SERVICE, ...SOCKETS])
    .catch(() => ({ code: 1, stdout: "" }));
  const units = new Map<string, UnitState>();
  if (code !== 0) return units;
  for (const fields of propertiesOf(stdout)) {
    const { Id = "", ActiveState = "", UnitFileState = "", NeedDaemonReload } = fields;
    units.set(Id, {
      isActive: ["active", "activating", "reloading"].includes(ActiveState),
      isEnabled: UnitFileState === "enabled",
      isOutdated: NeedDaemonReload === "yes",
    });
  }
  return units;
}

/** What `systemctl show` prints, unit by unit. */
export function propertiesOf(text: string): Record<string, string>[] {
  return text.trim().split(/\n\n+/).filter(Boolean).map((block) =>
    Object.fromEntries(
      block.split("\n").map((line) => [line.split("=")[0]!, line.slice(line.indexOf("=") + 1)]),
    )
  );
}

/** The provider's user, as it is now. */
export async function userOf({ root }: Machine): Promise<SystemUser | null> {
  return userIn(await textAt(join(root, "/etc/passwd")) ?? "");
}

function userIn(passwd: string): SystemUser | null {
  const fields = passwd.split("\n").map((line) => line.split(":"));
  const [, , uid, gid] = fields.find(([name]) => name === USER) ?? [];
  return uid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}

/** Whether a text is still the one that nobody is to sign. */
export function isExample(text: string): boolean {
  try {
    assertOwnTerms(new TextEncoder().encode(text), "");
    return false;
  } catch {
    return true;
  }
}

async function textAt(path: string): Promise<string | null> {
  return await named(path, "read", Deno.readTextFile(path)).catch(orNull);
}

async function digestAt(path: string): Promise<string | null> {
  const bytes = await named(path, "read", Deno.readFile(path)).catch(orNull);
  return bytes && createHash("sha256").update(bytes).digest("hex");
}

async function folderAt(path: string): Promise<Facts["homeFolder"]> {
  const info = await named(path, "looked at", Deno.stat(path)).catch(orNull);
  if (!info) return null;
  const items = await named(path, "read", Array.fromAsync(Deno.readDir(path)));
  return { uid: info.uid ?? 0, mode: (info.mode ?? 0) & 0o777, isEmpty: items.length === 0 };
}

function orNull(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
