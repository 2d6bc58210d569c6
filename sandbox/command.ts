/** What a program is started with, checked and in the form that a START frame takes. */
import { concat } from "./bytes.ts";
import { type ProgramString, unpassable } from "./protocol.ts";

/**
 * What a program gets unless the request names the variable. Without a locale Ruby, Java, Erlang
 * and Tcl take text for ASCII or Latin-1 and fail on what is neither; every libc has this one.
 */
const DEFAULT_ENV = Object.entries({
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: "/tmp",
  TMPDIR: "/tmp",
  LANG: "C.UTF-8",
});

export interface Command {
  /** argv[0], always text, is the entrypoint relative to the program folder. */
  argv: readonly ProgramString[];
  /** Exactly what the program gets, besides the defaults of DEFAULT_ENV. */
  env: Readonly<Record<string, ProgramString>>;
}

/**
 * The command in the form that START takes.
 * @throws KhachapuriError `invalid_input` when the entrypoint is not inside the program folder, or
 * a name cannot be one of an environment variable
 */
export function passable({ argv: [entry = "", ...rest], env }: Command): {
  argv: ProgramString[];
  env: ProgramString[];
} {
  if (
    typeof entry !== "string" || entry === "" || entry.startsWith("/") ||
    entry.split("/").includes("..")
  ) {
    throw unpassable();
  }
  const strings: ProgramString[] = [];
  for (const [name, value] of DEFAULT_ENV) {
    if (!Object.hasOwn(env, name)) strings.push(`${name}=${value}`);
  }
  for (const name in env) {
    if (name === "" || name.includes("=")) throw unpassable();
    strings.push(variable(name, env[name]!));
  }
  return { argv: [entry.startsWith("./") ? entry : `./${entry}`, ...rest], env: strings };
}

function variable(name: string, value: ProgramString): ProgramString {
  if (typeof value === "string") return `${name}=${value}`;
  return concat([new TextEncoder().encode(`${name}=`), value]);
}
