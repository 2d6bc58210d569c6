/*
 * What no cgroup bounds here: looks every few milliseconds at what the processes of each run hold
 * and use. A run that holds too much memory is ended; that is late by what a program can allocate
 * in between, and blind to memory that nobody has mapped. Processor time is shared (share.h).
 */
#ifndef KHACHAPURI_WATCH_H
#define KHACHAPURI_WATCH_H

#include "inside.h"

/*
 * Looks when it is time to. Milliseconds until the next time; -1 when nothing is to be watched.
 * first_begun_ms: when the run began that has lasted longest; UINT64_MAX when nothing runs.
 */
int watch_runs(struct inside *inside, uint64_t first_begun_ms);

/* Looks at once, but at the memory of processes alone, where no cgroup bounds it. */
void watch_memory(struct inside *inside);

#endif
