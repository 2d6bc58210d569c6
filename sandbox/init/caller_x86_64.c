#ifdef __x86_64__
#include "caller.h"

#include <errno.h>
#include <linux/ptrace.h>
#include <stddef.h>
#include <sys/user.h>

enum {
  RESTARTS = -512, /* what a call is told that was interrupted, and is then made again */
  SYSCALL_BYTES = 2,
};

#define REGISTER(name) offsetof(struct user_regs_struct, name)

static long read_register(uint64_t secret, pid_t thread, size_t at) {
  long value = 0;
  caller_trace(secret, PTRACE_PEEKUSR, thread, (long)at, raw_pointer(&value));
  return value;
}

static void write_register(uint64_t secret, pid_t thread, size_t at, long value) {
  caller_trace(secret, PTRACE_POKEUSR, thread, (long)at, value);
}

bool caller_redirect(uint64_t secret, pid_t thread) {
  if (read_register(secret, thread, REGISTER(orig_rax)) != SYS_setsid ||
      read_register(secret, thread, REGISTER(rax)) != RESTARTS) {
    return false;
  }
  write_register(secret, thread, REGISTER(orig_rax), SYS_setpgid);
  write_register(secret, thread, REGISTER(rdi), 0);
  write_register(secret, thread, REGISTER(rsi), 0);
  return true;
}

/* A signal handler in between is seen here first: its thread is let go, and gets setpgid's 0. */
bool caller_conclude(uint64_t secret, pid_t thread) {
  long result = read_register(secret, thread, REGISTER(rax));
  bool is_ours = read_register(secret, thread, REGISTER(orig_rax)) == SYS_setpgid;
  if (is_ours && result == -ENOSYS) return true;
  if (is_ours && result == 0) {
    long next = read_register(secret, thread, REGISTER(rip));
    write_register(secret, thread, REGISTER(rip), next - SYSCALL_BYTES);
    write_register(secret, thread, REGISTER(rax), SYS_getpid);
  }
  return false;
}

#else
typedef int nothing_here; /* ISO C wants a declaration */
#endif
