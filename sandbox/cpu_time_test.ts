/** A run's processor time is all that its processes took, whoever waited for them, or nobody. */
import assert from "node:assert/strict";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { shell } from "../worlds/sandbox/relays.ts";
import { openSandbox, type Sandbox } from "./sandbox.ts";

const runUid = Deno.uid() === 0 ? 1_830_000_300 : null;
const limits = { timeoutMs: 10_000, memoryMb: 128, stdoutBytes: 1e6, stderrBytes: 4_096 };

/**
 * Each burns so much, as the kernel counts it for the process itself, and all print what they have
 * taken: on a busy machine forks alone cost some milliseconds each.
 */
const BURN_MS = 250;
const PRELUDE = `use strict; use POSIX qw(:sys_wait_h);
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);
sub taken { clock_gettime(CLOCK_PROCESS_CPUTIME_ID) }
sub burn_quietly { my $parts = shift; my $until = taken() + ${BURN_MS / 1_000} / $parts; my $x = 0;
  while (taken() < $until) { $x += $_ for 1..2000; } }
sub burn { burn_quietly(1); tell_taken(); }
sub told_ms { syswrite STDOUT, 1_000 * shift() . "\\n"; }
my %told; sub tell_taken { my $more = taken() - ($told{$$} // 0); $told{$$} += $more;
  told_ms($more); }
END { tell_taken(); }
# The ends of those that were waited for are in it, which none could tell itself.
sub tell_of_children { my (undef, undef, undef, $user, $system) = POSIX::times();
  told_ms(($user + $system) / POSIX::sysconf(POSIX::_SC_CLK_TCK)); }
# Ends when all who have its writing end are gone.
pipe(my $ended, my $open); sub gone { close $open; my $none = <$ended>; }
`;

interface Case {
  readonly name: string;
  readonly perl: string;
  /** How often it burns that much, in however many parts. */
  readonly burns: number;
}

const CASES: readonly Case[] = [
  { name: "the program alone", perl: "burn();", burns: 1 },
  {
    name: "children that it waits for, and theirs",
    perl: "if (!fork) { if (!fork) { burn(); exit } wait; burn(); exit } wait; burn();",
    burns: 3,
  },
  {
    name: "children that it does not wait for",
    perl: "for (1..2) { if (!fork) { burn(); exit } } gone();",
    burns: 2,
  },
  {
    name: "daemons: orphans in a session of their own",
    perl:
      "for (1..2) { if (!fork) { POSIX::setsid(); if (!fork) { burn(); exit } exit } wait } gone();",
    burns: 2,
  },
  {
    name: "children of who ignores SIGCHLD, which nobody can wait for",
    perl: '$SIG{CHLD} = "IGNORE"; for (1..2) { if (!fork) { burn(); exit } } gone();',
    burns: 2,
  },
  {
    name: "the same below a daemon",
    perl: `if (!fork) { POSIX::setsid(); if (!fork) { $SIG{CHLD} = "IGNORE";
      for (1..2) { if (!fork) { burn(); exit } } gone(); exit } exit } wait; gone();`,
    burns: 2,
  },
  {
    name: "what it leaves behind",
    perl: `$SIG{CHLD} = "IGNORE"; pipe(my $done, my $say);
      for (1..2) { if (!fork) { burn(); syswrite $say, "x"; sleep 60 } }
      sysread $done, my $x, 1 for 1..2;`,
    burns: 2,
  },
  {
    name: "many children, one after the other",
    perl:
      "for (1..40) { if (!fork) { burn_quietly(10); POSIX::_exit(0) } wait } tell_of_children();",
    burns: 4,
  },
];

eachLauncher("the time of all of a run's processes is counted", async (launcher) => {
  const policy = { programDir: "/usr", limits };
  const sandbox = await openSandbox({ ...launcher, runUid }, policy);
  try {
    for (const { name, perl, burns } of CASES) {
      const argv = ["bin/perl", "-e", PRELUDE + perl];
      const run = await sandbox.run({ argv, env: {}, stdin: null });
      const told = await new Response(run.stdout()).text();
      const { exit, cpuMs, stderr } = await run.record;
      assert.equal(exit, 0, `${name}: ${new TextDecoder().decode(stderr)}`);
      const burntMs = told.trim().split("\n").reduce((sum, line) => sum + Number(line), 0);
      assert.ok(burntMs >= burns * BURN_MS, `${name}: only ${burntMs} ms were burnt`);
      // What a process took after init's last look at it is not known of one that nobody waits for.
      assert.ok(cpuMs! > 0.7 * burntMs, `${name}: ${cpuMs} of ${burntMs} ms`);
      assert.ok(cpuMs! < 1.25 * burntMs + 100, `${name}: ${cpuMs} of ${burntMs} ms`);
    }
  } finally {
    await sandbox.close();
  }
});

async function runToEnd(sandbox: Sandbox, script: string) {
  const run = await sandbox.run({ argv: ["bin/sh", "-c", script], env: {}, stdin: null });
  await new Response(run.stdout()).text();
  return await run.record;
}

eachLauncher("no run is counted a tick of those that its keeper had before", async (launcher) => {
  const sandbox = await openSandbox({ ...launcher, runUid }, { programDir: "/usr", limits });
  try {
    // An orphan's time is the keeper's to wait for, and is looked at before the run is over.
    const script = "(head -c 20000000 /dev/zero >/dev/null &); sleep 0.08";
    for (let i = 0; i < 30; i++) {
      const { cpuMs } = await runToEnd(sandbox, script);
      // What was waited for is known to the microsecond, what is seen in /proc to a tick.
      assert.notEqual(cpuMs! % 10, 0, `run ${i}: ${cpuMs} ms`);
      assert.ok(cpuMs! < 1_000, `run ${i}: ${cpuMs} ms`);
    }
  } finally {
    await sandbox.close();
  }
});

eachLauncher("a run whose keeper is killed pays for no earlier one", async (launcher) => {
  const sandbox = await openSandbox({ ...launcher, runUid }, { programDir: "/usr", limits });
  try {
    for (let i = 0; i < 80; i++) await runToEnd(sandbox, "exit");
    const seconds = `9${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    const argv = ["bin/sleep", seconds];
    const run = await sandbox.run({ argv, env: {}, stdin: null });
    await shell(`until pid=$(pgrep -fx './bin/sleep ${seconds}'); do :; done
      kill -9 $(ps -o ppid= -p $pid)`);
    const { cpuMs, signal } = await run.record;
    assert.equal(signal, "SIGKILL");
    assert.ok(cpuMs! < 15, `${cpuMs} ms`);
  } finally {
    await sandbox.close();
  }
});
