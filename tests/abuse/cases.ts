/**
 * The attacks and what must come of them. `outside` is the positive control (see outside.ts): the
 * same program without a sandbox, which shows that the attack is one.
 */
import assert from "node:assert/strict";
import type { Control } from "./outside.ts";
import { between, type Case, has, number, ran, refused, type Surroundings } from "./expect.ts";
import { processCases } from "./process_cases.ts";

export function allCases(around: Surroundings): Case[] {
  return [
    ...readCases(around),
    ...writeCases(),
    ...identityCases(),
    ...kernelCases(),
    ...processCases(),
    ...networkCases(around),
  ];
}

const GRANTED = new RegExp(
  "^(GRANTED|PATH|HOME|TMPDIR|LANG|" +
    "[A-Z_]*(HTTP|REQUEST|SERVER|GATEWAY|REMOTE|QUERY|PATH|SCRIPT|CONTENT)[A-Z_]*)$",
);

/** In /etc: secrets, people, and what tells machines apart. */
const OF_THE_MACHINE = ["shadow", "gshadow", "sudoers", "ssh", "machine-id", "fstab", "environment"]
  .concat("gitconfig", "npmrc", "pip.conf", "profile.d", "default", "systemd", "cron.d");

function readCases({ keyFile, otherProgram }: Surroundings): Case[] {
  const readable: Control = {
    place: "machine",
    check: ({ facts }) => has(facts, { "way-0": "ok" }),
  };
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
        const names = (dir: string) => facts.get(dir)![0]!.split(" ").sort();
        for (const name of OF_THE_MACHINE) assert(!names("/etc").includes(name), name);
        assert(names("/etc").includes("passwd"), "an ordinary folder, made up");
        assert.deepEqual(names("/var"), ["lib", "run", "tmp"]);
        assert.deepEqual(names("/run"), ["lock", "names"]);
        for (const dir of ["/home", "/root", "/sys", "/boot", "/mnt"]) {
          assert.deepEqual(facts.get(dir), ["ENOENT"], dir);
        }
      },
      outside: {
        place: "machine",
        check: ({ facts }) => assert(facts.get("/etc")![0]!.includes("shadow")),
      },
    },
    {
      what: "use inherited descriptors and environment, look into pid 1",
      attack: "inherited",
      check({ facts }) {
        has(facts, { "extra-fds": 0, "environ-of-1": "EACCES", "mem-of-1": "EACCES" });
        has(facts, { "fds-of-1": "EACCES", "exe-of-1": "EACCES" });
        for (const name of facts.get("env")!) assert.match(name, GRANTED);
        assert(facts.get("env")!.includes("GRANTED"));
      },
      outside: {
        place: "box",
        check({ facts }) {
          between(facts, "extra-fds", 1, 10);
          has(facts, { "environ-of-1": "ok", "mem-of-1": "ok", "fds-of-1": "ok" });
          assert(facts.get("env")!.includes("HOST_SECRET"));
        },
      },
    },
  ];
}

function writeCases(): Case[] {
  return [
    {
      what: "write outside /tmp",
      attack: "write-everywhere",
      check: ({ facts }) => refused(facts),
      outside: {
        place: "bwrap",
        check: ({ facts }) => has(facts, { "/new": "ok", "/app/new": "ok", "/usr/new": "ok" }),
      },
    },
    {
      what: "write the kernel's settings",
      attack: "write-kernel",
      check: ({ facts }) => refused(facts),
      outside: {
        place: "machine",
        check: ({ facts }) => has(facts, { "/proc/sys/kernel/core_pattern": "ok" }),
      },
    },
    {
      what: "fill /tmp",
      attack: "fill",
      argument: "/tmp",
      check({ facts }) {
        has(facts, { why: "ENOSPC" });
        between(facts, "mib", 20, 32);
      },
      outside: { place: "box", check: ({ facts }) => between(facts, "mib", 60, 64) },
    },
    {
      what: "fill /dev/shm",
      attack: "fill",
      argument: "/dev/shm",
      check({ facts }) {
        has(facts, { why: "ENOSPC" });
        between(facts, "mib", 20, 32);
      },
      outside: { place: "box", check: ({ facts }) => between(facts, "mib", 60, 64) },
    },
    {
      what: "use up inodes",
      attack: "inodes",
      check({ facts }) {
        has(facts, { why: "ENOSPC" });
        between(facts, "files", 1_000, 16_384);
      },
      outside: { place: "box", check: ({ facts }) => between(facts, "files", 40_000, 50_000) },
    },
    {
      what: "nest folders that nobody can remove",
      attack: "deep",
      check({ facts }) {
        has(facts, { before: "ENOENT" });
        between(facts, "levels", 100, 3_000);
      },
      outside: { place: "box, again", check: ({ facts }) => has(facts, { before: "ok" }) },
    },
    {
      what: "find what an earlier run left",
      attack: "freshness",
      check({ facts }) {
        has(facts, { "tmp-before": "ENOENT", "shm-before": "ENOENT" });
        has(facts, { "tmp-write": "ok", "shm-write": "ok" });
      },
      outside: {
        place: "box, again",
        check: ({ facts }) => has(facts, { "tmp-before": "ok", "shm-before": "ok" }),
      },
    },
  ];
}

