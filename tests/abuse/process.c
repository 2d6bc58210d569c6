/* Bombs, daemons, signals and floods. */
#include "abuse.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int visible_processes(void) {
  DIR *dir = opendir("/proc");
  int count = 0;
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') count++;
  }
  return count;
}

static void others(const char *unused) {
  (void)unused;
  say("processes", visible_processes());
  tell("kill-all", kill(-1, SIGKILL));
  tell("kill-1", kill(1, SIGKILL));
  tell("stop-1", kill(1, SIGSTOP));
  tell("term-1", kill(1, SIGTERM));
  struct timespec moment = {.tv_nsec = 20000000};
  nanosleep(&moment, NULL);
  say("processes-after", visible_processes());
}

static void forkbomb(const char *unused) {
  (void)unused;
  long count = 0;
  for (;; count++) {
    pid_t pid = fork();
    if (pid < 0) break;
    if (pid == 0) pause();
  }
  tell("why", -1);
  say("forks", count);
}

static void exponential(const char *unused) {
  (void)unused;
  flush();
  for (;;) fork();
}

static void *wait_forever(void *unused) {
  pause();
  return unused;
}

static void threads(const char *unused) {
  (void)unused;
  long count = 0;
  pthread_t thread;
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 16384);
  while ((errno = pthread_create(&thread, &small, wait_forever, NULL)) == 0) count++;
  tell("why", -1);
  say("threads", count);
}

static int all_there[2];

/* Ends once the last has been started, whom those who spin already would hold up. */
static void await_all(void) {
  char none;
  close(all_there[1]);
  while (read(all_there[0], &none, 1) < 0) continue;
}

static void spin(const char *many) {
  flush();
  if (pipe(all_there) < 0) return;
  for (int i = 1; i < atoi(many); i++) {
    if (fork() == 0) break;
  }
  await_all();
  for (volatile long i = 0;; i++) continue;
}

/* Each spinner in a session of its own, by which some kernels share out the processors. */
static void sessions(const char *many) {
  flush();
  if (pipe(all_there) < 0) return;
  for (int i = 1; i < atoi(many); i++) {
    if (fork() > 0) continue;
    setsid();
    break;
  }
  await_all();
  for (volatile long i = 0;; i++) continue;
}

/* Makes pid 1, on which it depends that a run ends in time, slow and poor. */
static void keeper(const char *unused) {
  (void)unused;
  static const struct sched_param none = {0};
  static const unsigned long first = 1;
  static const struct rlimit little = {0, RLIM_INFINITY};
  static const unsigned attributes[12] = {48, SCHED_IDLE};
  tell("nice", setpriority(PRIO_PROCESS, 1, 19));
  tell("nice-user", setpriority(PRIO_USER, getuid(), 19));
  tell("idle", syscall(SYS_sched_setscheduler, 1, SCHED_IDLE, &none));
  tell("attributes", syscall(SYS_sched_setattr, 1, attributes, 0));
  tell("affinity", syscall(SYS_sched_setaffinity, 1, sizeof first, &first));
  tell("rlimit", syscall(SYS_prlimit64, 1, RLIMIT_FSIZE, &little, NULL));
  tell("ioprio", syscall(SYS_ioprio_set, 1, 1, 3 << 13));
}

static void sleeper(const char *unused) {
  (void)unused;
  flush();
  for (;;) pause();
}

static void deaf(const char *unused) {
  (void)unused;
  flush();
  for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  for (;;) pause();
}

static void stop_self(const char *unused) {
  (void)unused;
  flush();
  kill(getpid(), SIGSTOP);
}

/* A daemon that lets go of everything, or with the argument `stdout` holds on to that. */
static void daemonise(const char *hold) {
  flush();
  if (fork() > 0) return;
  setsid();
  if (fork() > 0) _exit(0);
  close(0);
  close(2);
  if (strcmp(hold, "stdout")) close(1);
  for (;;) pause();
}

static void zombies(const char *unused) {
  (void)unused;
  for (int i = 0; i < 1000; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      if (fork() == 0) _exit(0);
      _exit(0);
    }
    waitpid(pid, NULL, 0);
  }
  struct timespec moment = {.tv_nsec = 100000000};
  nanosleep(&moment, NULL);
  say("processes", visible_processes());
}

static void flood(const char *where) {
  static char block[1 << 16];
  memset(block, 'f', sizeof block);
  int fd = strcmp(where, "stderr") ? 1 : 2;
  flush();
  for (long i = 0; fd == 1 || i < 512; i++) {
    if (write(fd, block, sizeof block) < 0) break;
  }
}

static void crash(const char *number) {
  flush();
  if (atoi(number) == SIGSEGV) *(volatile int *)8 = 1;
  raise(atoi(number));
}

enum { STEP_MIB = 8, STEP = STEP_MIB << 20, EIGHT = 8 };

/* A piece of memory: (a)nonymous, (s)hared, (m)emfd, memfd to be (u)nmapped, System (v). */
static char *piece(int kind) {
  if (kind == 'v') {
    int id = shmget(IPC_PRIVATE, STEP, IPC_CREAT | 0600);
    char *bytes = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
    if (id >= 0) shmctl(id, IPC_RMID, NULL);
    return bytes;
  }
  bool by_descriptor = kind == 'm' || kind == 'u';
  int fd = by_descriptor ? (int)syscall(SYS_memfd_create, "m", 0) : -1;
  if (by_descriptor && (fd < 0 || ftruncate(fd, STEP))) return MAP_FAILED;
  int flags = fd >= 0 ? MAP_SHARED : kind == 's' ? MAP_SHARED | MAP_ANONYMOUS
                                                 : MAP_PRIVATE | MAP_ANONYMOUS;
  return mmap(NULL, STEP, PROT_READ | PROT_WRITE, flags, fd, 0);
}

/* KIND-MIB of memory, 8 MiB at a time; of the kind `8` anonymous memory by eight processes, which
 * hold it until all have their part. */
static void memory(const char *argument) {
  long mib = atol(strchr(argument, '-') ? strchr(argument, '-') + 1 : "1024"), touched = 0;
  int kind = argument[0], parts = kind == '8' ? EIGHT : 1;
  int *have = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  flush();
  for (int i = 1; i < parts; i++) {
    if (fork() == 0) break;
  }
  for (; touched < mib / parts; touched += STEP_MIB) {
    char *bytes = piece(kind);
    if (bytes == MAP_FAILED) {
      tell("mmap", -1);
      return;
    }
    for (long i = 0; i < STEP; i += 4096) bytes[i] = 1;
    if (kind == 'u') munmap(bytes, STEP);
  }
  __atomic_add_fetch(have, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(have, __ATOMIC_SEQ_CST) < parts) sched_yield();
  say("touched", touched);
}

const struct attack PROCESS_ATTACKS[] = {
    {"others", others},   {"forkbomb", forkbomb},   {"exponential", exponential},
    {"threads", threads}, {"spin", spin},           {"sessions", sessions},
    {"keeper", keeper},   {"sleeper", sleeper},
    {"deaf", deaf},       {"stop-self", stop_self}, {"daemon", daemonise},
    {"zombies", zombies}, {"flood", flood},         {"crash", crash},
    {"memory", memory},   {0},
};
