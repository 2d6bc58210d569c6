/*
 * A keeper is pid 1 of pid, mount and ipc namespaces that are one run's at a time: it starts the
 * program as its child, and when the program ends it kills and reaps whatever else the run started
 * and tells init. If it is killed instead, the kernel kills all of its pid namespace.
 *
 * Then it makes fresh what the run could have left (fresh.h) and waits for another task: that costs
 * a fifth of new namespaces and a new process (`deno task bench hot`). A run that was ended, or
 * slowed down, or that was a server's, takes its keeper along.
 *
 * A keeper, and the program until it executes, run in init's memory, and a keeper has init's
 * descriptors: no run then waits for the kernel to copy either (`deno task bench sandbox`, row
 * "khachapuri, whole request"). So they call the kernel directly, on stacks of their own.
 *
 * Only the program is in the run's cgroup. An out-of-memory kill of that cgroup would end init too
 * if it met the program before it has memory of its own; so it is started as by vfork, whose child
 * the kernel spares until it executes.
 */
#include "keeping.h"
#include "fresh.h"
#include "raw.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Runs of one keeper: so much, and no more, can the time it has taken tell of those before. */
enum { RUNS_OF_ONE = 100 };

/* Tells init that the keeper is all that still lives of its run. */
static void tell_over(struct keeper *keeper) {
  static const uint64_t one = 1;
  keeper->outcome.over = 1;
  raw(SYS_write, keeper->done_fd, raw_pointer(&one), sizeof one, 0, 0);
}

/* In the keeper: ends it when a step has failed. */
static void keeper_must(struct keeper *keeper, enum start_step step, long result) {
  if (!step_failed(&keeper->outcome, step, result)) return;
  tell_over(keeper);
  exit_process(0);
}

static long start_program(struct keeper *keeper) {
  struct start start = {keeper->settings, &keeper->task, &keeper->outcome, &keeper->begun};
  struct clone_args args = {
      .flags = CLONE_VM | CLONE_VFORK,
      .exit_signal = SIGCHLD,
      .stack = (uint64_t)(uintptr_t)keeper->stacks->program,
      .stack_size = sizeof keeper->stacks->program,
  };
  if (keeper->task.slot) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint32_t)keeper->task.slot->dir;
  }
  return raw_clone(&args, become_program, &start, keeper->settings->secret);
}

static bool is_to_end(const struct keeper *keeper) {
  return __atomic_load_n(&keeper->end, __ATOMIC_ACQUIRE);
}

/* Reaps one child, and notes how the program ended if it did by itself; what wait4 says. */
static long reap_child(struct keeper *keeper, long program, int options) {
  int status;
  struct rusage usage, *most = &keeper->outcome.usage;
  long pid = raw(SYS_wait4, -1, raw_pointer(&status), options | __WALL, raw_pointer(&usage), 0);
  if (pid > 0 && usage.ru_maxrss > most->ru_maxrss) most->ru_maxrss = usage.ru_maxrss;
  if (pid != program || is_to_end(keeper)) return pid;
  keeper->outcome.status = status;
  keeper->outcome.known = 1;
  return pid;
}

static bool program_waits(const struct keeper *keeper) {
  return __atomic_load_n(&keeper->program_waits, __ATOMIC_SEQ_CST);
}

/*
 * Stops all of it. If init has it go on meanwhile, the stop may have come last: that is undone, and
 * so is the stop of a program that was to wait.
 */
static void stop_all(const struct keeper *keeper, long program) {
  raw(SYS_kill, -1, SIGSTOP, 0, 0, 0);
  if (__atomic_load_n(&keeper->stop, __ATOMIC_SEQ_CST)) return;
  raw(SYS_kill, -1, SIGCONT, 0, 0, 0);
  if (!program_waits(keeper)) return;
  raw(SYS_kill, program, SIGSTOP, 0, 0, 0);
  if (!program_waits(keeper)) raw(SYS_kill, program, SIGCONT, 0, 0, 0);
}

/* What init wants of a run that goes on. */
static void obey(struct keeper *keeper, long program) {
  uint32_t stop = __atomic_load_n(&keeper->stop, __ATOMIC_SEQ_CST);
  if (stop && stop != keeper->stopped) {
    stop_all(keeper, program);
    __atomic_store_n(&keeper->stopped, stop, __ATOMIC_RELEASE);
  }
  if (__atomic_exchange_n(&keeper->terminate, 0, __ATOMIC_ACQ_REL)) {
    raw(SYS_kill, program, SIGTERM, 0, 0, 0);
  }
}

/*
 * Waits until the program ends or init wants the run ended. Both wake it by a signal, as does all
 * that init wants, and so can the program, whose signals say nothing.
 */
