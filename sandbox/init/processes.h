/* The processes of all runs, as /proc shows them to init. */
#ifndef KHACHAPURI_PROCESSES_H
#define KHACHAPURI_PROCESSES_H

#include "inside.h"

#include <sys/resource.h>

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

/* Calls `act` with the id of each process, ours too. */
void processes_each(void (*act)(pid_t pid, void *with), void *with);

/* Calls `act` with the id of each thread of a process that has so many. */
void process_threads(pid_t pid, uint32_t threads, void (*act)(pid_t thread, void *with),
                     void *with);

/* What one short look at a process or thread tells. */
struct process_stat {
  char state; /* a letter of proc(5) */
  uint32_t threads;
  uint64_t own_us, children_us; /* processor time: its own, and of children that it waited for */
  uint64_t resident_bytes;      /* pages of files counting, too */
};

/*
 * The most that the kernel showed there as its children's once it had counted so much for them. It
 * shows whole ticks, rounded down: what a later look shows beyond this was taken since, where the
 * difference of two looks can be a tick too much.
 */
uint64_t process_children_us(const struct rusage *usage);

/* False, and zeros, once it is gone. */
bool process_stat(pid_t pid, struct process_stat *stat);

/* Whether a signal that was sent to it as a whole has reached none of its threads yet. */
bool process_has_pending(pid_t pid, int signal);

/*
 * What it holds when shared memory is divided among its holders. The kernel walks page tables for
 * that. What we may not look into keeps the coarse count.
 */
uint64_t process_share(const struct process *process);

#endif
