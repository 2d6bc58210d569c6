/*
 * Keepers. Each is pid 1 of fresh pid, mount and ipc namespaces for exactly one run: it mounts the
 * run's own /tmp and /proc, starts the program as its child, gives up every capability,
 * and when the program ends kills and reaps whatever else the run started, tells init and leaves.
 * Should it be killed instead, the kernel takes the whole pid namespace down with it. One keeper
 * is made ahead of need and waits, with all its mounts, for a program to start.
 *
 * A keeper, and the program until it executes, run in init's memory, and a keeper has init's
 * descriptors: copying the memory would cost a fifth of the run. So they call the kernel directly,
 * on stacks of their own, and only the program is in the run's cgroup. Its out-of-memory
 * kill must not meet init: until it executes it is started as by vfork, which the kernel spares.
 */
#include "init.h"
#include "raw.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MAX = 1, KEEPERS_MAX = RUNS_MAX + READY_MAX };
enum state { FREE, READY, USED, LEAVING };

struct keeper {
  enum state state;
  pid_t pid;
  const struct settings *settings;
  int bell;
  struct task task;
  uint32_t go;             /* futex: the task is there */
  volatile uint32_t begun; /* the program has descriptors of its own */
  struct outcome outcome;
  struct stacks *stacks;
};

struct stacks {
  uint8_t keeper[8192], program[8192];
};

static struct keeper keepers[KEEPERS_MAX];
static struct stacks stacks[KEEPERS_MAX] __attribute__((aligned(4096)));
static uint32_t count[LEAVING + 1]; /* keepers in each state but FREE */

/* ---- in the keeper and in the program that it starts ---- */

__asm__(".text\n.global raw_clone\n.type raw_clone, @function\n"
        "raw_clone:\n"
        "  mov %rsi, %r8\n" /* entry and argument live in registers that the kernel keeps */
        "  mov %rdx, %r10\n"
        "  mov %rcx, %r9\n"
        "  mov $88, %esi\n"
        "  mov $435, %eax\n"
        "  syscall\n"
        "  test %rax, %rax\n"
        "  jnz 1f\n"
        "  xor %ebp, %ebp\n"
        "  mov %r10, %rdi\n"
        "  call *%r8\n"
        "  ud2\n"
        "1: ret\n");

_Static_assert(SYS_clone3 == 435 && sizeof(struct clone_args) == 88, "raw_clone's constants");

static _Noreturn void leave(int code) {
  for (;;) raw(SYS_exit_group, code, 0, 0, 0, 0);
}

/* Of a keeper: nothing of the run lives but itself. */
static _Noreturn void tell_and_leave(struct keeper *keeper) {
  static const uint64_t one = 1;
  keeper->outcome.over = 1;
  raw(SYS_write, keeper->bell, raw_pointer(&one), sizeof one, 0, 0);
  leave(0);
}

static bool failed(struct keeper *keeper, enum start_step step, long result) {
  if (result >= 0) return false;
  keeper->outcome.start_errno = (int32_t)-result;
  keeper->outcome.start_step = (int32_t)step;
  return true;
}

/* Ends the program's process when `result` says that a step failed. */
static void must(struct keeper *keeper, enum start_step step, long result) {
  if (failed(keeper, step, result)) leave(127);
}

static void keeper_must(struct keeper *keeper, enum start_step step, long result) {
  if (failed(keeper, step, result)) tell_and_leave(keeper);
}

static void mount_over(struct keeper *keeper, const char *kind, const char *path,
                       unsigned long flags, const char *options) {
  keeper_must(keeper, STEP_MOUNT,
              raw_own(keeper->settings->secret, SYS_mount, raw_pointer(kind), raw_pointer(path),
                      raw_pointer(kind), (long)(flags | MS_NOSUID | MS_NODEV),
                      raw_pointer(options)));
}

static long unshare_own(const struct settings *settings, long flags) {
  return raw_own(settings->secret, SYS_unshare, flags, 0, 0, 0, 0);
}

