/**
 * Which interpreters and tools programs find here: looked for and started in a real sandbox, with
 * the /etc and the limits that programs have, as only there a link or a library is seen to lack.
 */
import { openSandbox, type SandboxHost } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { RUNTIME_TEXT_BYTES_MAX, STDERR_BYTES_MAX } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { familyOf, type Runtime, RUNTIME_FOLDERS, type Runtimes } from "../../runtime.ts";
import { within } from "../../within.ts";
import { kindOf, RUNTIME_TABLE, VERSION_PROGRAM } from "./runtime_table.ts";

/** One that takes longer is taken for one that does not tell its version, */
const ASK_SECONDS = 3;
/** and so is what has not been asked by then. */
const LOOK_MS = 20_000;
/** Who asks meanwhile waits no longer than this. */
const WAIT_MS = 10_000;

const FOUND = "found ";
const SAID = "said ";
/** It is there and cannot be started, for want of a library or another processor. */
const BROKEN = "broken ";
const LISTED = "listed";

/**
 * Looks when somebody first asks, so that no start waits for it, and not again: what is installed
 * later is known from the next start on.
 * @returns what answers null as long as nothing is known, and where the look failed
 */
export function lookOnce(
  find: () => Promise<Runtimes>,
  log: Pick<Log, "warn">,
): () => Promise<Runtimes | null> {
  let looked: Promise<Runtimes | null> | null = null;
  return async () => {
    looked ??= find().catch((error) => {
      log.warn("interpreters could not be looked for", { message: String(error) });
      return null;
    });
    const found = await within(looked, WAIT_MS);
    return found === "late" ? null : found;
  };
}

/**
 * Looks for the families of the table and asks each of what is there for its version, one after the
 * other, so that together they take no more memory than a program may.
 * @param memoryMb of a run
 * @throws KhachapuriError `sandbox_unavailable`
 */
export async function findRuntimes(host: SandboxHost, memoryMb: number): Promise<Runtimes> {
  // The program is the system's own shell, so its folder is the system's.
  const sandbox = await openSandbox(host, {
    programDir: "/usr",
    limits: {
      timeoutMs: LOOK_MS,
      memoryMb,
      stdoutBytes: RUNTIME_TEXT_BYTES_MAX,
      stderrBytes: STDERR_BYTES_MAX,
    },
  });
  try {
    const argv = ["bin/sh", "-c", probeScript()];
    const run = await sandbox.run({ argv, env: {}, stdin: null });
    const printed = await printedBy(run.stdout());
    const { stderr } = await run.record;
    const found = readFound(printed);
    if (found !== null) return found;
    const why = new TextDecoder().decode(stderr).trim() || "its shell listed nothing";
    throw new KhachapuriError("sandbox_unavailable", why);
  } finally {
    await sandbox.close();
  }
}

/** All of it, or as far as it came until a limit ended the run: names are listed before that. */
async function printedBy(stdout: ReadableStream<Uint8Array>): Promise<string> {
  let printed = "";
  try {
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) printed += text;
  } catch (error) {
    if (asKhachapuriError(error).code !== "program_timeout") throw error;
  }
  return printed;
}

/** First all names, so that the list is whole whatever becomes of the versions. */
function probeScript(): string {
  const looks = Object.keys(RUNTIME_TABLE).map((family) => `look ${family}`);
  const asks = Object.entries(RUNTIME_TABLE).flatMap(([family, flags]) =>
    flags === null ? [] : [`ask ${family} ${flags}`]
  );
  return `
look() {
  for folder in ${RUNTIME_FOLDERS.join(" ")}; do
    for path in "$folder/$1" "$folder/$1"[0-9]* "$folder/$1"-[0-9]*; do
      [ -f "$path" ] && [ -x "$path" ] && echo "${FOUND}$path"
    done
  done
}
ask() {
  family=$1
  asked=
  shift
  look "$family" | while read -r _ path; do
    if ! [ "$path" -ef "$asked" ]; then
      asked=$path
      said=$(echo '${VERSION_PROGRAM}' | $timed "$path" "$@" 2>&1)
      status=$?
    fi
    case $status in
      0) echo "${SAID}$path $(printf '%s' "$said" | head -c 1000 | tr '\n' ' ')" ;;
      126 | 127) echo "${BROKEN}$path" ;;
    esac
  done
}
timed=$(command -v timeout) && timed="$timed ${ASK_SECONDS}"
${[...looks, `echo ${LISTED}`, ...asks].join("\n")}
`;
}

/**
 * @param printed by the script, to its end or as far as it came
 * @returns null where that is not the whole list
 */
export function readFound(printed: string): Runtimes | null {
  const listed: Runtime[] = [];
  const broken = new Set<string>();
  const lines = printed.split("\n");
  if (!lines.includes(LISTED)) return null;
  for (const line of lines) {
    if (line.startsWith(FOUND)) {
      const path = line.slice(FOUND.length);
      const name = path.slice(path.lastIndexOf("/") + 1);
      const family = familyOf(name);
      const isOne = Object.hasOwn(RUNTIME_TABLE, family);
      if (isOne) listed.push({ name, kind: kindOf(family), version: null, path });
    } else if (line.startsWith(SAID)) {
      const [path, ...said] = line.slice(SAID.length).split(" ");
      const runtime = listed.find((each) => each.path === path);
      if (runtime) runtime.version = versionIn(said.join(" "));
    } else if (line.startsWith(BROKEN)) {
      broken.add(line.slice(BROKEN.length));
    }
  }
  const found = listed.filter(({ path }) => !broken.has(path));
  const families = new Set(found.map(({ name }) => familyOf(name)));
  const lacking = Object.keys(RUNTIME_TABLE).filter((family) => !families.has(family));
  return { found, lacking };
}

/** The first number with a dot in it; where there is none, the first number. 0.0.0 is none. */
function versionIn(said: string): string | null {
  const [version] = /\d+(\.\d+)+/.exec(said) ?? /\b\d+\b/.exec(said) ?? [];
  return version === undefined || /^[0.]+$/.test(version) ? null : version;
}
