#ifdef __aarch64__
#include "caller.h"

#include <elf.h>
#include <linux/ptrace.h>
#include <stddef.h>
#include <sys/uio.h>
#include <sys/user.h>

/*
 * A call keeps all registers but x0 here, and compilers count on it. So the number in x8 stays
 * setsid's, the kernel is told another one at each entry (NT_ARM_SYSTEM_CALL), and what setpgid
 * needs in x1 is put back. The kernel has the interrupted call made again before it stops for us:
 * then pc is at its instruction. A signal handler in between makes calls of its own: its thread is
 * let go, and comes here anew when the handler returns to the setsid.
 */
enum {
  SYSCALL_BYTES = 4,
  NUMBER = 8, /* the register of a call's number */
  UNDER_WAY = 64,
};
static const uint32_t SVC = 0xd4000001u;

/* By the thread's number: one that finds another in its place is let go as it is. */
static struct way {
  pid_t thread;
  enum { TO_GROUP, IN_GROUP, TO_PID, IN_PID } step;
  unsigned long long x1;
} ways[UNDER_WAY];

static struct way *way_of(pid_t thread) { return &ways[(unsigned)thread % UNDER_WAY]; }

static bool get(uint64_t secret, pid_t thread, struct user_regs_struct *registers) {
  struct iovec all = {registers, sizeof *registers};
  return caller_trace(secret, PTRACE_GETREGSET, thread, NT_PRSTATUS, raw_pointer(&all)) == 0;
}

static void set(uint64_t secret, pid_t thread, struct user_regs_struct *registers) {
  struct iovec all = {registers, sizeof *registers};
  caller_trace(secret, PTRACE_SETREGSET, thread, NT_PRSTATUS, raw_pointer(&all));
}

/* What call the kernel makes, whatever x8 says. */
static void set_call(uint64_t secret, pid_t thread, int number) {
  struct iovec all = {&number, sizeof number};
  caller_trace(secret, PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, raw_pointer(&all));
}

static bool is_at_entry(uint64_t secret, pid_t thread) {
  struct ptrace_syscall_info info = {0};
  caller_trace(secret, PTRACE_GET_SYSCALL_INFO, thread, sizeof info, raw_pointer(&info));
  return info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

static bool is_at_call(uint64_t secret, pid_t thread, unsigned long long pc) {
  uint64_t two = 0; /* aligned, so that it is in the instruction's page */
  caller_trace(secret, PTRACE_PEEKTEXT, thread, (long)(pc & ~7ull), raw_pointer(&two));
  return (uint32_t)(pc & 4 ? two >> 32 : two) == SVC;
}

bool caller_redirect(uint64_t secret, pid_t thread) {
  struct user_regs_struct registers;
  if (!get(secret, thread, &registers) || registers.regs[NUMBER] != SYS_setsid) return false;
  if (!is_at_call(secret, thread, registers.pc)) return false;
  *way_of(thread) = (struct way){.thread = thread, .step = TO_GROUP};
  return true;
}

/* At its setsid's entry: another call is made there. */
static bool enter(uint64_t secret, struct way *way, struct user_regs_struct *registers) {
  if (registers->regs[NUMBER] != SYS_setsid) return false;
  if (way->step == TO_PID) {
    way->step = IN_PID;
    set_call(secret, way->thread, SYS_getpid);
    return true;
  }
  if (way->step != TO_GROUP) return false;
  way->step = IN_GROUP;
  way->x1 = registers->regs[1];
  registers->regs[0] = registers->regs[1] = 0;
  set(secret, way->thread, registers);
  set_call(secret, way->thread, SYS_setpgid);
  return true;
}

bool caller_conclude(uint64_t secret, pid_t thread) {
  struct way *way = way_of(thread);
  struct user_regs_struct registers;
  if (way->thread != thread || !get(secret, thread, &registers)) return false;
  if (is_at_entry(secret, thread)) return enter(secret, way, &registers);
  if (way->step != IN_GROUP) return false;
  bool is_grouped = registers.regs[0] == 0;
  registers.regs[1] = way->x1;
  if (is_grouped) registers.pc -= SYSCALL_BYTES;
  set(secret, thread, &registers);
  way->step = TO_PID;
  return is_grouped;
}

#else
typedef int nothing_here; /* ISO C wants a declaration */
#endif
