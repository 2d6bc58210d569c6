/** Attacks with processes: too many, too hungry, too stubborn, too messy. */
import assert from "node:assert/strict";
import { between, type Case, has, ran, refused, timedOut } from "./expect.ts";
import type { Control } from "./outside.ts";

const SHORT = 600;
const TIMED = { timeoutMs: SHORT, check: timedOut };
const EIGHT_MIB = new Uint8Array(8 * 1024 * 1024);

export function processCases(): Case[] {
  return [...bombCases(), ...stubbornCases(), ...leftoverCases()];
}

const MEMORY = {
  a: "anonymous",
  s: "shared",
  m: "memfd",
  u: "memfd, mapped by nobody",
  v: "System V",
  8: "eight processes",
};

/** It is still there after the time that it gets inside; `state` is that of proc(5). */
function goesOn(state: string): Control {
  return {
    place: "box, on and on",
    check: ({ facts }) => assert.equal(facts.get("in-time")?.[0], state),
  };
}

function bombCases(): Case[] {
  return [
    {
      what: "see, kill and stop others and pid 1",
      attack: "others",
      check({ facts }) {
        ran(facts);
        has(facts, { processes: 2, "kill-all": "ESRCH", "processes-after": 2 });
      },
      outside: {
        place: "box",
        check({ facts }) {
          has(facts, { "kill-all": "ok" });
          between(facts, "processes", 3, 3);
        },
      },
    },
    {
      what: "make pid 1 slow and poor",
      attack: "keeper",
      check: ({ facts }) => refused(facts),
      outside: {
        place: "box",
        check: ({ facts }) => has(facts, { nice: "ok", idle: "ok", rlimit: "ok", ioprio: "ok" }),
      },
    },
    {
      what: "fork until it is refused",
      attack: "forkbomb",
      check({ facts }) {
        has(facts, { why: "EAGAIN" });
        between(facts, "forks", 8, 256);
      },
      outside: { place: "crowd", check: ({ facts }) => between(facts, "forks", 300, 400) },
    },
    {
      what: "fork exponentially",
      attack: "exponential",
      timeoutMs: SHORT,
      // They exit in what others leave of the processors: 0.7 to 13 s for 256, by what the exit of
      // one costs the machine. Who else is there must not notice, which is asked of every case.
      check: (answer) => timedOut(answer, 30_000),
      outside: {
        place: "crowd, on and on",
        check: ({ facts }) => assert(facts.get("left")!.length > 300),
      },
    },
    {
      what: "start threads until it is refused",
      attack: "threads",
      check({ facts }) {
        has(facts, { why: "EAGAIN" });
        between(facts, "threads", 8, 256);
      },
      outside: { place: "crowd", check: ({ facts }) => between(facts, "threads", 300, 400) },
    },
    ...Object.entries(MEMORY).map(([kind, name]): Case => ({
      what: `use 1 GiB of memory (${name})`,
      attack: "memory",
      argument: `${kind}-1024`,
      check({ status, error, facts, cut }) {
        assert(!facts.has("touched"), "it got what it wanted");
        // Without a cgroup there is no such memory.
        if (facts.has("mmap")) has(facts, { mmap: "ENOSYS" });
        else if (!facts.has("ran")) assert.deepEqual([status, error.limit], [502, "memory"]);
        else assert(cut, "not cut off");
      },
      outside: {
        place: "box",
        check({ facts }) {
          const touched = facts.get("touched")!.map(Number);
          assert.equal(touched.reduce((sum, mib) => sum + mib), 1_024);
        },
      },
    })),
    bufferCase(),
  ];
}

/** Some 400 KiB for each of a hundred pairs in ten processes. */
function bufferCase(): Case {
  return {
    what: "hold 400 MiB in the buffers of sockets",
    attack: "buffers",
    argument: "10",
    check({ status, error, facts, cut }) {
      assert(!facts.has("filled"), "it got what it wanted");
      if (facts.has("ran")) assert(cut, "not cut off");
      else assert.deepEqual([status, error.limit], [502, "memory"]);
    },
    outside: { place: "box", check: ({ facts }) => has(facts, { filled: 10 }) },
  };
}

