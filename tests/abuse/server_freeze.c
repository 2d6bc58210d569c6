/* To go on when nobody is being served. */
#include "server.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *spin_on(void *with) {
  for (volatile long count = 0;; count++);
  return with;
}

/* In threads, in processes, in sessions of their own, all of which begin before the answer. */
static bool spin(struct ask *ask) {
  for (int i = 0; i < 2; i++) start_thread(spin_on, NULL);
  for (int i = 0; i < 4; i++) {
    if (fork()) continue;
    if (i % 2) setsid();
    spin_on(NULL);
  }
  return answer(ask->fd, ask->argument);
}

/* Each of a line of processes starts the next and ends: whoever lists them comes too late. */
static bool run_away(struct ask *ask) {
  if (fork() == 0) {
    setsid();
    for (;;) {
      if (fork() > 0) _exit(0);
    }
  }
  return answer(ask->fd, ask->argument);
}

/* Many children that are born and die for as long as they may. */
static void *bear(void *with) {
  for (;;) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
  }
  return with;
}

static bool fork_on(struct ask *ask) {
  for (int i = 0; i < 4; i++) {
    if (fork() == 0) bear(NULL);
  }
  return answer(ask->fd, ask->argument);
}

static void work(int signal) {
  (void)signal;
  struct timespec from, now;
  clock_gettime(CLOCK_MONOTONIC, &from);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < 2);
}

/*
 * Timers of the kernel's have it go on. Several: SIGSTOP takes back what SIGCONT is pending, and
 * with it a timer that waits for its delivery.
 */
static bool wake(struct ask *ask) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
  signal(SIGCONT, work);
  for (long i = 1; i <= 8; i++) {
    struct itimerspec every = {{0, 50000000}, {0, i * 6000000}};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer)) return answer(ask->fd, "no timer");
    timer_settime(timer, 0, &every, NULL);
  }
  return answer(ask->fd, ask->argument);
}

/* One of its processes tells the others to go on, for as long as it can itself. */
static bool resume(struct ask *ask) {
  for (int i = 0; i < 8; i++) {
    if (fork()) continue;
    for (;;) {
      kill(-1, SIGCONT);
      kill(0, SIGCONT);
    }
  }
  return answer(ask->fd, ask->argument);
}

const struct act FREEZE_ACTS[] = {{"spin", spin}, {"run-away", run_away}, {"fork-on", fork_on},
                                  {"wake", wake}, {"resume", resume},     {NULL, NULL}};
