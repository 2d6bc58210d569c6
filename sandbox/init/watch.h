/*
 * Memory without a cgroup: adds up, every few milliseconds, what the processes of each run hold,
 * and ends a run that holds too much. That is late by what a program can allocate in between, and
 * blind to memory that nobody has mapped. Where there is a memory cgroup, it is used instead.
 */
#ifndef KHACHAPURI_WATCH_H
#define KHACHAPURI_WATCH_H

#include "inside.h"

/* Looks when it is time to. Milliseconds until the next time; -1 when nothing is to be watched. */
int watch_memory(struct inside *inside, bool any_run);

#endif
