#include "sessions.h"
#include "caller.h"

#include <errno.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SYSCALL_STOP = SIGTRAP | 0x80 }; /* by PTRACE_O_TRACESYSGOOD */

static long trace(const struct sessions *sessions, long request, pid_t thread, long at, long data) {
  return caller_trace(sessions->secret, request, thread, at, data);
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
  } else if (trace(sessions, PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD) < 0) {
    answer(sessions, call.id, -EPERM, 0);
  } else {
    sessions->asked++;
    trace(sessions, PTRACE_INTERRUPT, thread, 0, 0);
  }
}

static void let_go(struct sessions *sessions, pid_t thread) {
  if (sessions->asked > 0) sessions->asked--;
  trace(sessions, PTRACE_DETACH, thread, 0, 0);
}

/* Lets it go, or has it stop around its next call. */
static void release(struct sessions *sessions, pid_t thread, bool goes_on) {
  if (goes_on) trace(sessions, PTRACE_SYSCALL, thread, 0, 0);
  else let_go(sessions, thread);
}

void sessions_stopped(struct sessions *sessions, pid_t thread, int status) {
  int signal = status >> 8 & 0xff;
  if (status >> 16 == PTRACE_EVENT_STOP) {
    release(sessions, thread, caller_redirect(sessions->secret, thread));
  } else if (signal == SYSCALL_STOP) {
    release(sessions, thread, caller_conclude(sessions->secret, thread));
  } else {
    trace(sessions, PTRACE_SYSCALL, thread, 0, signal);
  }
}
