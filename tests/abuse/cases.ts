/**
 * The attacks and what must come of them. `outside` is the positive control: the same program as
 * root without a sandbox, which shows that the attack is one; where that would harm the machine,
 * the fact `ran` shows at least that the program started.
 */
import assert from "node:assert/strict";
import type { Facts } from "./program.ts";

/** What a caller got. */
export interface Answer {
  status: number;
  /** Code and data of an error answer. */
  error: { error?: string; limit?: string };
  facts: Facts;
  bytes: number;
  /** The body broke off. */
  cut: boolean;
  ms: number;
}

export interface Case {
  what: string;
  attack: string;
  argument?: string;
  body?: Uint8Array<ArrayBuffer>;
  timeoutMs?: number;
  /** Throws when the sandbox let something through. */
  check(answer: Answer): void;
  /** Throws when the attack does not work outside either, so that the case shows nothing. */
  outside?(facts: Facts): void;
}

/** Where this machine keeps what programs must not see. */
export interface Surroundings {
  keyFile: string;
  otherProgram: string;
  loopbackPort: number;
}

const REFUSALS = new Set([
  ...["EPERM", "ENOSYS", "EACCES", "ENOENT", "EROFS", "ENXIO", "ESRCH", "EAFNOSUPPORT"],
  ...["EPROTONOSUPPORT", "ENETUNREACH", "ECONNREFUSED", "EINVAL", "ENOMEM"],
]);

/** Every fact but the frame is a refusal. */
export function refused(facts: Facts, ...except: string[]): void {
  ran(facts);
  let count = 0;
  for (const [name, values] of facts) {
    if (["ran", "end", ...except].includes(name)) continue;
    for (const value of values) assert(REFUSALS.has(value), `${name}: ${value}`);
    count++;
  }
  assert(count > 0, "the program told nothing");
}

function ran(facts: Facts): void {
  assert(facts.has("ran"), "the program did not run");
  assert(facts.has("end"), "the program did not come to its end");
}

function has(facts: Facts, want: Record<string, string | number>): void {
  for (const [name, value] of Object.entries(want)) {
    assert.deepEqual(facts.get(name), [String(value)], name);
  }
}

const number = (facts: Facts, name: string) => Number(facts.get(name)?.[0] ?? NaN);

function between(facts: Facts, name: string, min: number, max: number): void {
  const value = number(facts, name);
  assert(value >= min && value <= max, `${name}: ${value}`);
}

/** A 504 that took about as long as allowed. */
function timedOut({ status, error, ms }: Answer): void {
  assert.deepEqual([status, error.error], [504, "program_timeout"]);
  assert(ms < 4_000, `${ms} ms`);
}

/** An attack whose output is cut off by the clock: it began to answer, then everything died. */
function timedOutAnyhow(answer: Answer): void {
  if (answer.facts.has("ran")) return assert(answer.cut && answer.ms < 4_000, "not cut off");
  timedOut(answer);
}

const SHORT = 600;

export function allCases(around: Surroundings): Case[] {
  return [...fileCases(around), ...kernelCases(), ...processCases(), ...networkCases(around)];
}

