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

enum {
  RESTARTS = -512, /* what a call is told that was interrupted, and is then made again */
  SYSCALL_BYTES = 2,
  SYSCALL_STOP = SIGTRAP | 0x80, /* by PTRACE_O_TRACESYSGOOD */
};

#define REGISTER(name) offsetof(struct user_regs_struct, name)

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
  } else if (trace(sessions, PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD) < 0) {
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

static void write_register(const struct sessions *sessions, pid_t thread, size_t at, long value) {
  trace(sessions, PTRACE_POKEUSR, thread, (long)at, value);
}

static void let_go(struct sessions *sessions, pid_t thread) {
  if (sessions->asked > 0) sessions->asked--;
  trace(sessions, PTRACE_DETACH, thread, 0, 0);
}

/* Has the interrupted setsid made again as setpgid(0, 0), and the thread stop around it. */
static void redirect(struct sessions *sessions, pid_t thread) {
  if (read_register(sessions, thread, REGISTER(orig_rax)) != SYS_setsid ||
      read_register(sessions, thread, REGISTER(rax)) != RESTARTS) {
    let_go(sessions, thread);
    return;
  }
  write_register(sessions, thread, REGISTER(orig_rax), SYS_setpgid);
  write_register(sessions, thread, REGISTER(rdi), 0);
  write_register(sessions, thread, REGISTER(rsi), 0);
  trace(sessions, PTRACE_SYSCALL, thread, 0, 0);
}

/*
 * The thread is about to make setpgid, or has made it. setpgid returns 0 and setsid the caller's
 * pid, which programs take for success: the same instruction then makes getpid. A signal handler
 * in between is seen here first: its thread is let go, and gets the 0.
 */
static void conclude(struct sessions *sessions, pid_t thread) {
  long result = read_register(sessions, thread, REGISTER(rax));
  bool is_ours = read_register(sessions, thread, REGISTER(orig_rax)) == SYS_setpgid;
  if (is_ours && result == -ENOSYS) {
    trace(sessions, PTRACE_SYSCALL, thread, 0, 0);
    return;
  }
  if (is_ours && result == 0) {
    long next = read_register(sessions, thread, REGISTER(rip));
    write_register(sessions, thread, REGISTER(rip), next - SYSCALL_BYTES);
    write_register(sessions, thread, REGISTER(rax), SYS_getpid);
  }
  let_go(sessions, thread);
}

void sessions_stopped(struct sessions *sessions, pid_t thread, int status) {
  int signal = status >> 8 & 0xff;
  if (status >> 16 == PTRACE_EVENT_STOP) {
    redirect(sessions, thread);
  } else if (signal == SYSCALL_STOP) {
    conclude(sessions, thread);
  } else {
    trace(sessions, PTRACE_SYSCALL, thread, 0, signal);
  }
}
