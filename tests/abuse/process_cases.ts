/** Attacks with processes: too many, too hungry, too stubborn, too messy. */
import assert from "node:assert/strict";
import { between, type Case, has, ran, timedOutAnyhow } from "./expect.ts";

const SHORT = 600;

export function processCases(): Case[] {
  return [...bombCases(), ...stubbornCases(), ...leftoverCases()];
}

const MEMORY = { a: "anonymous", s: "shared", m: "memfd", 8: "eight processes" };

function bombCases(): Case[] {
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
    ...Object.entries(MEMORY).map(([kind, name]): Case => ({
      what: `use 1 GiB of memory (${name})`,
      attack: "memory",
      argument: `${kind}-1024`,
      check({ status, error, facts, cut }) {
        assert(!facts.has("touched"), "it got what it wanted");
        if (!facts.has("ran")) assert.deepEqual([status, error.limit], [502, "memory"]);
        else assert(cut, "not cut off");
      },
    })),
  ];
}

/** What does not end by itself. */
function stubbornCases(): Case[] {
  return [
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
