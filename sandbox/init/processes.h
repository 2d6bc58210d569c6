/* The processes of all runs, as /proc shows them to init. */
#ifndef KHACHAPURI_PROCESSES_H
#define KHACHAPURI_PROCESSES_H

#include "inside.h"

struct process {
  pid_t pid, parent;
  pid_t own_pid;      /* as it sees itself */
  struct run *run;    /* the one that it belongs to; NULL: to none */
  uint32_t threads;
  uint32_t runnable;  /* of them, running or waiting for a processor */
  uint64_t bytes;     /* that it holds, each holder of shared memory counting all of it */
};

/* Reads all of them; the table is good until the next call. */
struct process *processes_read(struct inside *inside, size_t *count);

/* Calls `act` with the id of each thread of `process`. */
void process_threads(const struct process *process, void (*act)(pid_t thread, void *with),
                     void *with);

/* Processor time in microseconds, its own and that of the children that it has waited for. */
struct process_time {
  uint64_t own_us, children_us;
};

/* Zeros once it is gone. */
struct process_time process_time(const struct process *process);

/*
 * What it holds when shared memory is divided among its holders. The kernel walks page tables for
 * that. What we may not look into keeps the coarse count.
 */
uint64_t process_share(const struct process *process);

#endif
