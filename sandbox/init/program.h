/*
 * The process that a keeper starts, until it executes the program: by then it has given up all that
 * was init's. It runs in init's memory, so it calls the kernel directly (raw.h).
 */
#ifndef KHACHAPURI_PROGRAM_H
#define KHACHAPURI_PROGRAM_H

#include "frames.h"
#include "slots.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

/* What a run's keeper tells init, in memory that they share. */
struct outcome {
  volatile int32_t status;
  volatile int32_t start_errno;
  volatile int32_t start_step;
  volatile int32_t known; /* whether `status` is */
  volatile int32_t over;  /* nothing of the run lives */
  volatile int32_t again; /* its keeper can serve another */
  struct rusage usage;
  struct rusage until; /* by all of the keeper's runs */
};

/* What a keeper is given to start. */
struct task {
  const struct command *command;
  struct slot *slot; /* in whose cgroup the program is from its first instruction; or NULL */
  int stdio[3];
  int listener; /* descriptor 3 of the program; -1: it has none */
};

/* What is to be started, and where init is told of it. */
struct start {
  const struct settings *settings;
  const struct task *task;
  struct outcome *outcome;
  volatile uint32_t *begun; /* the program has its own copies of the descriptors */
};

/* Notes for init that a step has failed, when `result` says so. */
bool step_failed(struct outcome *outcome, enum start_step step, long result);

/* For raw_clone with a struct start, as by vfork: becomes the program, or notes why not. */
void become_program(void *start);

/* Gives up all capabilities; what the kernel says. */
long drop_capabilities(void);

_Noreturn void exit_process(int code);

#endif
