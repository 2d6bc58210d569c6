/**
 * What can be told of why a run failed, from what it left behind. A program's own words are
 * evidence and no more: nothing is decided by them, they only choose which sentence is read.
 */
import { RUN_FILES_MAX, RUN_PROCESSES_MAX, RUN_TMP_BYTES_MAX } from "../../limits.ts";
import {
  type Detector,
  type Diagnosis,
  type Evidence,
  LOOKED_AT_BYTES,
  said,
  withFlag,
} from "./detector.ts";
import { NETWORK_FAILURES } from "./network_failures.ts";

/** The first kind of failure that the evidence speaks of; null when it speaks of none. */
export function diagnose(evidence: Evidence): Diagnosis | null {
  const { record } = evidence;
  const hasFailed = record.exit !== 0 || record.limit !== null;
  for (const { detect } of hasFailed ? [...ANSWERS, ...FAILURES] : ANSWERS) {
    const found = detect(evidence);
    if (found) return found;
  }
  return null;
}

/** How a failure is said to its owner: in one line. */
export function ownersSentence({ full, hint }: Diagnosis): string {
  return `${full}: ${hint}`;
}

const CGI_FIELD = /^(content-type|status|location):/i;
const CGI_FIELD_BYTES = "content-type:".length;
export const CGI_HEAD = /^[\w-]{1,64}:[^\r\n]*\r?\n([\w-]{1,64}:[^\r\n]*\r?\n)*\r?\n/i;

function latin1(bytes: Uint8Array, count: number): string {
  return String.fromCharCode(...bytes.subarray(0, count));
}

/** Told by the answer itself, also of runs that ended well. */
export const ANSWERS: readonly Detector[] = [
  {
    name: "a CGI head for the interface curl",
    detect({ interface: style, beginning }) {
      if (style !== "curl" || beginning === null) return null;
      // Each answer without a head comes by here: most are seen to be none by their first bytes.
      if (!CGI_FIELD.test(latin1(beginning, CGI_FIELD_BYTES))) return null;
      if (!CGI_HEAD.test(latin1(beginning, LOOKED_AT_BYTES))) return null;
      return {
        short: "it printed a CGI head, which became a part of the body",
        full: "it printed a CGI head, which became a part of the body",
        hint: "deploy it with --interface cgi, or print a head that begins with HTTP/1.1 200 OK",
      };
    },
  },
  {
    name: "curl's head for the interface cgi",
    detect({ interface: style, answerFault }) {
      if (style !== "cgi" || answerFault === null || !/HTTP\/[0-9]/.test(answerFault)) return null;
      return {
        short: "it printed a status line, which CGI programs do not",
        full: "it printed a status line, which CGI programs do not",
        hint: "deploy it without --interface cgi, or print Status: in place of the status line",
      };
    },
  },
];

