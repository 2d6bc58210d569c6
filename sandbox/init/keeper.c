/*
 * A keeper is pid 1 of fresh pid, mount and ipc namespaces for exactly one run: it mounts the run's
 * own /tmp and /proc, starts the program as its child and gives up every capability. When the
 * program ends it kills and reaps whatever else the run started, tells init and exits. If it is
 * killed instead, the kernel kills all of its pid namespace. One keeper is made ahead of need and
 * waits, with all its mounts, for a program to start.
 *
 * A keeper, and the program until it executes, run in init's memory, and a keeper has init's
 * descriptors: no run then waits for the kernel to copy either (`deno task bench sandbox`, row
 * "khachapuri, whole request"). So they call the kernel directly, on stacks of their own.
 *
 * Only the program is in the run's cgroup. An out-of-memory kill of that cgroup would end init too
 * if it met the program before it has memory of its own; so it is started as by vfork, whose child
 * the kernel spares until it executes.
 */
#include "keeper.h"
#include "raw.h"
#include "sys.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* One is made ahead of need: more did not raise the rates that `deno task bench sandbox` prints. */
enum { READY_MAX = 1, KEEPERS_MAX = RUNS_MAX + READY_MAX };

enum state {
  FREE,
  READY,   /* made ahead of need: waits for a task */
  USED,    /* has one */
  EXITING, /* has done its part, but is not reaped yet */
};

struct keeper {
  enum state state;
  pid_t pid;
  const struct settings *settings;
  int done_fd;
  struct task task;
  uint32_t go;             /* futex: not 0 when the task is there */
  uint32_t end;            /* not 0: the run is to end now */
  uint32_t stop;           /* not 0: it is to stop all of it, and again when the number changes */
  uint32_t stops;          /* numbers that `stop` has had; init's */
  uint32_t stopped;        /* the last of them by which it has stopped all of it */
  uint32_t program_waits;  /* not 0: the program does not go on with the others */
  uint32_t terminate;      /* not 0: the program is to be told to end */
  volatile uint32_t begun; /* the program has its own copies of the descriptors */
  struct outcome outcome;
  struct stacks *stacks;
};

struct stacks {
  uint8_t keeper[8192], program[8192];
};

static struct keeper keepers[KEEPERS_MAX];
static struct stacks stacks[KEEPERS_MAX] __attribute__((aligned(4096)));
static uint32_t count[EXITING + 1]; /* keepers in each state but FREE */

/* ---- in the keeper ---- */

/* Ends the keeper when it is all that still lives of the run, and tells init so. */
static _Noreturn void finish(struct keeper *keeper) {
  static const uint64_t one = 1;
  keeper->outcome.over = 1;
  raw(SYS_write, keeper->done_fd, raw_pointer(&one), sizeof one, 0, 0);
  exit_process(0);
}

/* In the keeper: ends it when a step has failed. */
static void keeper_must(struct keeper *keeper, enum start_step step, long result) {
  if (step_failed(&keeper->outcome, step, result)) finish(keeper);
}

