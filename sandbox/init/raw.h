/*
 * System calls without libc. A run's keeper and, until it executes, its program share memory with
 * init: by libc they would write init's errno and take init's locks. A negative result is -errno.
 */
#ifndef KHACHAPURI_RAW_H
#define KHACHAPURI_RAW_H

#ifndef __x86_64__
#error "only x86-64 is supported: the seccomp filter knows its system calls alone"
#endif

#include <linux/sched.h>
#include <stdint.h>

/*
 * One of the calls that the filter lets only init and keepers make: it wants their secret as the
 * sixth argument, in r9, which none of those calls uses.
 */
static inline long raw_own(uint64_t secret, long number, long a, long b, long c, long d, long e) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register uint64_t r9 __asm__("r9") = secret;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static inline long raw(long number, long a, long b, long c, long d, long e) {
  return raw_own(0, number, a, b, c, d, e);
}

static inline long raw_pointer(const void *pointer) { return (long)pointer; }

/* clone3 whose child calls `entry(argument)` on the stack in `args`; `entry` never returns. */
long raw_clone(struct clone_args *args, void (*entry)(void *), void *argument, uint64_t secret);

#endif