static long drop_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  return raw(SYS_capset, raw_pointer(&header), raw_pointer(none), 0, 0, 0);
}

/* The copies of init's descriptors that it came with, but for its own three. */
static void drop_descriptors(struct keeper *keeper) {
  keeper->begun = 1;
  for (int fd = 0; fd < 3; fd++) {
    must(keeper, STEP_NAMESPACE, raw(SYS_dup2, keeper->task.stdio[fd], fd, 0, 0, 0));
  }
  must(keeper, STEP_NAMESPACE, raw(SYS_close_range, 3, ~0u, 0, 0, 0));
}

static void become_program(void *argument) {
  struct keeper *keeper = argument;
  const struct settings *settings = keeper->settings;
  static const unsigned long no_signals;
  drop_descriptors(keeper);
  /* Its own cgroup is all it is to see of them. */
  if (keeper->task.slot) must(keeper, STEP_NAMESPACE, unshare_own(settings, CLONE_NEWCGROUP));
  must(keeper, STEP_DROP, drop_capabilities());
  /*
   * A signal to its own process group meets nobody else then. No session of its own: the kernel
   * would give that a scheduling group with as much weight as all of the provider.
   */
  must(keeper, STEP_DROP, raw(SYS_setpgid, 0, 0, 0, 0, 0));
  raw(SYS_rt_sigprocmask, SIG_SETMASK, raw_pointer(&no_signals), 0, 8, 0);
  for (uint32_t i = 0; i < settings->limits; i++) {
    const struct limit *limit = &settings->limit[i];
    const uint64_t both[2] = {limit->value, limit->value};
    must(keeper, STEP_DROP, raw(SYS_prlimit64, 0, (long)limit->resource, raw_pointer(both), 0, 0));
  }
  const struct command *command = keeper->task.command;
  must(keeper, STEP_EXEC,
       raw(SYS_execve, raw_pointer(command->argv[0]), raw_pointer(command->argv),
           raw_pointer(command->envp), 0, 0));
}

static long start_program(struct keeper *keeper) {
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
  return raw_clone(&args, become_program, keeper, keeper->settings->secret);
}

static long wait_for_child(int *status, int options) {
  return raw(SYS_wait4, -1, raw_pointer(status), options | __WALL, 0, 0);
}

/* Everything of a run descends from its keeper: who has no child left is alone. */
static void end_others(void) {
  if (wait_for_child(NULL, WNOHANG) == -ECHILD) return;
  raw(SYS_kill, -1, SIGKILL, 0, 0, 0);
  while (wait_for_child(NULL, 0) != -ECHILD) continue;
}