/** Told by how a run failed. */
export const FAILURES: readonly Detector[] = [
  {
    name: "listening instead of answering",
    detect({ interface: style, record: { limit, listeningPort }, place }) {
      if (style === "http" || limit !== "timeout" || listeningPort === null) return null;
      return {
        short: "it listened for connections instead of answering",
        full: `it listened on port ${listeningPort} instead of answering`,
        hint: `${withFlag(place, "--interface http")}, which keeps it running and sends it ` +
          "the requests",
      };
    },
  },
  {
    name: "a forbidden system call",
    detect({ record: { signal } }) {
      if (signal !== "SIGSYS") return null;
      const words = "it made a system call that programs may not make";
      return { short: words, full: words, hint: "docs/sandbox.md says which there are" };
    },
  },
  {
    name: "a file that grew too large",
    detect({ record: { signal } }) {
      if (signal !== "SIGXFSZ") return null;
      const words = `it wrote a file of more than ${RUN_TMP_BYTES_MAX} bytes`;
      return { short: words, full: words, hint: "write less, or stream it as the answer" };
    },
  },
  said(
    "a newer C library",
    "it was built for a newer system",
    [/version [`'‘](\w{3,10}_[\d.]+)['’] not found/],
    (version) => ({
      full: `it was built for a newer system: it needs ${version}`,
      hint: "build it statically, or on an older system",
    }),
  ),
  said(
    "a missing library",
    "a library that it needs is not there",
    [
      /error while loading shared libraries: ([^\s:]{1,255}): /,
      /Error loading shared library ([^\s:]{1,255}): /,
      /([\w.+-]{1,128}\.so[.\d]{0,20}): cannot open shared object file/,
    ],
    (library) => ({
      full: `the library ${library} is not installed here`,
      hint: "link it statically, or bring it along: LD_LIBRARY_PATH=/app/lib with --env",
    }),
  ),
  said(
    "Windows line ends",
    "a script in it was saved with Windows line ends",
    [
      /\^M: bad interpreter|[‘'](\w{1,64})\\r['’]: No such file|\$'\\r': command not found/,
      /Syntax error: [^\n]{0,80}\r|: [^\s:]{1,128}\r: not found/,
    ],
    () => ({
      full: "a script in it was saved with Windows line ends (CR LF)",
      hint: "sed -i 's/\\r$//' FILE",
    }),
  ),
  said(
    "a missing interpreter or command",
    "a command that it starts is not there",
    [
      /env: [‘'`]([^’'\n]{1,128})['’]: No such file/,
      /: ([^\s:]{1,128}): (?:bad interpreter|not found|command not found)/,
      /([^\s:]{1,128}): bad interpreter/,
      /cannot execute ([^\n:]{1,128}): no such file/,
      /spawn ([^\s]{1,128}) ENOENT/,
      /FileNotFoundError: \[Errno 2\] No such file or directory: '([^'\n/]{1,128})'/,
      /exec: "([^"\n]{1,128})": executable file not found/,
    ],
    (command) => ({
      full: `${command} is not installed here, nor in the program`,
      hint: "check its spelling, or bring it along in the program",
    }),
  ),
  said(
    "another machine's program",
    "it starts a program of another machine, or a script without #!",
    [
      /([^\s:]{1,128}): (?:Exec format error|cannot execute binary file)/,
      /Exec format error|ENOEXEC/,
    ],
    (file) => ({
      full: `${file ?? "what it starts"} is built for another machine, or a script without #!`,
      hint: "build it for Linux and the provider's processor",
    }),
  ),
  said(
    "a missing module",
    "a module that it needs is not in the program",
    [
      /Cannot find (?:module|package) ['"]([^'"\n]{1,200})['"]/,
      /ModuleNotFoundError: No module named ['"]([^'"\n]{1,200})['"]/,
      /ImportError: No module named ([\w.]{1,200})/,
      /cannot load such file -- ([^\s(]{1,200})/,
      /Can't locate ([\w/]{1,200})\.pm in @INC/,
      /Failed opening required '([^'\n]{1,200})'/,
      /Class ["']([\w\\]{1,200})["'] not found/,
      /NoClassDefFoundError: ([\w/.$]{1,200})/,
    ],
    (module) => ({
      full: `the module ${module} is not in the program`,
      hint: "install it into the program's folder before packing: npm install, " +
        "pip install --target lib, …",
    }),
  ),
  ...NETWORK_FAILURES,
  said(
    "writing where nothing can be written",
    "it wrote where programs cannot",
    [
      /EROFS: [^,\n]{1,80}, \w+ '([^'\n]{1,200})'/,
      /Read-only file system: '([^'\n]{1,200})'/,
      /[‘'"]([^\s‘’'":]{1,200})['’"]: [Rr]ead-only file system/,
      /([^\s:]{1,200}): [Rr]ead-only file system/,
      /[Rr]ead-only file ?system|attempt to write a readonly database/,
    ],
    (path) => ({
      full: `it wrote to ${path ?? "a file"}, and can write to /tmp alone`,
      hint: "write to /tmp; it is gone after the run, so what must stay belongs elsewhere",
    }),
  ),
  said(
    "a full /tmp",
    "its /tmp was full",
    [/No space left on device|ENOSPC/],
    () => ({
      full: `its /tmp was full: it holds ${RUN_TMP_BYTES_MAX / 1024 / 1024} MiB`,
      hint: "write less, or stream it as the answer",
    }),
  ),
  said(
    "too little memory",
    "it ran out of memory",
    [/heap out of memory|^MemoryError|OutOfMemoryError|std::bad_alloc|[Cc]annot allocate memory/m],
    () => ({
      full: "it ran out of memory",
      hint: "ask for more with --memory, as far as the provider gives it",
    }),
  ),
  said(
    "too many processes",
    "it started too many processes or threads",
    [
      /can't start new thread|pthread_create failed|spawn \S{1,128} EAGAIN/,
      /[Rr]esource temporarily unavailable/,
    ],
    () => ({
      full: `it started more than ${RUN_PROCESSES_MAX} processes and threads`,
      hint: "start fewer: a run has one processor",
    }),
  ),
  said(
    "too many open files",
    "it opened too many files",
    [/Too many open files|EMFILE/],
    (_, { interface: style }) => ({
      full: style === "http"
        ? "it opened too many files and connections"
        : `it opened more than ${RUN_FILES_MAX} files`,
      hint: "close what it has read",
    }),
  ),
  said(
    "a port that a program may not listen on",
    "it may not listen on the port that it chose",
    [
      /listen EACCES: permission denied [^\s]{0,80}:([0-9]{1,5})\b/, // Node
      /listen tcp [^\s]{0,80}:([0-9]{1,5}): bind: permission denied/, // Go
      /bind on address \('[^'\n]{0,80}', ([0-9]{1,5})[^)\n]{0,20}\): permission denied/, // uvicorn
      /Can't connect to \('[^'\n]{0,80}', ([0-9]{1,5})\)/, // gunicorn
    ],
    (port) => ({
      full: `it may not listen on port ${port}`,
      hint: "ports begin at 1024: listen on the one in the variable PORT",
    }),
  ),
];
