#include "keeper.h"
#include "keeping.h"
#include "raw.h"
#include "sys.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
  /* Made ahead of need: more did not raise the rates that `deno task bench sandbox` prints. */
  AHEAD = 1,
  KEEPERS_MAX = RUNS_MAX + AHEAD,
  /* That wait after a burst: they count among the processes that the programs' uid may have. */
  READY_MAX = 16,
};

static struct keeper keepers[KEEPERS_MAX];
static struct stacks stacks[KEEPERS_MAX] __attribute__((aligned(4096)));
static uint32_t count[EXITING + 1]; /* keepers in each state but FREE */

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

/* As before its first task, or its next. */
static void reset(struct keeper *keeper) {
  keeper->go = WAIT;
  keeper->returned = NOT_YET;
  keeper->end = keeper->begun = keeper->terminate = 0;
  keeper->stop = keeper->stops = keeper->stopped = keeper->program_waits = 0;
  keeper->outcome = (struct outcome){0};
}

/* A new keeper, which waits for a task; NULL with errno when the kernel refuses. */
static struct keeper *make_keeper(const struct settings *settings, int done_fd) {
  struct keeper *keeper = find(FREE);
  errno = EAGAIN;
  if (!keeper) return NULL;
  keeper->settings = settings;
  keeper->stacks = &stacks[keeper - keepers];
  keeper->done_fd = done_fd;
  reset(keeper);
  keeper->runs = 0;
  keeper->earlier = keeper->itself = (struct rusage){0};
  struct clone_args args = {
      .flags = CLONE_VM | CLONE_FILES | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC,
      .exit_signal = SIGCHLD,
      .stack = (uint64_t)(uintptr_t)keeper->stacks->keeper,
      .stack_size = sizeof keeper->stacks->keeper,
  };
  long pid = raw_clone(&args, keeping_main, keeper, settings->secret);
  if (pid < 0) errno = (int)-pid;
  if (pid < 0) return NULL;
  keeper->pid = (pid_t)pid;
  set_state(keeper, READY);
  return keeper;
}

static void tell(struct keeper *keeper, enum go go) {
  __atomic_store_n(&keeper->go, go, __ATOMIC_RELEASE);
  raw(SYS_futex, raw_pointer(&keeper->go), FUTEX_WAKE_PRIVATE, 1, 0, 0);
}

static void leave(struct keeper *keeper) {
  set_state(keeper, EXITING);
  tell(keeper, LEAVE);
}

/* Has those wait for a task that have made all fresh: by then their mounts of before are gone. */
static void take_back(void) {
  for (uint32_t i = 0; count[RETURNING] > 0 && i < KEEPERS_MAX; i++) {
    struct keeper *keeper = &keepers[i];
    if (keeper->state != RETURNING) continue;
    if (__atomic_load_n(&keeper->returned, __ATOMIC_ACQUIRE) != FRESH) continue;
    if (keeper->task.slot) keeper->task.slot->busy = false;
    keeper->earlier = keeper->outcome.until;
    keeper->task = (struct task){0};
    reset(keeper);
    set_state(keeper, READY);
    if (count[READY] > READY_MAX) leave(keeper);
  }
}

bool keeper_wanted(void) { return count[READY] + count[RETURNING] < AHEAD; }

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
  tell(keeper, BEGIN);
  return keeper;
}

bool keeper_over(const struct keeper *keeper) { return keeper->outcome.over; }

const struct outcome *keeper_outcome(const struct keeper *keeper) { return &keeper->outcome; }

bool keeper_begun(const struct keeper *keeper) { return keeper->begun || keeper->outcome.over; }

const struct rusage *keeper_earlier(const struct keeper *keeper) { return &keeper->earlier; }

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

void keeper_dismiss(struct keeper *keeper, bool again) {
  if (!keeper->pid) become_free(keeper);
  else if (again && keeper->outcome.again) set_state(keeper, RETURNING);
  else leave(keeper);
}

struct keeper *keeper_reaped(pid_t pid, struct rusage *usage, bool *prepare_failed) {
  for (uint32_t i = 0; i < KEEPERS_MAX; i++) {
    struct keeper *keeper = &keepers[i];
    if (keeper->state == FREE || keeper->pid != pid) continue;
    keeper->pid = 0;
    *usage = keeping_since(&keeper->earlier, usage);
    *usage = keeping_since(&keeper->itself, usage);
    if (keeper->state == USED) return keeper;
    *prepare_failed = *prepare_failed || keeper->state == READY;
    become_free(keeper);
  }
  return NULL;
}

bool keepers_exiting(void) { return count[EXITING] > 0; }

/* Waits until it is fresh or, where it could not be made so or was killed, has exited. */
static void await_returning(struct keeper *keeper) {
  static const struct timespec moment = {.tv_nsec = 10000000};
  uint32_t expected = NOT_YET, *at = &keeper->returned;
  __atomic_compare_exchange_n(at, &expected, AWAITED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  while (__atomic_load_n(at, __ATOMIC_ACQUIRE) != FRESH) {
    if (waitpid(keeper->pid, NULL, WNOHANG) == keeper->pid) return become_free(keeper);
    raw(SYS_futex, raw_pointer(at), FUTEX_WAIT_PRIVATE, AWAITED, raw_pointer(&moment), 0);
  }
}

void keepers_make_room(void) {
  take_back();
  while (count[USED] + count[RETURNING] + count[EXITING] >= RUNS_MAX) {
    struct keeper *keeper = find(EXITING), *returning = find(RETURNING);
    if (keeper && waitpid(keeper->pid, NULL, 0) == keeper->pid) become_free(keeper);
    else if (!keeper && returning) await_returning(returning);
    take_back();
  }
}

bool keepers_retire(void) {
  take_back();
  bool any = count[READY] > AHEAD;
  while (count[READY] > AHEAD) leave(find(READY));
  return any || count[RETURNING] > 0;
}

void keepers_release(void) {
  for (uint32_t i = 0; i < KEEPERS_MAX; i++) {
    if (keepers[i].state == FREE) release_pages(&stacks[i], sizeof stacks[i]);
  }
}
