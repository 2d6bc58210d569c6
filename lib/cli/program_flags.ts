/** The flags that say how a program is run, shared by `deploy` and `run`. */
import { type ErrorCode, KhachapuriError } from "../errors.ts";
import { readText } from "../files.ts";
import { RUN_MEMORY_MB_MAX, RUN_TIMEOUT_MS } from "../limits.ts";
import { environmentFault } from "../spec/environment.ts";

export const PROGRAM_OPTIONS = {
  entrypoint: { type: "string", value: "PATH", description: "what to execute (default ./main)" },
  arg: {
    type: "string",
    value: "ARGUMENT",
    multiple: true,
    description: "argument before the request's own; repeat for several, --arg=-x for flags",
  },
  env: {
    type: "string",
    value: "NAME=VALUE",
    multiple: true,
    description: "environment variable of the program; secrets are better in --env-file",
  },
  "env-file": {
    type: "string",
    value: "FILE",
    description: "lines of NAME=VALUE, taken literally; # begins a comment line",
  },
  interface: { type: "string", value: "KIND", description: "curl (default) or cgi" },
  timeout: { type: "string", value: "SECONDS", description: "wall clock of one run (default 15)" },
  memory: { type: "string", value: "MIB", description: "memory of one run (default 512)" },
} as const;

/** The values of `PROGRAM_OPTIONS` as parsed from the command line. */
export interface ProgramFlags {
  entrypoint: string | undefined;
  arg: string[];
  env: string[];
  "env-file": string | undefined;
  interface: string | undefined;
  timeout: string | undefined;
  memory: string | undefined;
}

/** How a program is to be run. */
export interface ProgramChoices {
  entrypoint: string;
  args: string[];
  env: Record<string, string>;
  interface: "curl" | "cgi";
  timeoutMs: number;
  memoryMb: number;
}

/** @throws KhachapuriError `usage`; `not_found` and `invalid_input` for the env file */
export async function programChoices(flags: ProgramFlags): Promise<ProgramChoices> {
  const kind = flags.interface ?? "curl";
  if (kind !== "curl" && kind !== "cgi") {
    throw new KhachapuriError("usage", `--interface is curl or cgi, not ${kind}`);
  }
  const timeout = wholeNumber("--timeout", flags.timeout, RUN_TIMEOUT_MS / 1_000);
  return {
    entrypoint: flags.entrypoint ?? "./main",
    args: flags.arg,
    env: await environmentOf(flags),
    interface: kind,
    timeoutMs: timeout * 1_000,
    memoryMb: wholeNumber("--memory", flags.memory, RUN_MEMORY_MB_MAX),
  };
}

/** @throws KhachapuriError `usage` unless it is a whole number from 1 */
export function wholeNumber(flag: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new KhachapuriError("usage", `${flag} is not a whole number from 1: ${text}`);
}

async function environmentOf(flags: ProgramFlags): Promise<Record<string, string>> {
  const path = flags["env-file"];
  const fromFile = path === undefined ? [] : environmentLines(path, await readText(path));
  const fromFlags = flags.env.map((text) => assignment(text, "--env", "usage"));
  return Object.fromEntries([...fromFile, ...fromFlags]);
}

/** Literal, as docker's --env-file: no quotes, no expansion. */
function environmentLines(path: string, text: string): [string, string][] {
  return text.split(/\r?\n/).flatMap((line, index) =>
    line.trim() === "" || line.startsWith("#")
      ? []
      : [assignment(line, `${path}, line ${index + 1}`, "invalid_input")]
  );
}

function assignment(line: string, where: string, code: ErrorCode): [string, string] {
  const [, name, value] = /^([^=]*)=([^]*)$/.exec(line) ?? [];
  // The message does not quote the line, which may hold a secret.
  if (name === undefined || value === undefined) {
    throw new KhachapuriError(code, `${where}: a variable is given as NAME=VALUE`);
  }
  const fault = environmentFault(name, value);
  if (fault !== null) throw new KhachapuriError(code, `${where}: ${fault}`);
  return [name, value];
}
