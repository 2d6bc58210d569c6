/*
 * Makes sessions on arm64, each in a child, half of which keep debuggers out: setsid must tell the
 * child's pid and keep every register but x0, on which compilers count across a call.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first register that has changed; 0: none. */
static int call_setsid(long *result) {
  register long x0 __asm__("x0") = 100;
  register long x1 __asm__("x1") = 101;
  register long x2 __asm__("x2") = 102;
  register long x3 __asm__("x3") = 103;
  register long x7 __asm__("x7") = 107;
  register long x8 __asm__("x8") = SYS_setsid;
  register long x9 __asm__("x9") = 109;
  __asm__ volatile("svc #0"
                   : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x7), "+r"(x8), "+r"(x9)
                   :
                   : "memory");
  const long now[] = {x1, x2, x3, x7, x8, x9};
  static const long before[] = {101, 102, 103, 107, SYS_setsid, 109};
  static const int names[] = {1, 2, 3, 7, 8, 9};
  *result = x0;
  for (unsigned i = 0; i < sizeof now / sizeof now[0]; i++) {
    if (now[i] != before[i]) return names[i];
  }
  return 0;
}

int main(void) {
  for (int i = 0; i < 20; i++) {
    if (fork() == 0) {
      long result;
      prctl(PR_SET_DUMPABLE, i % 2);
      int changed = call_setsid(&result);
      if (changed) dprintf(1, "child lost x%d\n", changed);
      else if (result != getpid() || getpgrp() != getpid()) dprintf(1, "child got %ld\n", result);
      else dprintf(1, "child kept\n");
      _exit(0);
    }
    wait(NULL);
  }
  dprintf(1, "done\n");
  return 0;
}