static void wait_for_end(struct keeper *keeper, long program) {
  static const unsigned long wakes = 1ul << (SIGCHLD - 1) | 1ul << (SIGTERM - 1);
  while (!keeper->outcome.known && !is_to_end(keeper)) {
    obey(keeper, program);
    if (reap_child(keeper, program, WNOHANG) > 0) continue;
    raw(SYS_rt_sigtimedwait, raw_pointer(&wakes), 0, 0, sizeof wakes, 0);
  }
}

/*
 * Kills and reaps what is left. All of it has the keeper as its pid 1, which inherits orphans: a
 * keeper without a child is alone. What it reaps, the kernel counts as its children's time.
 */
static void kill_others(struct keeper *keeper, long program) {
  if (reap_child(keeper, program, WNOHANG) == -ECHILD) return;
  raw(SYS_kill, -1, SIGKILL, 0, 0, 0);
  while (reap_child(keeper, program, 0) != -ECHILD) continue;
}

static struct timeval time_between(struct timeval from, struct timeval to) {
  long us = (to.tv_sec - from.tv_sec) * 1000000 + to.tv_usec - from.tv_usec;
  return (struct timeval){us / 1000000, us % 1000000};
}

struct rusage keeping_since(const struct rusage *earlier, const struct rusage *usage) {
  return (struct rusage){
      .ru_utime = time_between(earlier->ru_utime, usage->ru_utime),
      .ru_stime = time_between(earlier->ru_stime, usage->ru_stime),
      .ru_maxrss = usage->ru_maxrss > earlier->ru_maxrss ? usage->ru_maxrss : 0,
  };
}

/* What this run's processes took, all reaped: what all took so far but for earlier runs. */
static void note_usage(struct keeper *keeper) {
  struct rusage all;
  long most = keeper->outcome.usage.ru_maxrss;
  raw(SYS_getrusage, RUSAGE_CHILDREN, raw_pointer(&all), 0, 0, 0);
  keeper->outcome.usage = keeping_since(&keeper->earlier, &all);
  keeper->outcome.usage.ru_maxrss = most;
  keeper->outcome.until = all;
}

/* Its memory is init's, and no run's. */
static void note_itself(struct keeper *keeper) {
  raw(SYS_getrusage, RUSAGE_SELF, raw_pointer(&keeper->itself), 0, 0, 0);
  keeper->itself.ru_maxrss = 0;
}

/* Whether it may serve another run: this one ended by itself, and was not interfered with. */
static bool serves_again(const struct keeper *keeper) {
  const struct outcome *outcome = &keeper->outcome;
  return keeper->renewable && keeper->runs < RUNS_OF_ONE && outcome->known &&
         !outcome->start_errno && !is_to_end(keeper) &&
         !__atomic_load_n(&keeper->stop, __ATOMIC_ACQUIRE);
}

static void await_task(struct keeper *keeper) {
  uint32_t go;
  while ((go = __atomic_load_n(&keeper->go, __ATOMIC_ACQUIRE)) == WAIT) {
    raw(SYS_futex, raw_pointer(&keeper->go), FUTEX_WAIT_PRIVATE, WAIT, 0, 0);
  }
  if (go == LEAVE) exit_process(0);
}

/* Makes all fresh, and lets init know whether it is. */
static void return_fresh(struct keeper *keeper) {
  bool fresh = fresh_again(keeper->settings) >= 0;
  uint32_t now = fresh ? FRESH : SPOILT;
  uint32_t before = __atomic_exchange_n(&keeper->returned, now, __ATOMIC_ACQ_REL);
  if (before == AWAITED) {
    raw(SYS_futex, raw_pointer(&keeper->returned), FUTEX_WAKE_PRIVATE, 1, 0, 0);
  }
  if (!fresh) exit_process(0);
}

void keeping_main(void *argument) {
  struct keeper *keeper = argument;
  keeper_must(keeper, STEP_MOUNTS, fresh_make(keeper->settings, &keeper->renewable));
  for (;;) {
    await_task(keeper);
    note_itself(keeper);
    long program = start_program(keeper);
    keeper_must(keeper, STEP_NAMESPACES, program);
    if (!keeper->renewable) drop_capabilities();
    wait_for_end(keeper, program);
    kill_others(keeper, program);
    note_usage(keeper);
    keeper->runs++;
    __atomic_store_n(&keeper->go, WAIT, __ATOMIC_RELAXED);
    bool again = serves_again(keeper);
    keeper->outcome.again = again;
    tell_over(keeper); /* from here on the outcome is init's */
    if (!again) exit_process(0);
    return_fresh(keeper);
  }
}
