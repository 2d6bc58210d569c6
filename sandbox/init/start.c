/*
 * One run. Its keeper is pid 1 of fresh pid, mount and ipc namespaces: it mounts the run's own
 * /tmp, /dev/shm and /proc, starts the program as its child and gives up every capability. When the
 * program ends the keeper ends, and with pid 1 the kernel kills whatever else the run started.
 *
 * The keeper, and the program until it executes, run in init's memory (as after vfork): copying it
 * for each run would cost a fifth of the run. So they call the kernel directly, on stacks of their
 * own, and only the program is in the run's cgroup: its out-of-memory kill must not meet init.
 */
#include "init.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Where a keeper has what it keeps. */
enum { KEPT_OVER = 3, KEPT_CGROUP = 4 };

struct reader {
  const uint8_t *at;
  size_t left;
};

static bool take(struct reader *reader, void *out, size_t size) {
  if (reader->left < size) return false;
  memcpy(out, reader->at, size);
  reader->at += size;
  reader->left -= size;
  return true;
}

static bool take_filter(struct reader *reader, struct filter *filter) {
  if (filter->instructions == 0 || filter->instructions > FILTER_INSTRUCTIONS_MAX) return false;
  return take(reader, filter->code, filter->instructions * sizeof *filter->code);
}

/* SETUP: version, sizes, rlimits, the filters; nothing may be left over. */
bool settings_parse(struct settings *out, const uint8_t *bytes, size_t length) {
  struct reader reader = {bytes, length};
  uint32_t version = 0;
  bool fixed = take(&reader, &version, 4) && take(&reader, &out->timeout_ms, 4) &&
               take(&reader, &out->tmp_bytes, 4) && take(&reader, &out->shm_bytes, 4) &&
               take(&reader, &out->stdout_bytes_max, 8) &&
               take(&reader, &out->memory_bytes, 8) &&
               take(&reader, &out->stderr_bytes_max, 4) && take(&reader, &out->limits, 4) &&
               take(&reader, &out->sandbox_filter.instructions, 4) &&
               take(&reader, &out->run_filter.instructions, 4);
  if (!fixed || version != PROTOCOL_VERSION) return false;
  if (out->timeout_ms == 0 || out->limits > RLIMITS_MAX) return false;
  snprintf(out->tmp_options, sizeof out->tmp_options, "mode=1777,size=%u,nr_inodes=16384",
           out->tmp_bytes);
  snprintf(out->shm_options, sizeof out->shm_options, "mode=1777,size=%u,nr_inodes=4096",
           out->shm_bytes);
  return take(&reader, out->limit, out->limits * sizeof(struct limit)) &&
         take_filter(&reader, &out->sandbox_filter) && take_filter(&reader, &out->run_filter) &&
         reader.left == 0;
}

/* Points `to` at `count` NUL-terminated strings of the payload. */
static bool take_strings(struct reader *reader, char **to, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *end = memchr(reader->at, 0, reader->left);
    if (!end) return false;
    to[i] = (char *)(uintptr_t)reader->at;
    reader->left -= (size_t)(end + 1 - reader->at);
    reader->at = end + 1;
  }
  to[count] = NULL;
  return true;
}

/* START: argc, envc, flags, then the strings. NULL: malformed; else to be freed after the run. */
struct command *command_parse(const uint8_t *bytes, size_t length) {
  struct reader reader = {bytes, length};
  uint32_t argc = 0, envc = 0, flags = 0;
  if (!take(&reader, &argc, 4) || !take(&reader, &envc, 4)) return NULL;
  if (!take(&reader, &flags, 4) || flags > START_HAS_STDIN) return NULL;
  if (argc == 0 || argc > STRINGS_MAX || envc > STRINGS_MAX) return NULL;
  size_t pointers = (argc + envc + 2) * sizeof(char *);
  struct command *command = malloc(sizeof *command + pointers + reader.left);
  if (!command) fatal("memory");
  char **strings = (char **)(command + 1);
  uint8_t *copy = (uint8_t *)strings + pointers;
  memcpy(copy, reader.at, reader.left);
  reader.at = copy;
  *command = (struct command){flags != 0, strings, strings + argc + 1};
  if (take_strings(&reader, command->argv, argc) && take_strings(&reader, command->envp, envc) &&
      reader.left == 0) {
    return command;
  }
  free(command);
  return NULL;
}