static void keep_run(void *argument) {
  struct keeper *keeper = argument;
  struct outcome *outcome = &keeper->outcome;
  mount_over(keeper, "tmpfs", "/tmp", 0, keeper->settings->tmp_options);
  mount_over(keeper, "proc", "/proc", MS_NOEXEC | MS_RDONLY, NULL);
  while (!__atomic_load_n(&keeper->go, __ATOMIC_ACQUIRE)) {
    raw(SYS_futex, raw_pointer(&keeper->go), FUTEX_WAIT_PRIVATE, 0, 0, 0);
  }
  long program = start_program(keeper);
  keeper_must(keeper, STEP_NAMESPACE, program);
  drop_capabilities();
  for (int status; !outcome->known;) {
    if (wait_for_child(&status, 0) != program) continue;
    outcome->status = status;
    outcome->known = 1;
  }
  end_others();
  raw(SYS_getrusage, RUSAGE_CHILDREN, raw_pointer(&outcome->usage), 0, 0, 0);
  tell_and_leave(keeper);
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

/* A new keeper, which waits for its task; NULL with errno when the kernel refuses. */
static struct keeper *make_keeper(const struct settings *settings, int bell) {
  struct keeper *keeper = find(FREE);
  errno = EAGAIN;
  if (!keeper) return NULL;
  keeper->settings = settings;
  keeper->stacks = &stacks[keeper - keepers];
  keeper->bell = bell;
  keeper->go = keeper->begun = 0;
  keeper->outcome = (struct outcome){0};
  struct clone_args args = {
      .flags = CLONE_VM | CLONE_FILES | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC,
      .exit_signal = SIGCHLD,
      .stack = (uint64_t)(uintptr_t)keeper->stacks->keeper,
      .stack_size = sizeof keeper->stacks->keeper,
  };
  long pid = raw_clone(&args, keep_run, keeper, settings->secret);
  if (pid < 0) errno = (int)-pid;
  if (pid < 0) return NULL;
  keeper->pid = (pid_t)pid;
  set_state(keeper, READY);
  return keeper;
}

/* Whether one more should be made ahead of need. More than one ready cost more than they gain. */
bool keeper_wanted(void) { return count[READY] < READY_MAX; }

/* Makes one keeper ahead of need; false when the kernel refuses. */
bool keeper_prepare(const struct settings *settings, int bell) {
  return make_keeper(settings, bell) != NULL;
}

/* Gives `task` to a keeper. NULL with errno when the kernel refuses. */
struct keeper *keeper_start(const struct settings *settings, int bell, const struct task *task) {
  struct keeper *keeper = find(READY);
  /* One that failed to get ready is not used: another try tells why, or works. */
  while (keeper && keeper->outcome.over) {
    set_state(keeper, LEAVING);
    keeper = find(READY);
  }
  if (!keeper) keeper = make_keeper(settings, bell);
  if (!keeper) return NULL;
  keeper->task = *task;
  set_state(keeper, USED);
  __atomic_store_n(&keeper->go, 1, __ATOMIC_RELEASE);
  raw(SYS_futex, raw_pointer(&keeper->go), FUTEX_WAKE_PRIVATE, 1, 0, 0);
  return keeper;
}

/* True once everything of its run is dead; `outcome` says how it ended. */
bool keeper_over(const struct keeper *keeper) { return keeper->outcome.over; }

const struct outcome *keeper_outcome(const struct keeper *keeper) { return &keeper->outcome; }

/* True once it has its own copies of the task's descriptors, or needs none. */
bool keeper_begun(const struct keeper *keeper) { return keeper->begun || keeper->outcome.over; }

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

/* Its run is reported. It may still take its namespaces down, and is busy until it is reaped. */
void keeper_dismiss(struct keeper *keeper) {
  set_state(keeper, LEAVING);
  if (!keeper->pid) become_free(keeper);
}

/*
 * Takes note of a death. Returns the keeper whose run it ends, NULL when no run is concerned;
 * `unprepared` is set when one died that was to be ready.
 */
struct keeper *keeper_reaped(pid_t pid, bool *unprepared) {
  for (uint32_t i = 0; i < KEEPERS_MAX; i++) {
    struct keeper *keeper = &keepers[i];
    if (keeper->state == FREE || keeper->pid != pid) continue;
    keeper->pid = 0;
    if (keeper->state == USED) return keeper;
    *unprepared = *unprepared || keeper->state == READY;
    become_free(keeper);
  }
  return NULL;
}

bool keepers_leaving(void) { return count[LEAVING] > 0; }

/* Waits until one more run can have a keeper and a slot; those that leave do so by themselves. */
void keepers_make_room(void) {
  while (count[USED] + count[LEAVING] >= RUNS_MAX) {
    struct keeper *keeper = find(LEAVING);
    if (waitpid(keeper->pid, NULL, 0) == keeper->pid) become_free(keeper);
  }
}

/* Gives back the stacks of those that are not there. */
void keepers_release(void) {
  for (uint32_t i = 0; i < KEEPERS_MAX; i++) {
    if (keepers[i].state == FREE) release_pages(&stacks[i], sizeof stacks[i]);
  }
}
