/*
 * One run: R1 is pid 1 of fresh pid, mount and ipc namespaces; it mounts the run's own /tmp,
 * /dev/shm and /proc, gives up every capability and starts the program as its child. When the
 * program ends R1 ends, and with pid 1 the kernel kills whatever else the run started.
 */
#include "init.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* SETUP: version, sizes, rlimits, the filter; nothing may be left over. */
bool settings_parse(struct settings *out, const uint8_t *bytes, size_t length) {
  struct reader reader = {bytes, length};
  uint32_t version = 0;
  bool fixed = take(&reader, &version, 4) && take(&reader, &out->timeout_ms, 4) &&
               take(&reader, &out->tmp_bytes, 4) && take(&reader, &out->shm_bytes, 4) &&
               take(&reader, &out->stdout_bytes_max, 8) &&
               take(&reader, &out->memory_bytes, 8) &&
               take(&reader, &out->stderr_bytes_max, 4) && take(&reader, &out->limits, 4) &&
               take(&reader, &out->instructions, 4);
  if (!fixed || version != PROTOCOL_VERSION) return false;
  if (out->timeout_ms == 0 || out->limits > RLIMITS_MAX) return false;
  if (out->instructions == 0 || out->instructions > FILTER_INSTRUCTIONS_MAX) return false;
  return take(&reader, out->limit, out->limits * sizeof(struct limit)) &&
         take(&reader, out->filter, out->instructions * sizeof(struct sock_filter)) &&
         reader.left == 0;
}

/* Points `to` at `count` NUL-terminated strings in the payload. */
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

/* START: argc, envc, flags, then the strings. The result points into `bytes`. */
bool command_parse(struct command *out, uint8_t *bytes, size_t length) {
  struct reader reader = {bytes, length};
  uint32_t argc = 0, envc = 0, flags = 0;
  if (!take(&reader, &argc, 4) || !take(&reader, &envc, 4)) return false;
  if (!take(&reader, &flags, 4) || flags > START_HAS_STDIN) return false;
  out->has_stdin = flags != 0;
  if (argc == 0 || argc > STRINGS_MAX || envc > STRINGS_MAX) return false;
  return take_strings(&reader, out->argv, argc) && take_strings(&reader, out->envp, envc) &&
         reader.left == 0;
}

static void give_up(struct outcome *outcome, enum start_step step) {
  outcome->start_errno = errno;
  outcome->start_step = (int32_t)step;
  _exit(127);
}

static void mount_private(const struct settings *settings, struct outcome *outcome) {
  char options[64];
  const unsigned long plain = MS_NOSUID | MS_NODEV;
  snprintf(options, sizeof options, "mode=1777,size=%u,nr_inodes=16384", settings->tmp_bytes);
  if (mount("tmpfs", "/tmp", "tmpfs", plain, options)) give_up(outcome, STEP_MOUNT);
  snprintf(options, sizeof options, "mode=1777,size=%u,nr_inodes=4096", settings->shm_bytes);
  if (mount("tmpfs", "/dev/shm", "tmpfs", plain | MS_NOEXEC, options)) {
    give_up(outcome, STEP_MOUNT);
  }
  if (mount("proc", "/proc", "proc", plain | MS_NOEXEC | MS_RDONLY, NULL)) {
    give_up(outcome, STEP_MOUNT);
  }
  if (chdir("/app")) give_up(outcome, STEP_MOUNT);
}

static bool drop_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  return syscall(SYS_capset, &header, none) == 0;
}

/* In the program's process, memory shared with R1 until exec: only async-signal-safe calls. */
static void become_program(const struct settings *settings, const struct command *command,
                           struct outcome *outcome) {
  sigset_t none;
  setsid();
  signal(SIGPIPE, SIG_DFL);
  for (uint32_t i = 0; i < settings->limits; i++) {
    const struct limit *limit = &settings->limit[i];
    struct rlimit both = {limit->value, limit->value};
    if (setrlimit((int)limit->resource, &both)) give_up(outcome, STEP_DROP);
  }
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  struct sock_fprog program = {
      .len = (unsigned short)settings->instructions,
      .filter = (struct sock_filter *)(uintptr_t)settings->filter,
  };
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) give_up(outcome, STEP_FILTER);
  execve(command->argv[0], command->argv, command->envp);
  give_up(outcome, STEP_EXEC);
}

/* R1: never returns. */
static void run_main(const struct settings *settings, const struct command *command,
                     struct stdio stdio, struct outcome *outcome) {
  if (dup2(stdio.in, 0) < 0 || dup2(stdio.out, 1) < 0 || dup2(stdio.err, 2) < 0 ||
      syscall(SYS_close_range, 3u, ~0u, 0u) || unshare(CLONE_NEWCGROUP)) {
    give_up(outcome, STEP_NAMESPACE);
  }
  mount_private(settings, outcome);
  if (!drop_capabilities()) give_up(outcome, STEP_DROP);
  pid_t program = vfork();
  if (program < 0) give_up(outcome, STEP_EXEC);
  if (program == 0) become_program(settings, command, outcome);
  /* Our copies would keep the pipes open after the program closed its own. */
  syscall(SYS_close_range, 0u, 2u, 0u);
  for (int status;;) {
    pid_t gone = waitpid(-1, &status, 0);
    if (gone != program) continue;
    outcome->status = status;
    outcome->known = 1;
    _exit(0);
  }
}

/*
 * Starts a run, in the cgroup `cgroup_fd` from its first instruction when that is not -1.
 * Returns R1's pid; -1 with errno when the kernel refuses.
 */
pid_t start_run(const struct settings *settings, const struct command *command,
                struct stdio stdio, int cgroup_fd, struct outcome *outcome) {
  memset((void *)(uintptr_t)outcome, 0, sizeof *outcome);
  struct clone_args args = {
      .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC,
      .exit_signal = SIGCHLD,
  };
  if (cgroup_fd >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (unsigned)cgroup_fd;
  }
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) run_main(settings, command, stdio, outcome);
  return pid;
}