function fileCases({ keyFile, otherProgram }: Surroundings): Case[] {
  const readable = (facts: Facts) => has(facts, { "way-0": "ok" });
  return [
    {
      what: "read the provider's key file, by six ways",
      attack: "read-path",
      argument: keyFile,
      check: ({ facts }) => refused(facts),
      outside: readable,
    },
    {
      what: "read another deployment's program",
      attack: "read-path",
      argument: otherProgram,
      check: ({ facts }) => refused(facts),
      outside: readable,
    },
    {
      what: "list the host's folders",
      attack: "list-host",
      check({ facts }) {
        assert.deepEqual(facts.get("/etc")?.[0]?.split(" ").sort().at(0), "alternatives");
        assert(!facts.get("/etc")![0]!.includes("passwd"));
        for (const dir of ["/home", "/root", "/var", "/sys", "/run", "/boot", "/mnt"]) {
          assert.deepEqual(facts.get(dir), ["ENOENT"], dir);
        }
      },
      outside: (facts) => assert(facts.get("/etc")![0]!.includes("passwd")),
    },
    {
      what: "use inherited descriptors and environment, look into pid 1",
      attack: "inherited",
      check({ facts }) {
        has(facts, { "extra-fds": 0, "environ-of-1": "EACCES", "mem-of-1": "EACCES" });
        has(facts, { "fds-of-1": "EACCES", "exe-of-1": "EACCES" });
        const granted =
          /^(PATH|HOME|TMPDIR|GRANTED|[A-Z_]*(HTTP|REQUEST|SERVER|GATEWAY|REMOTE|QUERY|PATH|SCRIPT|CONTENT)[A-Z_]*)$/;
        for (const name of facts.get("env")!) assert.match(name, granted);
        assert(facts.get("env")!.includes("GRANTED"));
      },
    },
    {
      what: "write outside /tmp",
      attack: "write-everywhere",
      check: ({ facts }) => refused(facts),
      outside: (facts) => has(facts, { "/new": "ok" }),
    },
    {
      what: "write the kernel's settings",
      attack: "write-kernel",
      check: ({ facts }) => refused(facts),
      outside: (facts) => has(facts, { "/proc/sys/kernel/core_pattern": "ok" }),
    },
    {
      what: "fill /tmp",
      attack: "fill",
      argument: "/tmp",
      check({ facts }) {
        has(facts, { why: "ENOSPC" });
        between(facts, "mib", 20, 32);
      },
    },
    {
      what: "fill /dev/shm",
      attack: "fill",
      argument: "/dev/shm",
      check({ facts }) {
        has(facts, { why: "ENOSPC" });
        between(facts, "mib", 10, 16);
      },
    },
    {
      what: "use up inodes",
      attack: "inodes",
      check({ facts }) {
        has(facts, { why: "ENOSPC" });
        between(facts, "files", 1_000, 16_384);
      },
    },
    {
      what: "nest folders without end",
      attack: "deep",
      check: ({ facts }) => between(facts, "levels", 100, 3_000),
    },
    {
      what: "find what an earlier run left",
      attack: "freshness",
      check({ facts }) {
        has(facts, { "tmp-before": "ENOENT", "shm-before": "ENOENT" });
        has(facts, { "tmp-write": "ok", "shm-write": "ok" });
      },
    },
    {
      what: "be somebody, learn where one is",
      attack: "identity",
      check({ facts }) {
        const none = "0000000000000000";
        has(facts, { CapInh: none, CapPrm: none, CapEff: none, CapBnd: none, CapAmb: none });
        has(facts, { Uid: 65534, NoNewPrivs: 1, Seccomp: 2, nodename: "sandbox" });
        has(facts, { "usr-nosuid": 1, "usr-readonly": 1 });
        for (const mount of facts.get("mount")!) assert(!mount.includes("keys"), mount);
      },
      outside: (facts) => assert.notEqual(facts.get("CapEff")![0], "0000000000000000"),
    },
  ];
}

function kernelCases(): Case[] {
  return [
    {
      what: "make namespaces and mounts, gain a uid, make devices",
      attack: "namespaces",
      check: ({ facts }) => refused(facts),
      outside: (facts) => has(facts, { mount: "ok", fsopen: "ok", "clone-pid": "ok" }),
    },
    {
      what: "call what is not for programs: ptrace, bpf, io_uring, keys, modules, ports …",
      attack: "forbidden",
      check: ({ facts }) => refused(facts),
      outside: (facts) => has(facts, { ptrace: "ok", userfaultfd: "ok", "io-uring": "ok" }),
    },
    {
      what: "open sockets of exotic families and protocols",
      attack: "sockets",
      check({ facts }) {
        has(facts, { unix: "ok", inet: "ok", route: "ok" });
        refused(facts, "unix", "inet", "route");
      },
      outside: (facts) => has(facts, { packet: "ok", raw: "ok", netfilter: "ok" }),
    },
    {
      what: "type into a terminal, make a terminal",
      attack: "terminals",
      check: ({ facts }) => refused(facts),
      outside: (facts) => has(facts, { tiocsti: "ENOTTY", ptmx: "ok" }),
    },
    {
      what: "call the kernel as x32",
      attack: "x32",
      check: ({ facts }) => has(facts, { "x32-getpid": "ENOSYS" }),
    },
    {
      what: "call the kernel as i386",
      attack: "int80",
      check({ status, facts, cut }) {
        // The program is killed with SIGSYS before it could tell what it got.
        assert(status === 200 ? cut || !facts.has("int80") : status === 502);
      },
      outside: (facts) => assert(number(facts, "int80") > 0),
    },
    {
      what: "raise limits, priority and locked memory; core dumps",
      attack: "raise-limits",
      check({ facts }) {
        has(facts, { core: 1 });
        refused(facts, "core");
      },
      outside: (facts) => has(facts, { nice: "ok", realtime: "ok" }),
    },
    {
      what: "use up descriptors",
      attack: "descriptors",
      check({ facts }) {
        has(facts, { why: "EMFILE" });
        between(facts, "files", 100, 256);
      },
    },
  ];
}

