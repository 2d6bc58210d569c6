/** The flags that say how a program is run, shared by `deploy`, `run` and `dev`. */
import { addressFault, egressFault, isAllowed } from "../egress.ts";
import { type ErrorCode, KhachapuriError } from "../errors.ts";
import { readText } from "../files.ts";
import { RUN_MEMORY_MB_MAX, RUN_TIMEOUT_MS, SPEC_CREDITS_MAX, SPEC_EGRESS_MAX } from "../limits.ts";
import { environmentFault } from "../spec/environment.ts";
import type { ServerWish } from "../spec/server.ts";
import { assertNoServer, SERVER_OPTIONS, type ServerFlags, serverWish } from "./server_flags.ts";

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
  "env-name": {
    type: "string",
    value: "NAME",
    multiple: true,
    description: "a variable that must get a value, by --env or --env-file; repeat for several",
  },
  interface: {
    type: "string",
    value: "KIND",
    choices: ["curl", "cgi", "http"],
    description: "curl (default), cgi, or http for a program that is a web server",
  },
  ...SERVER_OPTIONS,
  egress: {
    type: "string",
    value: "HOST:PORT",
    multiple: true,
    description: "what the program may call; repeat for several, *.HOST:PORT for all below it",
  },
  timeout: { type: "string", value: "SECONDS", description: "time of one credit (default 15)" },
  credits: {
    type: "string",
    value: "N",
    description: "credits that one run may take, each for --timeout (default 1)",
  },
  memory: { type: "string", value: "MIB", description: "memory of one run (default 512)" },
} as const;

/** Those of a program that runs on this machine, for its developer. */
export const LOCAL_OPTIONS = {
  "connect-to": {
    type: "string",
    value: "HOST:PORT:ADDRESS:PORT",
    multiple: true,
    description: "a host of --egress is found there, as with curl: a server of yours in its place",
  },
  payer: {
    type: "string",
    value: "ADDRESS",
    description: "who pays for the call, as the program is told (default: its owner)",
  },
} as const;

/** The values of `PROGRAM_OPTIONS` as parsed from the command line. */
export interface ProgramFlags extends ServerFlags {
  entrypoint: string | undefined;
  arg: string[];
  env: string[];
  "env-file": string | undefined;
  "env-name": string[];
  interface: string | undefined;
  egress: string[];
  timeout: string | undefined;
  credits: string | undefined;
  memory: string | undefined;
}

/** How a program is to be run. */
export interface ProgramChoices {
  entrypoint: string;
  args: string[];
  env: Record<string, string>;
  interface: "curl" | "cgi" | "http";
  /** Of interface "http" alone. */
  server?: ServerWish;
  /** host:port, as in a spec. */
  egress: string[];
  /** For each credit. */
  timeoutMs: number;
  /** That one run may take. */
  credits: number;
  memoryMb: number;
}

/** @throws KhachapuriError `usage`; `not_found` and `invalid_input` for the env file */
export async function programChoices(flags: ProgramFlags): Promise<ProgramChoices> {
  const kind = flags.interface ?? "curl";
  if (kind !== "curl" && kind !== "cgi" && kind !== "http") {
    throw new KhachapuriError("usage", `--interface is curl, cgi or http, not ${kind}`);
  }
  if (kind !== "http") assertNoServer(flags);
  const env = await environmentOf(flags);
  const timeout = wholeNumber("--timeout", flags.timeout, RUN_TIMEOUT_MS / 1_000);
  return {
    entrypoint: flags.entrypoint ?? "./main",
    args: flags.arg,
    env,
    interface: kind,
    ...(kind === "http" ? { server: serverWish(flags, env) } : {}),
    egress: egressHosts(flags.egress),
    timeoutMs: timeout * 1_000,
    credits: creditsOf(flags.credits),
    memoryMb: wholeNumber("--memory", flags.memory, RUN_MEMORY_MB_MAX),
  };
}

/**
 * How it is to be run on this machine, where servers of one's own may stand in for hosts.
 * @throws KhachapuriError as `programChoices`; `usage`
 */
export async function localChoices(
  flags: ProgramFlags & { "connect-to": string[] },
): Promise<ProgramChoices & { connectTo: Record<string, string> }> {
  const choices = await programChoices(flags);
  const connectTo = connectToOf(flags["connect-to"]);
  assertMayBeCalled(connectTo, choices.egress);
  return { ...choices, connectTo };
}

/** @throws KhachapuriError `usage` */
function creditsOf(text: string | undefined): number {
  const credits = wholeNumber("--credits", text, 1);
  if (credits <= SPEC_CREDITS_MAX) return credits;
  throw new KhachapuriError(
    "usage",
    `--credits ${credits}: a run takes ${SPEC_CREDITS_MAX} at most`,
  );
}

/** Host names know no case, and a spec has them in lower case. */
function egressHosts(texts: readonly string[]): string[] {
  const hosts = texts.map((text) => text.toLowerCase());
  for (const host of hosts) {
    const fault = egressFault(host);
    if (fault !== null) throw new KhachapuriError("usage", `--egress ${host}: ${fault}`);
  }
  if (hosts.length <= SPEC_EGRESS_MAX) return [...new Set(hosts)];
  throw new KhachapuriError("usage", `--egress: more than ${SPEC_EGRESS_MAX} hosts`, {
    hints: ["*.example.com:443 stands for all names below example.com"],
  });
}

/**
 * Where hosts are to be found instead of where their names lead: host:port to address:port.
 * @throws KhachapuriError `usage`
 */
export function connectToOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map((text) => {
    const [, from, address, port] = /^([^:]+:[0-9]+):(\[[0-9a-fA-F:.]+\]|[^:]+):([0-9]+)$/
      .exec(text) ?? [];
    const host = from?.toLowerCase();
    const to = `${address === "localhost" ? "127.0.0.1" : address}:${port}`;
    const isForm = host !== undefined && !host.startsWith("*") && egressFault(host) === null;
    if (isForm && addressFault(to) === null) return [host, to];
    throw new KhachapuriError("usage", `--connect-to ${text}: not HOST:PORT:ADDRESS:PORT`, {
      hints: ["as --connect-to api.example.com:443:127.0.0.1:8443"],
    });
  }));
}

/** @throws KhachapuriError `usage` for a host whose place is taken and that cannot be called */
export function assertMayBeCalled(
  connectTo: Readonly<Record<string, string>>,
  egress: readonly string[],
): void {
  const host = Object.keys(connectTo).find((host) => !isAllowed(host, egress));
  if (host === undefined) return;
  throw new KhachapuriError("usage", `--connect-to ${host}: no --egress names that host`, {
    hints: [`add --egress ${host}: the program may call nothing else`],
  });
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
  const env = Object.fromEntries([...fromFile, ...fromFlags]);
  assertNamed(flags["env-name"], env);
  return env;
}

/** @throws KhachapuriError `usage` for variables without a value */
function assertNamed(names: readonly string[], env: Readonly<Record<string, string>>): void {
  const missing = names.filter((name) => !Object.hasOwn(env, name));
  if (missing.length === 0) return;
  throw new KhachapuriError("usage", `no value is given for ${missing.join(", ")}`, {
    hints: [
      `give ${missing.map((name) => `--env ${name}=VALUE`).join(" ")}`,
      "or a file of such lines: --env-file FILE",
      "the program needs them by --env-name, by envNames in khachapuri.json, or because it was " +
      "deployed with them: values are secrets, and not kept",
    ],
  });
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
