#include "raw.h"

#include <sys/syscall.h>

/* Entry and argument live in registers that the kernel keeps for the child. */
#if defined __x86_64__
__asm__(".text\n.global raw_clone\n.type raw_clone, @function\n"
        "raw_clone:\n"
        "  mov %rsi, %r8\n"
        "  mov %rdx, %r10\n"
        "  mov %rcx, %r9\n"
        "  mov $88, %esi\n"
        "  mov $435, %eax\n"
        "  syscall\n"
        "  test %rax, %rax\n"
        "  jnz 1f\n"
        "  xor %ebp, %ebp\n"
        "  mov %r10, %rdi\n"
        "  call *%r8\n"
        "  ud2\n"
        "1: ret\n");
#else
__asm__(".text\n.global raw_clone\n.type raw_clone, %function\n"
        "raw_clone:\n"
        "  mov x9, x1\n"
        "  mov x10, x2\n"
        "  mov x5, x3\n"
        "  mov x1, #88\n"
        "  mov x8, #435\n"
        "  svc #0\n"
        "  cbnz x0, 1f\n"
        "  mov x29, xzr\n"
        "  mov x30, xzr\n"
        "  mov x0, x10\n"
        "  blr x9\n"
        "  brk #1\n"
        "1: ret\n");
#endif

_Static_assert(SYS_clone3 == 435 && sizeof(struct clone_args) == 88, "raw_clone's constants");