__asm__(".text\n.global raw_clone\n.type raw_clone, @function\n"
        "raw_clone:\n"
        "  mov %rsi, %r8\n" /* entry and argument live in registers that the kernel keeps */
        "  mov %rdx, %r9\n"
        "  mov $88, %esi\n"
        "  mov $435, %eax\n"
        "  syscall\n"
        "  test %rax, %rax\n"
        "  jnz 1f\n"
        "  xor %ebp, %ebp\n"
        "  mov %r9, %rdi\n"
        "  call *%r8\n"
        "  ud2\n"
        "1: ret\n");

_Static_assert(SYS_clone3 == 435 && sizeof(struct clone_args) == 88, "raw_clone's constants");

/* What one run's keeper and program work from; in use until the keeper is reaped. */
struct job {
  pid_t keeper; /* 0: free */
  const struct settings *settings;
  const struct command *command;
  struct stage stage;
  struct outcome *outcome;
  uint8_t keeper_stack[8192] __attribute__((aligned(16)));
  uint8_t program_stack[8192] __attribute__((aligned(16)));
};

/* A keeper takes a while to go after its run is over, and the next run need not wait for that. */
static struct job jobs[2 * RUNS_MAX];
static uint32_t jobs_used;

void release_jobs(void) {
  if (jobs_used == 0) release_pages(jobs, sizeof jobs);
}

/* Whether there is a job for every run that may come before the keepers that linger are gone. */
bool keeper_may_linger(void) { return jobs_used <= RUNS_MAX; }

void keeper_reaped(pid_t pid) {
  for (uint32_t i = 0; i < 2 * RUNS_MAX; i++) {
    if (jobs[i].keeper != pid) continue;
    jobs[i].keeper = 0;
    jobs_used--;
    return;
  }
}

static _Noreturn void leave(int code) {
  for (;;) raw(SYS_exit_group, code, 0, 0, 0, 0);
}

/* Ends this process when `result` says that a step failed. */
static void must(struct job *job, enum start_step step, long result) {
  if (result >= 0) return;
  job->outcome->start_errno = (int32_t)-result;
  job->outcome->start_step = (int32_t)step;
  leave(127);
}

static void mount_over(struct job *job, const char *kind, const char *path, unsigned long flags,
                       const char *options) {
  must(job, STEP_MOUNT,
       raw(SYS_mount, raw_pointer(kind), raw_pointer(path), raw_pointer(kind),
           (long)(flags | MS_NOSUID | MS_NODEV), raw_pointer(options)));
}

static void drop_capabilities(struct job *job) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  must(job, STEP_DROP, raw(SYS_capset, raw_pointer(&header), raw_pointer(none), 0, 0, 0));
}

/* The kernel's own struct sigaction, all of it default. */
static const struct {
  void *handler;
  unsigned long flags;
  void *restorer;
  unsigned long mask;
} DEFAULT_ACTION;

/* For the caller and all that it starts, beside what they have. */
long install_filter(const struct filter *filter) {
  const struct sock_fprog program = {
      .len = (unsigned short)filter->instructions,
      .filter = (struct sock_filter *)(uintptr_t)filter->code,
  };
  return raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, raw_pointer(&program), 0, 0);
}

static void become_program(void *argument) {
  struct job *job = argument;
  const struct settings *settings = job->settings;
  static const unsigned long no_signals;
  must(job, STEP_NAMESPACE, raw(SYS_unshare, CLONE_NEWCGROUP, 0, 0, 0, 0));
  drop_capabilities(job);
  /*
   * A signal to its own process group meets nobody else then. No session of its own: the kernel
   * would give that a scheduling group with as much weight as all of the provider.
   */
  must(job, STEP_DROP, raw(SYS_setpgid, 0, 0, 0, 0, 0));
  raw(SYS_rt_sigaction, SIGPIPE, raw_pointer(&DEFAULT_ACTION), 0, 8, 0);
  raw(SYS_rt_sigprocmask, SIG_SETMASK, raw_pointer(&no_signals), 0, 8, 0);
  for (uint32_t i = 0; i < settings->limits; i++) {
    const struct limit *limit = &settings->limit[i];
    const uint64_t both[2] = {limit->value, limit->value};
    must(job, STEP_DROP, raw(SYS_prlimit64, 0, (long)limit->resource, raw_pointer(both), 0, 0));
  }
  must(job, STEP_FILTER, install_filter(&settings->run_filter));
  char *const *argv = job->command->argv;
  must(job, STEP_EXEC,
       raw(SYS_execve, raw_pointer(argv[0]), raw_pointer(argv),
           raw_pointer(job->command->envp), 0, 0));
}