static void mount_over(struct keeper *keeper, const char *kind, const char *path,
                       unsigned long flags, const char *options) {
  keeper_must(keeper, STEP_MOUNTS,
              raw_own(keeper->settings->secret, SYS_mount, raw_pointer(kind), raw_pointer(path),
                      raw_pointer(kind), (long)(flags | MS_NOSUID | MS_NODEV),
                      raw_pointer(options)));
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
  long pid = raw(SYS_wait4, -1, raw_pointer(&status), options | __WALL, 0, 0);
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

/*
 * Shows /dev/null in place of the machine's boot id. What interpreters read (cpuinfo, meminfo,
 * stat) stays, and so does what is like it: each mount makes every run some 10 us longer.
 */
static void hide_boot_id(struct keeper *keeper) {
  static const char path[] = "/proc/sys/kernel/random/boot_id";
  long result = raw_own(keeper->settings->secret, SYS_mount, raw_pointer("/dev/null"),
                        raw_pointer(path), 0, MS_BIND, 0);
  keeper_must(keeper, STEP_MOUNTS, result);
}

static void keeper_main(void *argument) {
  struct keeper *keeper = argument;
  mount_over(keeper, "tmpfs", "/tmp", 0, keeper->settings->tmp_options);
  mount_over(keeper, "proc", "/proc", MS_NOEXEC | MS_RDONLY, NULL);
  hide_boot_id(keeper);
  while (!__atomic_load_n(&keeper->go, __ATOMIC_ACQUIRE)) {
    raw(SYS_futex, raw_pointer(&keeper->go), FUTEX_WAIT_PRIVATE, 0, 0, 0);
  }
  long program = start_program(keeper);
  keeper_must(keeper, STEP_NAMESPACES, program);
  drop_capabilities();
  wait_for_end(keeper, program);
  kill_others(keeper, program);
  raw(SYS_getrusage, RUSAGE_CHILDREN, raw_pointer(&keeper->outcome.usage), 0, 0, 0);
  finish(keeper);
}

/* ---- in init ---- */

static void set_state(struct keeper *keeper, enum state state) {
  count[keeper->state]--;
  keeper->state = state;
  count[state]++;
}

static struct keeper *find(enum state state) {
  if (state != FREE && count[state] == 0) return NULL;
  for (uint32_t i = 0; i < KEEPERS_MAX; i++) {
    if (keepers[i].state == state) return &keepers[i];
  }
  return NULL;
}

/* A new keeper, which waits for a task; NULL with errno when the kernel refuses. */
static struct keeper *make_keeper(const struct settings *settings, int done_fd) {
  struct keeper *keeper = find(FREE);
  errno = EAGAIN;
  if (!keeper) return NULL;
  keeper->settings = settings;
  keeper->stacks = &stacks[keeper - keepers];
  keeper->done_fd = done_fd;
  keeper->go = keeper->end = keeper->begun = keeper->terminate = 0;
  keeper->stop = keeper->stops = keeper->stopped = keeper->program_waits = 0;
  keeper->outcome = (struct outcome){0};
  struct clone_args args = {
      .flags = CLONE_VM | CLONE_FILES | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC,
      .exit_signal = SIGCHLD,
      .stack = (uint64_t)(uintptr_t)keeper->stacks->keeper,
      .stack_size = sizeof keeper->stacks->keeper,
  };
  long pid = raw_clone(&args, keeper_main, keeper, settings->secret);
  if (pid < 0) errno = (int)-pid;
  if (pid < 0) return NULL;
  keeper->pid = (pid_t)pid;
  set_state(keeper, READY);
  return keeper;
}

bool keeper_wanted(void) { return count[READY] < READY_MAX; }

bool keeper_prepare(const struct settings *settings, int done_fd) {
  return make_keeper(settings, done_fd) != NULL;
}

struct keeper *keeper_start(const struct settings *settings, int done_fd, const struct task *task) {
  struct keeper *keeper = find(READY);
  /* The one made ahead of need may have failed at its mounts: a new try works or says why not. */
  while (keeper && keeper->outcome.over) {
    set_state(keeper, EXITING);
    keeper = find(READY);
  }
  if (!keeper) keeper = make_keeper(settings, done_fd);
  if (!keeper) return NULL;
  keeper->task = *task;
  set_state(keeper, USED);
  __atomic_store_n(&keeper->go, 1, __ATOMIC_RELEASE);
  raw(SYS_futex, raw_pointer(&keeper->go), FUTEX_WAKE_PRIVATE, 1, 0, 0);
  return keeper;
}

bool keeper_over(const struct keeper *keeper) { return keeper->outcome.over; }

const struct outcome *keeper_outcome(const struct keeper *keeper) { return &keeper->outcome; }

bool keeper_begun(const struct keeper *keeper) { return keeper->begun || keeper->outcome.over; }

static void wake(const struct keeper *keeper) {
  if (keeper->pid) kill(keeper->pid, SIGTERM);
}

void keeper_stop(struct keeper *keeper) {
  if (++keeper->stops == 0) keeper->stops = 1;
  __atomic_store_n(&keeper->stop, keeper->stops, __ATOMIC_SEQ_CST);
  wake(keeper);
}

bool keeper_has_stopped(const struct keeper *keeper) {
  return __atomic_load_n(&keeper->stopped, __ATOMIC_ACQUIRE) == keeper->stops;
}

void keeper_let_go_on(struct keeper *keeper, bool program_waits) {
  __atomic_store_n(&keeper->program_waits, program_waits, __ATOMIC_SEQ_CST);
  __atomic_store_n(&keeper->stop, 0, __ATOMIC_SEQ_CST);
}

void keeper_let_program_go_on(struct keeper *keeper) {
  __atomic_store_n(&keeper->program_waits, 0, __ATOMIC_SEQ_CST);
}

void keeper_terminate(struct keeper *keeper) {
  __atomic_store_n(&keeper->terminate, 1, __ATOMIC_RELEASE);
  wake(keeper);
}

void keeper_end(struct keeper *keeper) {
  __atomic_store_n(&keeper->end, 1, __ATOMIC_RELEASE);
  wake(keeper);
}

void keeper_kill(const struct keeper *keeper) {
  if (keeper->pid) kill(keeper->pid, SIGKILL);
}

pid_t keeper_pid(const struct keeper *keeper) { return keeper->pid; }

static void become_free(struct keeper *keeper) {
  if (keeper->task.slot) keeper->task.slot->busy = false;
  keeper->task = (struct task){0};
  keeper->pid = 0;
  set_state(keeper, FREE);
}

void keeper_dismiss(struct keeper *keeper) {
  set_state(keeper, EXITING);
  if (!keeper->pid) become_free(keeper);
}

struct keeper *keeper_reaped(pid_t pid, bool *prepare_failed) {
  for (uint32_t i = 0; i < KEEPERS_MAX; i++) {
    struct keeper *keeper = &keepers[i];
    if (keeper->state == FREE || keeper->pid != pid) continue;
    keeper->pid = 0;
    if (keeper->state == USED) return keeper;
    *prepare_failed = *prepare_failed || keeper->state == READY;
    become_free(keeper);
  }
  return NULL;
}

bool keepers_exiting(void) { return count[EXITING] > 0; }

void keepers_make_room(void) {
  while (count[USED] + count[EXITING] >= RUNS_MAX) {
    struct keeper *keeper = find(EXITING);
    if (waitpid(keeper->pid, NULL, 0) == keeper->pid) become_free(keeper);
  }
}

void keepers_release(void) {
  for (uint32_t i = 0; i < KEEPERS_MAX; i++) {
    if (keepers[i].state == FREE) release_pages(&stacks[i], sizeof stacks[i]);
  }
}