function processCases(): Case[] {
  return [
    {
      what: "see, kill and stop others and pid 1",
      attack: "others",
      check({ facts }) {
        ran(facts);
        has(facts, { processes: 2, "kill-all": "ESRCH", "processes-after": 2 });
      },
    },
    {
      what: "fork until it is refused",
      attack: "forkbomb",
      check({ facts }) {
        has(facts, { why: "EAGAIN" });
        between(facts, "forks", 8, 256);
      },
    },
    {
      what: "fork exponentially",
      attack: "exponential",
      timeoutMs: SHORT,
      check: timedOutAnyhow,
    },
    {
      what: "start threads until it is refused",
      attack: "threads",
      check({ facts }) {
        has(facts, { why: "EAGAIN" });
        between(facts, "threads", 8, 256);
      },
    },
    { what: "spin", attack: "spin", argument: "1", timeoutMs: SHORT, check: timedOutAnyhow },
    {
      what: "spin in 16 processes",
      attack: "spin",
      argument: "16",
      timeoutMs: SHORT,
      check: timedOutAnyhow,
    },
    { what: "sleep for ever", attack: "sleeper", timeoutMs: SHORT, check: timedOutAnyhow },
    { what: "ignore every signal", attack: "deaf", timeoutMs: SHORT, check: timedOutAnyhow },
    { what: "stop itself", attack: "stop-self", timeoutMs: SHORT, check: timedOutAnyhow },
    ...["a", "s", "m", "8"].map((kind): Case => ({
      what: `use 1 GiB of memory (${
        { a: "anonymous", s: "shared", m: "memfd", 8: "8 processes" }[kind]
      })`,
      attack: "memory",
      argument: `${kind}-1024`,
      check({ status, error, facts, cut }) {
        assert(!facts.has("touched"), "it got what it wanted");
        if (!facts.has("ran")) assert.deepEqual([status, error.limit], [502, "memory"]);
        else assert(cut, "not cut off");
      },
    })),
    {
      what: "leave a daemon",
      attack: "daemon",
      check({ facts, ms }) {
        assert(facts.has("ran"));
        assert(ms < 3_000, `${ms} ms`);
      },
    },
    {
      what: "leave a daemon that holds stdout",
      attack: "daemon",
      argument: "stdout",
      check({ facts, ms }) {
        assert(facts.has("ran"));
        assert(ms < 3_000, `${ms} ms`);
      },
    },
    {
      what: "leave a thousand orphans",
      attack: "zombies",
      check: ({ facts }) => between(facts, "processes", 2, 3),
    },
    {
      what: "flood stdout",
      attack: "flood",
      argument: "stdout",
      check({ bytes, cut }) {
        assert(cut && bytes > 1_000_000 && bytes < 20_000_000, `${bytes} bytes`);
      },
    },
    {
      what: "flood stderr",
      attack: "flood",
      argument: "stderr",
      check: ({ facts }) => ran(facts),
    },
    {
      what: "never read 8 MiB of stdin",
      attack: "x32",
      body: new Uint8Array(8 * 1024 * 1024),
      check: ({ facts }) => ran(facts),
    },
    {
      what: "die of a bad pointer",
      attack: "crash",
      argument: "11",
      check: ({ status, facts }) => assert(status === 502 || facts.has("ran")),
    },
    {
      what: "abort",
      attack: "crash",
      argument: "6",
      check: ({ status, facts }) => assert(status === 502 || facts.has("ran")),
    },
  ];
}

function networkCases({ loopbackPort }: Surroundings): Case[] {
  return [
    {
      what: "reach metadata, private and public addresses, the host's loopback and sockets",
      attack: "escape",
      argument: String(loopbackPort),
      check({ facts }) {
        refused(facts, "interfaces");
        has(facts, { interfaces: 1 });
      },
      outside: (facts) => has(facts, { "host-loopback": "ok" }),
    },
  ];
}
