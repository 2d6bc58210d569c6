/* The cgroups that runs enter: a slot is used by one run at a time, and again by later ones. */
#ifndef KHACHAPURI_SLOTS_H
#define KHACHAPURI_SLOTS_H

#include "protocol.h"

#include <stdbool.h>
#include <stdint.h>

/* What init asks of the supervisor, each a message of one byte; it answers with a descriptor. */
enum request { REQUEST_SLOT = 's', REQUEST_FREEZER = 'f' };

struct slot {
  int dir; /* of the cgroup; the others are files in it, -1 where this kernel has none */
  int peak, events, cpu, memory, kinds, pids;
  int freezer; /* of a server's alone, once it was asked for */
  bool busy;
  uint64_t oom_kills, peak_bytes, cpu_us; /* as read after the last run */
};

/* What a run took. */
struct used {
  uint64_t cpu_us, peak_bytes;
  bool out_of_memory;
};

/* What one takes so far, and holds. */
struct held {
  uint64_t cpu_us, bytes;
  uint32_t processes;
};

struct slots {
  int supervisor;       /* socket to the supervisor, which makes cgroups */
  uint32_t controllers; /* in force, bits of enum controller */
  uint32_t count;
  struct slot slot[RUNS_MAX];
};

/*
 * Waits for the supervisor's first messages; false when this machine has no cgroup for runs. Sets
 * `last_pid` to the machine's ns_last_pid, to be written: it is that of the writer's pid namespace,
 * and in here no /proc can be mounted that may be written to. -1: not there.
 */
bool slots_open(struct slots *slots, int supervisor, int *last_pid);

/*
 * A free slot, from now on busy, in which no memory of earlier runs is counted. When there is none
 * the supervisor is asked for one more; when that has no more, the free one in which least is
 * counted has to do. NULL when none is free.
 */
struct slot *slot_take(struct slots *slots);

/*
 * What was counted since the last read; where the cgroup cannot tell, what rusage told. The slot
 * stays busy until its run's mounts are gone.
 */
struct used slot_read(struct slot *slot, struct used by_rusage);

/* What the run in it has taken so far, and holds. */
struct held slot_look(const struct slot *slot);

/*
 * Asks the supervisor for what has all in the first slot stand still. It is nobody else's to write,
 * and whoever writes it himself waits for nobody.
 */
void slots_ask_freezer(struct slots *slots);

/* Has all in it stand still, which they do soon, or go on. */
void slot_freeze(const struct slot *slot, bool frozen);

#endif
