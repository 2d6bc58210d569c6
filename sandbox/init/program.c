#include "program.h"
#include "raw.h"

#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

_Noreturn void exit_process(int code) {
  for (;;) raw(SYS_exit_group, code, 0, 0, 0, 0);
}

bool step_failed(struct outcome *outcome, enum start_step step, long result) {
  if (result >= 0) return false;
  outcome->start_errno = (int32_t)-result;
  outcome->start_step = (int32_t)step;
  return true;
}

/* In the program's process: ends it when a step has failed. */
static void program_must(struct start *start, enum start_step step, long result) {
  if (step_failed(start->outcome, step, result)) exit_process(127);
}

static long unshare_own(const struct settings *settings, long flags) {
  return raw_own(settings->secret, SYS_unshare, flags, 0, 0, 0, 0);
}

long drop_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  return raw(SYS_capset, raw_pointer(&header), raw_pointer(none), 0, 0, 0);
}

/* The program was started with copies of init's descriptors: keeps its own of them. */
static void drop_descriptors(struct start *start) {
  *start->begun = 1;
  for (int fd = 0; fd < 3; fd++) {
    program_must(start, STEP_NAMESPACES, raw(SYS_dup3, start->task->stdio[fd], fd, 0, 0, 0));
  }
  int listener = start->task->listener;
  if (listener >= 0) program_must(start, STEP_NAMESPACES, raw(SYS_dup3, listener, 3, 0, 0, 0));
  program_must(start, STEP_NAMESPACES,
               raw(SYS_close_range, listener >= 0 ? 4 : 3, ~0u, 0, 0, 0));
}

/*
 * Goes to the folder that the entrypoint lies in, "./a/b", and makes of its path what it is there,
 * "./b": where the b began with its slash there is room for the dot.
 */
static void enter_folder(struct start *start, char **entrypoint) {
  char *slash = *entrypoint;
  for (char *at = slash; *at; at++) {
    if (*at == '/') slash = at;
  }
  if (slash == *entrypoint) return;
  *slash = 0;
  program_must(start, STEP_EXEC, raw(SYS_chdir, raw_pointer(*entrypoint), 0, 0, 0, 0));
  *slash = '/';
  slash[-1] = '.';
  *entrypoint = slash - 1;
}

void become_program(void *argument) {
  struct start *start = argument;
  const struct settings *settings = start->settings;
  static const unsigned long no_signals;
  drop_descriptors(start);
  /* In a cgroup namespace of its own the program sees no cgroup but its own. */
  if (start->task->slot) {
    program_must(start, STEP_NAMESPACES, unshare_own(settings, CLONE_NEWCGROUP));
  }
  program_must(start, STEP_CAPABILITIES, drop_capabilities());
  /*
   * A process group of its own, so that a signal to the group reaches no other run. No session of
   * its own: the kernel would schedule it as a group with as much weight as all of the provider.
   */
  program_must(start, STEP_CAPABILITIES, raw(SYS_setpgid, 0, 0, 0, 0, 0));
  raw(SYS_rt_sigprocmask, SIG_SETMASK, raw_pointer(&no_signals), 0, 8, 0);
  for (uint32_t i = 0; i < settings->limits; i++) {
    const struct limit *limit = &settings->limit[i];
    const uint64_t both[2] = {limit->value, limit->value};
    program_must(start, STEP_CAPABILITIES,
                 raw(SYS_prlimit64, 0, (long)limit->resource, raw_pointer(both), 0, 0));
  }
  const struct command *command = start->task->command;
  if (command->in_its_folder) enter_folder(start, command->argv);
  program_must(start, STEP_EXEC,
               raw(SYS_execve, raw_pointer(command->argv[0]), raw_pointer(command->argv),
                   raw_pointer(command->envp), 0, 0));
}
