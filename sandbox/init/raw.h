/*
 * System calls without libc. A run's keeper and, until it executes, its program share memory with
 * init: by libc they would write init's errno and take init's locks. A negative result is -errno.
 */
#ifndef KHACHAPURI_RAW_H
#define KHACHAPURI_RAW_H

#include <linux/audit.h>
#include <linux/sched.h>
#include <stdint.h>

/*
 * raw_own: one of the calls that the filter lets only init and keepers make. It wants their secret
 * as the sixth argument, which none of those calls uses.
 */
#if defined __x86_64__
#define OWN_ARCH AUDIT_ARCH_X86_64

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

#elif defined __AARCH64EL__
#define OWN_ARCH AUDIT_ARCH_AARCH64

static inline long raw_own(uint64_t secret, long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register uint64_t x5 __asm__("x5") = secret;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}

#else
#error "only x86-64 and arm64 are supported: the seccomp filters know their system calls alone"
#endif

static inline long raw(long number, long a, long b, long c, long d, long e) {
  return raw_own(0, number, a, b, c, d, e);
}

static inline long raw_pointer(const void *pointer) { return (long)pointer; }

/* clone3 whose child calls `entry(argument)` on the stack in `args`; `entry` never returns. */
long raw_clone(struct clone_args *args, void (*entry)(void *), void *argument, uint64_t secret);

#endif
