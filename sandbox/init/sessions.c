#include "sessions.h"
#include "raw.h"

#include <errno.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

/* As a call is told that a signal has interrupted, which is then made again. */
enum { RESTARTS = -512 };

static long trace(const struct sessions *sessions, long request, pid_t thread, long at, long data) {
  return raw_own(sessions->secret, SYS_ptrace, request, thread, at, data, 0);
}

static void answer(const struct sessions *sessions, uint64_t id, int error, uint32_t flags) {
  struct seccomp_notif_resp response = {.id = id, .error = error, .flags = flags};
  syscall(SYS_ioctl, sessions->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

void sessions_take(struct sessions *sessions) {
  struct seccomp_notif call = {0};
  if (syscall(SYS_ioctl, sessions->listener, SECCOMP_IOCTL_NOTIF_RECV, &call)) return;
  pid_t thread = (pid_t)call.pid;
  if (sessions->shared_out) {
    answer(sessions, call.id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  } else if (trace(sessions, PTRACE_SEIZE, thread, 0, 0) < 0) {
    answer(sessions, call.id, -EPERM, 0);
  } else {
    sessions->asked++;
    trace(sessions, PTRACE_INTERRUPT, thread, 0, 0);
  }
}

static long read_register(const struct sessions *sessions, pid_t thread, size_t at) {
  long value = 0;
  trace(sessions, PTRACE_PEEKUSR, thread, (long)at, raw_pointer(&value));
  return value;
}

void sessions_stopped(struct sessions *sessions, pid_t thread, int status) {
  int signal = status >> 8 & 0xff;
  if (status >> 16 != PTRACE_EVENT_STOP) {
    trace(sessions, PTRACE_CONT, thread, 0, signal);
    return;
  }
  const size_t number = offsetof(struct user_regs_struct, orig_rax);
  bool interrupted =
      read_register(sessions, thread, number) == SYS_setsid &&
      read_register(sessions, thread, offsetof(struct user_regs_struct, rax)) == RESTARTS;
  if (interrupted) {
    trace(sessions, PTRACE_POKEUSR, thread, (long)number, SYS_setpgid);
    trace(sessions, PTRACE_POKEUSR, thread, offsetof(struct user_regs_struct, rdi), 0);
    trace(sessions, PTRACE_POKEUSR, thread, offsetof(struct user_regs_struct, rsi), 0);
  }
  if (sessions->asked > 0) sessions->asked--;
  trace(sessions, PTRACE_DETACH, thread, 0, 0);
}
