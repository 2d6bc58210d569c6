#ifdef __x86_64__
#include "caller.h"

#include <errno.h>
#include <linux/ptrace.h>
#include <stddef.h>
#include <sys/user.h>

/*
 * A call keeps all registers but rax, rcx and r11, and compilers count on it. So what setpgid needs
 * in rdi and rsi is taken back when it is done.
 */
enum {
  RESTARTS = -512, /* what a call is told that was interrupted, and is then made again */
  SYSCALL_BYTES = 2,
  UNDER_WAY = 64,
};

/* By the thread's number: one that finds another in its place keeps setpgid's. */
static struct arguments {
  pid_t thread;
  long rdi, rsi;
} arguments[UNDER_WAY];

static struct arguments *arguments_of(pid_t thread) {
  return &arguments[(unsigned)thread % UNDER_WAY];
}

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
  *arguments_of(thread) = (struct arguments){
      .thread = thread,
      .rdi = read_register(secret, thread, REGISTER(rdi)),
      .rsi = read_register(secret, thread, REGISTER(rsi)),
  };
  write_register(secret, thread, REGISTER(orig_rax), SYS_setpgid);
  write_register(secret, thread, REGISTER(rdi), 0);
  write_register(secret, thread, REGISTER(rsi), 0);
  return true;
}

static void take_back_arguments(uint64_t secret, pid_t thread) {
  const struct arguments *kept = arguments_of(thread);
  if (kept->thread != thread) return;
  write_register(secret, thread, REGISTER(rdi), kept->rdi);
  write_register(secret, thread, REGISTER(rsi), kept->rsi);
}

/* A signal handler in between is seen here first: its thread is let go, and gets setpgid's 0. */
bool caller_conclude(uint64_t secret, pid_t thread) {
  long result = read_register(secret, thread, REGISTER(rax));
  bool is_ours = read_register(secret, thread, REGISTER(orig_rax)) == SYS_setpgid;
  if (is_ours && result == -ENOSYS) return true;
  if (is_ours) take_back_arguments(secret, thread);
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
