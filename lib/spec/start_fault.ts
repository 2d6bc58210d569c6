/**
 * Whether a program can be started at all: the one judgement that `run`, `deploy` and a provider
 * share, in the same words. A start that must fail is refused before anybody pays for it.
 */
import { KhachapuriError } from "../errors.ts";
import { type Executable, type Machine, readExecutable } from "./executable.ts";
import { readStart, type StartCommand, type Starter, type StartFacts } from "./start_facts.ts";

/** Why a program cannot be started. */
export interface StartFault {
  /** One sentence that names the file. */
  message: string;
  hints: readonly string[];
  /** Whether it lacks only what one machine may have and another not. */
  isLocal: boolean;
}

/** The dynamic loader that every provider has: glibc's. */
const LOADERS: Readonly<Record<string, string>> = {
  x86_64: "/lib64/ld-linux-x86-64.so.2",
  aarch64: "/lib/ld-linux-aarch64.so.1",
};

/**
 * What keeps a program from being started.
 * @param machine the processor that it is to run on; null where that is not known
 * @returns null when nothing is known to
 */
export function startFault(facts: StartFacts, machine: Machine | null): StartFault | null {
  const { entrypoint: name, kind, executable, size, head, neighbours } = facts;
  if (kind === "missing") {
    return fault(`the program has no file ${name}`, ...nearMisses(neighbours));
  }
  if (kind === "dangling") {
    return fault(`${name} is a link to what is not in the program`, ...nearMisses(neighbours));
  }
  if (kind === "folder") return fault(`${name} is a folder`, "name a file with --entrypoint PATH");
  if (size === 0) return fault(`${name} is empty`);
  if (!executable) return fault(`${name} is not executable`, `chmod +x ${name}`);
  const read = readExecutable(head);
  if (read.kind === "foreign") {
    return fault(`${name} is ${read.what}`, ...foreignHints(name, read.what));
  }
  if (read.kind === "text") {
    const first = read.language === "sh"
      ? "#!/bin/sh"
      : `#!/usr/bin/env ${read.language ?? "COMMAND"}`;
    return fault(`${name} is a script without #!`, `begin it with the line ${first}`);
  }
  return read.kind === "script" ? scriptFault(facts, read) : elfFault(facts, read, machine);
}

function fault(message: string, ...hints: string[]): StartFault {
  return { message, hints, isLocal: false };
}

function nearMisses(names: readonly string[]): string[] {
  const near = names.find((name) => /^(main|index|app|server|run|handler)(\.\w+)?$/i.test(name));
  return [near ? `it has ${near}: --entrypoint ${near}` : "name another with --entrypoint PATH"];
}

function foreignHints(name: string, what: string): string[] {
  if (what.includes("byte order mark")) return [`sed -i '1s/^\\xef\\xbb\\xbf//' ${name}`];
  if (what.includes("very beginning")) return ["remove what stands before #!"];
  return what.includes("UTF-16") ? ["save it as UTF-8"] : ["build it for Linux"];
}

function scriptFault(
  { entrypoint: name, starter }: StartFacts,
  { interpreter, argument, isShort }: Executable & { kind: "script" },
): StartFault | null {
  if (`${interpreter}${argument}`.includes("\r")) {
    return fault(
      `the first line of ${name} ends in CR: it was saved with Windows line ends`,
      `sed -i 's/\\r$//' ${name}`,
    );
  }
  if (interpreter === "") return fault(`#! of ${name} names no interpreter`);
  if (!isShort) return fault(`#! of ${name} is longer than the 256 bytes that Linux reads`);
  if (/^\/(usr\/)?bin\/env$/.test(interpreter)) {
    if (argument === "") return fault(`#! of ${name} names nothing for env to start`);
    if (/\s/.test(argument) && !argument.startsWith("-S")) {
      const asked = `#! of ${name} asks env for one program called ${JSON.stringify(argument)}`;
      return fault(asked, `write #!${interpreter} -S ${argument.replace(/^-S\s*/, "")}`);
    }
  }
  return starter === null || starter.isThere ? null : starterFault(name, starter, "interpreter");
}

function starterFault(name: string, starter: Starter, role: string): StartFault {
  const quoted = JSON.stringify(starter.name).slice(1, -1);
  const what = `the ${role} of ${name}, ${quoted},`;
  if (starter.place === "outside") {
    const why = "is not where programs see it: they see /usr and their own folder";
    return fault(`${what} ${why}`, "begin it with #!/usr/bin/env and the interpreter's name");
  }
  if (starter.place === "program") {
    const why = starter.name.startsWith("/")
      ? "is no executable file of the program"
      : "is no absolute path, and no executable file of the program";
    return fault(`${what} ${why}`, "begin it with #!/usr/bin/env and the interpreter's name");
  }
  return {
    message: `${what} is not installed here`,
    hints: [
      ...(starter.near.length > 0 ? [`there is ${starter.near.join(", ")}`] : []),
      "check its spelling, or put the interpreter into the program",
    ],
    isLocal: true,
  };
}

function elfFault(
  { entrypoint: name, size, starter }: StartFacts,
  elf: Executable & { kind: "elf" },
  machine: Machine | null,
): StartFault | null {
  const wanted: readonly string[] = machine === null ? ["x86_64", "aarch64"] : [machine];
  if (elf.bits !== 64 || !wanted.includes(elf.machine)) {
    const built = `${elf.machine} (${elf.bits} bits)`;
    return fault(
      `${name} is built for ${built}, it would run on ${wanted.join(" or ")}`,
      "build it for that, or put an interpreted program in its place",
    );
  }
  if (!elf.isLinked) return fault(`${name} is not linked: no program yet`, "link it");
  if (elf.size > size) return fault(`${name} is cut off: ${size} of ${elf.size} bytes are there`);
  if (starter === null || (starter.isThere && starter.place === "program")) return null;
  if (starter.name === LOADERS[elf.machine]) return null;
  if (machine !== null && starter.isThere) return null;
  const quoted = JSON.stringify(starter.name).slice(1, -1);
  return fault(
    `${name} needs the loader ${quoted}, which is not there`,
    "link it statically, or build it on Debian or another system with glibc",
  );
}

/**
 * @param dir the program's folder; its links lead nowhere else
 * @param hints more of what to do
 * @throws KhachapuriError `invalid_program` when the program cannot be started on this machine
 */
export async function assertStarts(
  dir: string,
  command: StartCommand,
  ...hints: string[]
): Promise<void> {
  const found = startFault(await readStart(dir, command), Deno.build.arch);
  if (found) throw invalidStart(found, ...hints);
}

/** A fault as the error that people are told. */
export function invalidStart(fault: StartFault, ...hints: string[]): KhachapuriError {
  return new KhachapuriError("invalid_program", fault.message, {
    hints: [...fault.hints, ...hints],
  });
}
