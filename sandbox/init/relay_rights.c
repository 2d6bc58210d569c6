#include "relay_rights.h"
#include "egress.h"
#include "raw.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  ADDRESS_SPACE_BYTES = 64 * 1024 * 1024,
  OTHER_FILES = EGRESS_DOORS_MAX + 64, /* listeners, lookups under way, its own */
  FILES_A_CONNECTION = 6,                /* two sockets, and two pipes with two ends each */
};

static void limit(int resource, rlim_t value) {
  const struct rlimit both = {value, value};
  if (setrlimit(resource, &both)) fatal("relay's limits");
}

uint32_t relay_take_limits(uint32_t wanted) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files)) fatal("relay's limits");
  rlim_t room = files.rlim_max > OTHER_FILES ? files.rlim_max - OTHER_FILES : 0;
  rlim_t possible = room / FILES_A_CONNECTION;
  uint32_t most = possible > wanted ? wanted : (uint32_t)possible;
  limit(RLIMIT_NOFILE, OTHER_FILES + (rlim_t)FILES_A_CONNECTION * most);
  limit(RLIMIT_AS, ADDRESS_SPACE_BYTES);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_MEMLOCK, 0);
  return most;
}

/* A call that is let through where `mask` of that argument has this value. */
struct call {
  int number;
  unsigned argument;
  uint32_t mask, value;
};

static const struct call CALLS[] = {
    {.number = SYS_splice},       {.number = SYS_epoll_pwait},
    {.number = SYS_epoll_ctl},    {.number = SYS_accept4},      {.number = SYS_connect},
    {.number = SYS_shutdown},     {.number = SYS_close},        {.number = SYS_pipe2},
    {.number = SYS_getsockname},  {.number = SYS_getpeername},  {.number = SYS_getsockopt},
    {.number = SYS_setsockopt},   {.number = SYS_bind},         {.number = SYS_recvfrom},
    {.number = SYS_recvmsg},      {.number = SYS_sendto},       {.number = SYS_sendmsg},
    {.number = SYS_ppoll},        {.number = SYS_read},         {.number = SYS_readv},
    {.number = SYS_write},        {.number = SYS_writev},       {.number = SYS_lseek},
    {.number = SYS_fstat},        {.number = SYS_fcntl},        {.number = SYS_epoll_create1},
    {.number = SYS_brk},          {.number = SYS_munmap},       {.number = SYS_madvise},
    {.number = SYS_futex},        {.number = SYS_rt_sigprocmask},
    {.number = SYS_rt_sigreturn}, {.number = SYS_clock_gettime}, {.number = SYS_gettid},
    {.number = SYS_set_robust_list},
    {.number = SYS_exit},         {.number = SYS_exit_group},
    {SYS_socket, 0, ~0u, AF_INET},
    {SYS_socket, 0, ~0u, AF_INET6},
    {SYS_openat, 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
    {SYS_mmap, 2, PROT_EXEC, 0},
    {SYS_mprotect, 2, PROT_EXEC, 0},
    /* Threads, and no namespaces. */
    {SYS_clone, 0, CLONE_THREAD | CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWNET, CLONE_THREAD},
#ifdef SYS_open
    /* Calls of old, which newer architectures never had: musl makes them where they are. */
    {.number = SYS_epoll_wait},
    {.number = SYS_poll},
    {SYS_open, 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
#endif
};

enum { COUNT = sizeof CALLS / sizeof CALLS[0], HEAD = 3, EACH = 6 };

#define AT(field) (uint32_t)offsetof(struct seccomp_data, field)
#define LOAD(at) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define SKIP_UNLESS(equal, count) \
  (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, equal, 0, count)
#define ANSWER(with) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, with)

static void let_through(struct sock_filter *at, const struct call *call) {
  at[0] = LOAD(AT(nr));
  at[1] = SKIP_UNLESS((uint32_t)call->number, 4);
  /* Its lower half, which comes first. */
  at[2] = LOAD(AT(args) + call->argument * (uint32_t)sizeof(uint64_t));
  at[3] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, call->mask);
  at[4] = SKIP_UNLESS(call->value, 1);
  at[5] = ANSWER(SECCOMP_RET_ALLOW);
}

void relay_take_filter(void) {
  static struct sock_filter code[HEAD + EACH * COUNT + 1];
  const struct sock_fprog program = {.len = HEAD + EACH * COUNT + 1, .filter = code};
  code[0] = LOAD(AT(arch));
  code[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0);
  code[2] = ANSWER(SECCOMP_RET_KILL_PROCESS);
  for (unsigned i = 0; i < COUNT; i++) let_through(code + HEAD + EACH * i, &CALLS[i]);
  /* As if the kernel did not have it: a libc that tries something new goes on without. */
  code[HEAD + EACH * COUNT] = ANSWER(SECCOMP_RET_ERRNO | ENOSYS);
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) fatal("dumpable");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fatal("no_new_privs");
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) fatal("relay's filter");
}