/** What does not end by itself. */
function stubbornCases(): Case[] {
  return [
    { ...TIMED, what: "spin", attack: "spin", argument: "1", outside: goesOn("R") },
    {
      ...TIMED,
      what: "spin in 16 processes",
      attack: "spin",
      argument: "16",
      outside: {
        place: "box, on and on",
        check: ({ facts }) => assert.equal(facts.get("left")!.length, 16),
      },
    },
    {
      ...TIMED,
      what: "spin in 60 sessions",
      attack: "sessions",
      argument: "60",
      outside: {
        place: "box, on and on",
        check: ({ facts }) => assert.equal(facts.get("left")!.length, 60),
      },
    },
    { ...TIMED, what: "sleep for ever", attack: "sleeper", outside: goesOn("S") },
    {
      ...TIMED,
      what: "ignore every signal",
      attack: "deaf",
      outside: {
        place: "box, on and on",
        check: ({ facts }) => has(facts, { "in-time": "S", "after-term": "S" }),
      },
    },
    { ...TIMED, what: "stop itself", attack: "stop-self", outside: goesOn("T") },
    {
      ...TIMED,
      what: "hold 8 MiB of stdin unread",
      attack: "sleeper",
      body: EIGHT_MIB,
      outside: {
        place: "box, on and on",
        check: ({ bodyTaken }) => assert(!bodyTaken, "something read it"),
      },
    },
  ];
}

/** What ends and leaves something, or too much. */
function leftoverCases(): Case[] {
  return [
    {
      what: "leave a daemon",
      attack: "daemon",
      check({ facts, ms }) {
        assert(facts.has("ran"));
        assert(ms < 3_000, `${ms} ms`);
      },
      outside: { place: "box", check: ({ facts }) => assert.equal(facts.get("left")!.length, 1) },
    },
    {
      what: "leave a daemon that holds stdout",
      attack: "daemon",
      argument: "stdout",
      check({ facts, ms }) {
        assert(facts.has("ran"));
        assert(ms < 3_000, `${ms} ms`);
      },
      outside: {
        place: "box",
        check: ({ facts }) => assert(facts.has("left-with-stdout"), "it let go"),
      },
    },
    {
      what: "leave a thousand orphans",
      attack: "zombies",
      check: ({ facts }) => between(facts, "processes", 2, 3),
      outside: {
        place: "box, as pid 1",
        check: ({ facts }) => between(facts, "processes", 1_000, 1_003),
      },
    },
    {
      what: "flood stdout",
      attack: "flood",
      argument: "stdout",
      check({ bytes, cut }) {
        assert(cut && bytes > 1_000_000 && bytes < 110_000_000, `${bytes} bytes`);
      },
      outside: { place: "box", check: ({ stdoutBytes }) => assert(stdoutBytes > 60_000_000) },
    },
    {
      what: "flood stderr",
      attack: "flood",
      argument: "stderr",
      check: ({ facts }) => ran(facts),
      outside: { place: "box", check: ({ stderrBytes }) => assert(stderrBytes > 30_000_000) },
    },
    {
      what: "never read 8 MiB of stdin",
      attack: "x32",
      body: EIGHT_MIB,
      check: ({ facts }) => ran(facts),
      outside: { place: "box", check: ({ bodyTaken }) => assert(!bodyTaken, "something read it") },
    },
    {
      what: "die of a bad pointer",
      attack: "crash",
      argument: "11",
      check: ({ status, facts }) => assert(status === 502 || facts.has("ran")),
      outside: { place: "box", check: ({ facts }) => has(facts, { exit: 139 }) },
    },
    {
      what: "abort",
      attack: "crash",
      argument: "6",
      check: ({ status, facts }) => assert(status === 502 || facts.has("ran")),
      outside: { place: "box", check: ({ facts }) => has(facts, { exit: 134 }) },
    },
  ];
}
