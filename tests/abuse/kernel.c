/* System calls that a program has no business with. */
#include "abuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* clone in a child of its own, so that a success does no harm here. */
static void try_clone(const char *name, unsigned long flags) {
  errno = 0;
  long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  tell(name, pid);
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
}

static void namespaces(const char *unused) {
  (void)unused;
  struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  tell("setuid", setuid(0));
  tell("setgid", setgid(0));
  try_clone("clone-user", CLONE_NEWUSER);
  try_clone("clone-pid", CLONE_NEWPID);
  try_clone("clone-ns", CLONE_NEWNS);
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  tell("clone3", pid);
  tell("setns", setns(0, 0));
  tell("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
  tell("remount", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
  tell("umount", umount2("/proc", MNT_DETACH));
  tell("pivot-root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
  tell("chroot", chroot("/tmp"));
  tell("mknod", mknod("/tmp/null", S_IFCHR | 0600, 0x103));
  tell("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
  tell("open-tree", syscall(SYS_open_tree, -100, "/", 1));
  tell("unshare-net", unshare(CLONE_NEWNET));
  tell("unshare-user", unshare(CLONE_NEWUSER));
}

static void forbidden(const char *unused) {
  (void)unused;
  static char buffer[256];
  tell("ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
  tell("process-vm", syscall(SYS_process_vm_readv, getppid(), buffer, 0, buffer, 0, 0));
  tell("kcmp", syscall(SYS_kcmp, getpid(), 1, 0, 0, 0));
  tell("pidfd-getfd", syscall(SYS_pidfd_getfd, 0, 0, 0));
  tell("bpf", syscall(SYS_bpf, 0, buffer, 72));
  tell("perf", syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0));
  tell("userfaultfd", syscall(SYS_userfaultfd, 1));
  tell("io-uring", syscall(SYS_io_uring_setup, 1, buffer));
  tell("keyctl", syscall(SYS_keyctl, 0, -3, 1));
  tell("add-key", syscall(SYS_add_key, "user", "k", "v", 1, -3));
  tell("syslog", syscall(SYS_syslog, 3, buffer, 10));
  tell("kexec", syscall(SYS_kexec_load, 0, 0, 0, 0));
  tell("init-module", syscall(SYS_init_module, buffer, 1, ""));
  tell("finit-module", syscall(SYS_finit_module, 0, "", 0));
  tell("open-by-handle", syscall(SYS_open_by_handle_at, 0, buffer, 0));
  tell("memfd-secret", syscall(447, 0));
#ifdef __x86_64__
  tell("iopl", syscall(SYS_iopl, 3));
  tell("ioperm", syscall(SYS_ioperm, 0, 1, 1));
  tell("modify-ldt", syscall(SYS_modify_ldt, 0, buffer, 16));
#endif
  /* No such clock: where it is allowed it does no harm. */
  tell("clock-settime", syscall(SYS_clock_settime, 99, buffer));
  tell("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
  tell("inotify", syscall(SYS_inotify_init1, 0));
  tell("fanotify", syscall(SYS_fanotify_init, 0, 0));
  int ends[2];
  if (pipe(ends) == 0) tell("pipe-size", fcntl(ends[0], 1031, 1 << 20));
}

static void sockets(const char *unused) {
  (void)unused;
  tell("unix", socket(AF_UNIX, SOCK_STREAM, 0));
  tell("inet", socket(AF_INET, SOCK_STREAM, 0));
  tell("route", socket(AF_NETLINK, SOCK_RAW, 0));
  tell("alg", socket(38, SOCK_SEQPACKET, 0));
  tell("vsock", socket(40, SOCK_STREAM, 0));
  tell("packet", socket(AF_PACKET, SOCK_RAW, 0x0300));
  tell("xdp", socket(44, SOCK_RAW, 0));
  tell("netfilter", socket(AF_NETLINK, SOCK_RAW, 12));
  tell("raw", socket(AF_INET, SOCK_RAW, 1));
  tell("ping", socket(AF_INET, SOCK_DGRAM, 1));
  tell("sctp", socket(AF_INET, SOCK_STREAM, 132));
}

static void terminals(const char *unused) {
  (void)unused;
  char letter = 'x';
  tell("tiocsti", ioctl(0, 0x5412, &letter));
  tell("tiocsti-high", syscall(SYS_ioctl, 0, 0x100005412UL, &letter));
  tell("tioclinux", ioctl(0, 0x541c, &letter));
  tell("ptmx", open("/dev/ptmx", O_RDWR));
  tell("tty", open("/dev/tty", O_RDWR));
}

static void x32(const char *unused) {
  (void)unused;
  tell("x32-getpid", syscall(0x40000000 | SYS_getpid));
}

#ifdef __x86_64__

static void int80(const char *unused) {
  (void)unused;
  long result;
  flush();
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
  say("int80", result);
}

#else

/* A program of 32-bit ARM, as 64-bit code has no way to its calls: getpid, then it says so. */
static const uint32_t ARM32[] = {
    0x464c457f, 0x00010101, 0,          0,          /* ELF, 32 bits, little endian */
    0x00280002, 1,          0x00010054, 0x34,       /* executable, ARM; entry, program header */
    0,          0x05000400, 0x00200034, 0x00000001, /* EABI 5 */
    0,                                              /* no sections */
    1,          0,          0x00010000, 0x00010000, /* load: offset, addresses, sizes */
    132,        132,        5,          0x1000,     /* read and execute */
    0xe3a07014, 0xef000000,                         /* getpid */
    0xe3a00001, 0xe28f1014, 0xe3a02008, 0xe3a07004, 0xef000000, /* write(1, text, 8) */
    0xe3a00000, 0xe3a07001, 0xef000000,                         /* exit(0) */
    0x38746e69, 0x0a312030,                                     /* "int80 1\n" */
};

static void int80(const char *unused) {
  (void)unused;
  char *const argv[] = {"/tmp/arm32", NULL};
  flush();
  int file = open(argv[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
  if (file < 0 || write(file, ARM32, sizeof ARM32) != sizeof ARM32 || close(file)) return;
  execv(argv[0], argv);
  tell("arm32", -1);
}

#endif

static void raise_limits(const char *unused) {
  (void)unused;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_max = limit.rlim_cur = limit.rlim_max + 1;
  tell("nofile", setrlimit(RLIMIT_NOFILE, &limit));
  getrlimit(RLIMIT_CORE, &limit);
  say("core", (long)limit.rlim_cur);
  tell("nice", setpriority(PRIO_PROCESS, 0, -5));
  struct sched_param top = {.sched_priority = 1};
  /* musl's own wrapper always says ENOSYS */
  tell("realtime", syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &top));
  tell("mlock", mlock(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1 << 20));
}

static void descriptors(const char *unused) {
  (void)unused;
  long count = 0;
  while (open("/dev/null", O_RDONLY) >= 0) count++;
  tell("why", -1);
  say("files", count);
}

enum { WATCHERS = 40 };

int add_watches(bool for_ever) {
  enum { FILES = 90, FIRST = 190, LAST = 254 };
  struct epoll_event event = {.events = EPOLLIN};
  int files[FILES], polls[FILES];
  for (int i = 0; i < FILES; i++) files[i] = eventfd(0, 0);
  for (int i = 0; i < FILES; i++) polls[i] = epoll_create1(0);
  for (int file = 0; file < FILES; file++) {
    for (int number = FIRST; number <= LAST; number++) {
      dup2(files[file], number);
      for (int i = 0; i < FILES; i++) {
        while (epoll_ctl(polls[i], EPOLL_CTL_ADD, number, &event)) {
          if (errno != ENOSPC || !for_ever) return errno;
        }
      }
    }
  }
  return 0;
}

/* Uses up all watches of its uid, and holds them until stdin ends. */
static void uid_watches(const char *unused) {
  (void)unused;
  int done[2];
  char byte;
  if (pipe(done)) return;
  for (int i = 0; i < WATCHERS; i++) {
    if (fork()) continue;
    add_watches(false);
    _exit(write(done[1], "", 1) < 0 || pause());
  }
  for (int i = 0; i < WATCHERS; i++) read(done[0], &byte, 1);
  say_text("waiting", "here");
  flush();
  while (read(0, &byte, 1) > 0) continue;
}

static void watch_one(const char *unused) {
  (void)unused;
  struct epoll_event event = {.events = EPOLLIN};
  tell("watch", epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, eventfd(0, 0), &event));
}

const struct attack KERNEL_ATTACKS[] = {
    {"namespaces", namespaces},     {"forbidden", forbidden}, {"sockets", sockets},
    {"terminals", terminals},       {"x32", x32},             {"int80", int80},
    {"raise-limits", raise_limits}, {"descriptors", descriptors},
    {"uid-watches", uid_watches},   {"watch-one", watch_one}, {0},
};