function identityCases(): Case[] {
  return [
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
      outside: {
        place: "machine",
        check: ({ facts }) => assert.notEqual(facts.get("CapEff")![0], "0000000000000000"),
      },
    },
    {
      what: "tell this machine from others",
      attack: "machine",
      check: ({ facts }) => has(facts, { "boot-id": 0, "machine-id": "ENOENT" }),
      outside: {
        place: "machine",
        check: ({ facts }) => has(facts, { "boot-id": 37 }),
      },
    },
    {
      what: "become root by a setuid program of the host's",
      attack: "setuid-program",
      check({ facts }) {
        ran(facts);
        has(facts, facts.get("program")![0] === "none" ? {} : { euid: 65_534 });
      },
      outside: { place: "crowd", check: ({ facts }) => has(facts, { euid: 0 }) },
    },
  ];
}

function kernelCases(): Case[] {
  return [
    {
      what: "make namespaces and mounts, gain a uid, make devices",
      attack: "namespaces",
      check: ({ facts }) => refused(facts),
      outside: {
        place: "machine",
        check: ({ facts }) => has(facts, { mount: "ok", fsopen: "ok", "clone-pid": "ok" }),
      },
    },
    {
      what: "call what is not for programs: ptrace, bpf, io_uring, keys, modules, ports …",
      attack: "forbidden",
      check: ({ facts }) => refused(facts),
      outside: {
        place: "machine",
        check: ({ facts }) => has(facts, { ptrace: "ok", userfaultfd: "ok", "io-uring": "ok" }),
      },
    },
    {
      what: "open sockets of exotic families and protocols",
      attack: "sockets",
      check({ facts }) {
        has(facts, { unix: "ok", inet: "ok", route: "ok" });
        refused(facts, "unix", "inet", "route");
      },
      outside: {
        place: "machine",
        check: ({ facts }) => has(facts, { packet: "ok", raw: "ok", netfilter: "ok" }),
      },
    },
    {
      what: "type into a terminal, make a terminal",
      attack: "terminals",
      check: ({ facts }) => refused(facts),
      outside: {
        place: "machine",
        check: ({ facts }) => has(facts, { tiocsti: "ENOTTY", ptmx: "ok" }),
      },
    },
    {
      what: "call the kernel as x32",
      attack: "x32",
      check: ({ facts }) => has(facts, { "x32-getpid": "ENOSYS" }),
      outside: {
        place: "machine",
        // Few kernels have it; that the filter says the same is seccomp_test.ts' to show.
        check: ({ facts }) =>
          facts.get("x32-getpid")![0] === "ok" ? undefined : "ran: this kernel has no x32",
      },
    },
    {
      what: "call the kernel as i386",
      attack: "int80",
      check({ status, facts, cut }) {
        // The program is killed with SIGSYS before it could tell what it got.
        assert(status === 200 ? cut || !facts.has("int80") : status === 502);
      },
      outside: {
        place: "machine",
        check({ facts }) {
          // A kernel without them ends the program there.
          if (!facts.has("int80")) return "ran: this kernel has no calls of i386";
          assert(number(facts, "int80") > 0);
        },
      },
    },
    {
      what: "raise limits, priority and locked memory; core dumps",
      attack: "raise-limits",
      check({ facts }) {
        has(facts, { core: 1 });
        refused(facts, "core");
      },
      outside: {
        place: "machine",
        check: ({ facts }) => has(facts, { nice: "ok", realtime: "ok" }),
      },
    },
    {
      what: "use up descriptors",
      attack: "descriptors",
      check({ facts }) {
        has(facts, { why: "EMFILE" });
        between(facts, "files", 100, 256);
      },
      outside: { place: "box", check: ({ facts }) => between(facts, "files", 4_000, 4_096) },
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
      outside: {
        place: "machine",
        check: ({ facts }) => has(facts, { "host-loopback": "ok", "host-abstract": "ok" }),
      },
    },
  ];
}
