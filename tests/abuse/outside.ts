/**
 * The positive controls: the same program without our sandbox must get what it is after, else a
 * case shows nothing. What would harm the machine happens in a box: namespaces of its own that die
 * as a whole, a /tmp and a /dev/shm of its own, and for bombs a uid with so many processes. A box
 * bounds less than the sandbox does, so an attack that gets further there would get further here.
 */
import assert from "node:assert/strict";
import { type Facts, readFacts } from "./program.ts";

/** What an attack got outside. */
export interface Outcome {
  facts: Facts;
  stdoutBytes: number;
  stderrBytes: number;
  /** Whether something took all of the body. */
  bodyTaken: boolean;
}

export interface Control {
  place: keyof typeof PLACES;
  /**
   * Throws when the attack does not work here either; returns a word on it when that is for the
   * machine to say.
   */
  check(outcome: Outcome): string | void;
}

const BOX_MIB = 64;
const BOX_INODES = 50_000;
const BOX_FILES = 4_096;
const CROWD = 400;
/** No process of the machine has it, so only the box's count. */
const CROWD_UID = 1_839_999_999;
/** Longer than the stubborn cases are given inside. */
const LASTS_SECONDS = 0.7;
const TEXT_MAX = 100_000;
const OUTPUT_MAX = 64 * 1024 * 1024;
const TIMEOUT_MS = 20_000;

/**
 * fd 9 is the program, and what it should not have inherited. What is there is looked at in one go,
 * as those who compute leave the shell little of the processors.
 */
const BOX = `set -f
exec 9<"$1"
mount -t tmpfs -o size=${BOX_MIB}m,nr_inodes=${BOX_INODES} box /tmp
mount -t tmpfs -o size=${BOX_MIB}m box /dev/shm
ulimit -n ${BOX_FILES}
cd /tmp
sleep 60 >/dev/null 2>&1 &
bystander=$!
state() {
  name=$1
  shift
  grep -hs '^State:' "$@" | sed -n "s/^State:[[:space:]]*\\([^Z]\\).*/$name \\1/p"
}
left() {
  set +f
  set -- /proc/[0-9]*
  others=
  for dir; do
    [ "$dir" = /proc/1 ] || [ "$dir" = "/proc/$bystander" ] && continue
    others="$others $dir/status"
    [ -e "$dir/fd/1" ] && echo "left-with-stdout \${dir#/proc/}"
  done
  [ -z "$others" ] || state left $others
}
`;
/** A daemon takes a moment to be one. */
const ONCE = `"$@"\necho "exit $?"\nsleep 0.05\nleft\n`;
const TWICE = `"$@" >/dev/null\n"$@"\n`;
const ON_AND_ON = `"$@" & attack=$!
sleep "$LASTS_SECONDS"
state in-time "/proc/$attack/status"
left
kill -TERM "$attack"
sleep 0.05
state after-term "/proc/$attack/status"
`;
/** The lowest priority leaves the machine, and the box's shell, in charge. */
const CROWDED =
  `nice -n 19 prlimit --nproc=${CROWD} setpriv --reuid=${CROWD_UID} --regid=${CROWD_UID} ` +
  "--clear-groups";

const RUN = '/proc/self/fd/9 "$2"';

function inBox(after: string, as = ""): (program: string, url: string) => string[] {
  const script = `${BOX}set -- ${as} ${RUN}\n${after}`;
  const box = ["--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"];
  return (program, url) => ["unshare", ...box, "/bin/sh", "-c", script, "box", program, url];
}

/** Where a control can be run, and the command that does. */
const PLACES = {
  /** As root on the machine itself, but for the mount namespace. */
  machine: (program: string, url: string) => ["unshare", "-m", program, url],
  /** A plain bubblewrap whose folders are all throw-away and writable. */
  bwrap(program: string, url: string) {
    const mounts = ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/app"];
    const folders = ["usr", "etc", "bin"].flatMap((name) => ["--dir", `/${name}`]);
    const own = ["--ro-bind", program, "/app/abuse", "--die-with-parent"];
    return ["bwrap", ...mounts, ...folders, ...own, "/app/abuse", url];
  },
  box: inBox(ONCE),
  /** The second of two runs in the same box. */
  "box, again": inBox(TWICE),
  /** The program is pid 1, where orphans go. */
  "box, as pid 1": inBox(`exec "$@"\n`),
  /** An ordinary user's, with a bound on processes. */
  crowd: inBox(ONCE, CROWDED),
  "box, on and on": inBox(ON_AND_ON),
  "crowd, on and on": inBox(ON_AND_ON, CROWDED),
};

/** The table's word on a control. */
export const PLACE_NAMES: Record<Control["place"], string> = {
  machine: "works as root",
  bwrap: "works in plain bwrap",
  box: "works in namespaces",
  "box, again": "works in namespaces",
  "box, as pid 1": "works in namespaces",
  crowd: `works as a user with ${CROWD} processes`,
  "box, on and on": "goes on in namespaces",
  "crowd, on and on": `goes on with ${CROWD} processes`,
};

/**
 * Runs an attack without our sandbox. Takes root.
 * @param slower how many times slower than usual this machine is
 * @throws AssertionError when it does not work
 */
export async function assertWorksOutside(
  program: string,
  attack: { attack: string; argument?: string; body?: Uint8Array<ArrayBuffer>; outside: Control },
  slower = 1,
): Promise<string> {
  const { place, check } = attack.outside;
  const url = `http://outside/${attack.attack}?arg=${encodeURIComponent(attack.argument ?? "")}`;
  const [command, ...args] = PLACES[place](program, url);
  const child = new Deno.Command(command!, {
    args,
    cwd: "/tmp",
    env: { HOST_SECRET: "1", LASTS_SECONDS: String(LASTS_SECONDS * slower) },
    stdin: attack.body ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  const timer = setTimeout(end, TIMEOUT_MS * slower);
  const [stdout, stderr, bodyTaken] = await Promise.all([
    readSome(child.stdout, end),
    readSome(child.stderr, end),
    attack.body ? give(child.stdin, attack.body) : true,
    child.status,
  ]);
  clearTimeout(timer);
  const facts = readFacts(stdout.text);
  assert(facts.has("ran"), `it did not run outside: ${stderr.text.slice(0, 500)}`);
  const outcome = { facts, stdoutBytes: stdout.bytes, stderrBytes: stderr.bytes, bodyTaken };
  return check(outcome) ?? PLACE_NAMES[place];
}

/** Counts what comes and keeps the beginning; calls `tooMuch` beyond what any case needs. */
async function readSome(stream: ReadableStream<Uint8Array>, tooMuch: () => void) {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (text.length < TEXT_MAX) text += decoder.decode(chunk, { stream: true });
    if (bytes > OUTPUT_MAX) tooMuch();
  }
  return { text, bytes };
}

/** Whether all of it was taken before the reader was gone. */
async function give(stdin: WritableStream<Uint8Array>, body: Uint8Array): Promise<boolean> {
  const writer = stdin.getWriter();
  return await writer.write(body).then(() => writer.close()).then(() => true, () => false);
}