static long start_program(struct job *job) {
  struct clone_args args = {
      .flags = CLONE_VM,
      .exit_signal = SIGCHLD,
      .stack = (uint64_t)(uintptr_t)job->program_stack,
      .stack_size = sizeof job->program_stack,
  };
  if (job->stage.cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = KEPT_CGROUP;
  }
  return raw_clone(&args, become_program, job);
}

/* The descriptors that a keeper has beside its run's stdio; the program gets neither. */
static void keep_descriptors(struct job *job) {
  const struct stage *stage = &job->stage;
  const int stdio[] = {stage->stdio.in, stage->stdio.out, stage->stdio.err};
  for (int fd = 0; fd < 3; fd++) {
    must(job, STEP_NAMESPACE, raw(SYS_dup2, stdio[fd], fd, 0, 0, 0));
  }
  must(job, STEP_NAMESPACE, raw(SYS_dup3, stage->over, KEPT_OVER, O_CLOEXEC, 0, 0));
  if (stage->cgroup >= 0) {
    must(job, STEP_NAMESPACE, raw(SYS_dup3, stage->cgroup, KEPT_CGROUP, O_CLOEXEC, 0, 0));
  }
  int kept = stage->cgroup >= 0 ? KEPT_CGROUP : KEPT_OVER;
  must(job, STEP_NAMESPACE, raw(SYS_close_range, kept + 1, ~0u, 0, 0, 0));
}

/*
 * Kills what the program has left behind. All of it is a descendant of ours in our own pid
 * namespace, so when there is no child there is nothing else either.
 */
static void end_leftovers(void) {
  long left = raw(SYS_wait4, -1, 0, WNOHANG | __WALL, 0, 0);
  if (left == -ECHILD) return;
  raw(SYS_kill, -1, SIGKILL, 0, 0, 0);
  do left = raw(SYS_wait4, -1, 0, __WALL, 0, 0);
  while (left != -ECHILD);
}

/* Tells init that the run is over. Our own end, with the namespaces, takes longer than the rest. */
static void tell_over(struct outcome *outcome) {
  static const uint64_t one = 1;
  struct rusage used = {0};
  raw(SYS_getrusage, RUSAGE_CHILDREN, raw_pointer(&used), 0, 0, 0);
  outcome->cpu_us = cpu_us(&used);
  outcome->peak_bytes = (uint64_t)used.ru_maxrss * 1024u;
  outcome->over = 1;
  raw(SYS_write, KEPT_OVER, raw_pointer(&one), sizeof one, 0, 0);
}

static void keep_run(void *argument) {
  struct job *job = argument;
  keep_descriptors(job);
  mount_over(job, "tmpfs", "/tmp", 0, job->settings->tmp_options);
  mount_over(job, "tmpfs", "/dev/shm", MS_NOEXEC, job->settings->shm_options);
  mount_over(job, "proc", "/proc", MS_NOEXEC | MS_RDONLY, NULL);
  must(job, STEP_MOUNT, raw(SYS_chdir, raw_pointer("/app"), 0, 0, 0, 0));
  long program = start_program(job);
  must(job, STEP_NAMESPACE, program);
  drop_capabilities(job);
  /* Our copies would keep the pipes open after the program closed its own. */
  raw(SYS_close_range, 0, KEPT_OVER - 1, 0, 0, 0);
  raw(SYS_close_range, KEPT_OVER + 1, ~0u, 0, 0, 0);
  int status;
  while (raw(SYS_wait4, -1, raw_pointer(&status), 0, 0, 0) != program) continue;
  job->outcome->status = status;
  job->outcome->known = 1;
  end_leftovers();
  tell_over(job->outcome);
  leave(0);
}

static struct job *free_job(void) {
  struct job *job = jobs;
  while (job->keeper != 0) job++;
  return job;
}

/*
 * Starts a run, its program in the stage's cgroup from its first instruction where there is one.
 * Returns the keeper's pid; -1 with errno when the kernel refuses.
 */
pid_t start_run(const struct settings *settings, const struct command *command,
                struct stage stage, struct outcome *outcome) {
  struct job *job = free_job();
  *outcome = (struct outcome){0};
  job->settings = settings;
  job->command = command;
  job->stage = stage;
  job->outcome = outcome;
  struct clone_args args = {
      .flags = CLONE_VM | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC,
      .exit_signal = SIGCHLD,
      .stack = (uint64_t)(uintptr_t)job->keeper_stack,
      .stack_size = sizeof job->keeper_stack,
  };
  long pid = raw_clone(&args, keep_run, job);
  if (pid < 0) {
    errno = (int)-pid;
    return -1;
  }
  job->keeper = (pid_t)pid;
  jobs_used++;
  return job->keeper;
}
