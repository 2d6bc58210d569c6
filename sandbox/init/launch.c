#include "launch.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTENDANT "KHACHAPURI_ATTENDANT" /* its pid, to those it attends to */
#define LAUNCHED SIGRTMIN                /* to it, from each that is launched */

enum {
  DESCRIPTORS_MAX = 64, /* that a service manager passes */
  LIVES_MAX = 16,       /* launched ones that live at a time; usually one, in a reload two */
};

static void set_number(const char *name, long value) {
  char text[24];
  snprintf(text, sizeof text, "%ld", value);
  if (setenv(name, text, 1)) fatal("setenv");
}

static long number_in(const char *name) {
  const char *text = getenv(name);
  char *end;
  long value = text ? strtol(text, &end, 10) : 0;
  return text && *text && !*end ? value : 0;
}

/*
 * How many descriptors from 3 on the service manager gave our parent (sd_listen_fds(3)), to be
 * passed on; whatever else is open is nobody's.
 */
static void keep_given_descriptors(void) {
  long count = number_in("LISTEN_PID") == getppid() ? number_in("LISTEN_FDS") : 0;
  if (count < 0 || count > DESCRIPTORS_MAX) count = 0;
  if (syscall(SYS_close_range, 3u + (unsigned)count, ~0u, 0u)) fatal("close_range");
  if (count > 0) return;
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  unsetenv("LISTEN_PID");
}

/* What names one process stands for another one from now on. */
static void name_ourselves(void) {
  if (getenv("LISTEN_PID")) set_number("LISTEN_PID", getpid());
  if (getenv("WATCHDOG_PID")) set_number("WATCHDOG_PID", getpid());
}

static _Noreturn void become(char **command) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  name_ourselves();
  execv(command[0], command);
  fatal(command[0]);
}

int launch_main(char **command) {
  keep_given_descriptors();
  setsid();
  long attendant = number_in(ATTENDANT);
  /* The kernel says with it who we are. One that is gone needs no telling. */
  if (attendant > 1) sigqueue((pid_t)attendant, LAUNCHED, (union sigval){0});
  become(command);
}

/* One that is attended to; told by descriptor, as its parent may reap it and its pid be reused. */
struct life {
  pid_t pid;
  int fd;
};

struct attendant {
  struct life lives[LIVES_MAX];
  nfds_t count;
  int code; /* of the one that ended last */
};

static void attend_to(struct attendant *attendant, pid_t pid) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0u);
  if (fd < 0) return;
  if (attendant->count == LIVES_MAX) close(fd);
  else attendant->lives[attendant->count++] = (struct life){pid, fd};
}

static void pass_on(const struct attendant *attendant, int signo) {
  for (nfds_t i = 0; i < attendant->count; i++) {
    syscall(SYS_pidfd_send_signal, attendant->lives[i].fd, signo, NULL, 0u);
  }
}

static bool is_attended(const struct attendant *attendant, pid_t pid) {
  for (nfds_t i = 0; i < attendant->count; i++) {
    if (attendant->lives[i].pid == pid) return true;
  }
  return false;
}

/* As their subreaper we inherit them when who launched them is gone. */
static void reap(struct attendant *attendant) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (!is_attended(attendant, pid)) continue;
    attendant->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  for (nfds_t i = 0; i < attendant->count;) {
    struct life *life = &attendant->lives[i];
    if (!syscall(SYS_pidfd_send_signal, life->fd, 0, NULL, 0u) || errno != ESRCH) {
      i++;
      continue;
    }
    close(life->fd);
    *life = attendant->lives[--attendant->count];
  }
}

static void hear(struct attendant *attendant, int signals) {
  struct signalfd_siginfo seen;
  while (read(signals, &seen, sizeof seen) == sizeof seen) {
    int signo = (int)seen.ssi_signo;
    if (signo == LAUNCHED) attend_to(attendant, (pid_t)seen.ssi_pid);
    else if (signo != SIGCHLD) pass_on(attendant, signo);
  }
}

static pid_t start(char **command) {
  pid_t attendant = getpid();
  pid_t child = fork();
  if (child < 0) fatal("fork");
  if (child > 0) return child;
  /* Whoever ends us by force means it, too. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != attendant) _exit(0);
  int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, 0) < 0) fatal("/dev/null");
  if (null > 0) close(null);
  setsid();
  set_number(ATTENDANT, attendant);
  become(command);
}

int attend_main(char **command) {
  struct attendant attendant = {.count = 0};
  sigset_t mask;
  keep_given_descriptors();
  setsid(); /* a terminal's Ctrl-C reaches the first process, which passes it on */
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) fatal("subreaper");
  sigemptyset(&mask);
  for (int i = 0; i < 5; i++) {
    sigaddset(&mask, (int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP, LAUNCHED}[i]);
  }
  if (sigprocmask(SIG_SETMASK, &mask, NULL)) fatal("signal mask");
  attend_to(&attendant, start(command));
  /* What is written on goes by the ones we attend to; what they listen at is theirs. */
  if (syscall(SYS_close_range, (unsigned)attendant.lives[0].fd + 1u, ~0u, 0u)) fatal("close_range");
  for (int fd = 3; fd < attendant.lives[0].fd; fd++) close(fd);
  int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) fatal("signalfd");
  struct pollfd polled[] = {{0, 0, 0}, {signals, POLLIN, 0}};
  while (attendant.count > 0) {
    if (poll(polled, 2, -1) < 0 && errno != EINTR) fatal("poll");
    if (polled[0].revents) {
      polled[0].fd = -1;
      pass_on(&attendant, SIGTERM);
    }
    hear(&attendant, signals);
    reap(&attendant);
  }
  return attendant.code;
}
