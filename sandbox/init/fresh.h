/*
 * In a keeper: what its run is to find as if nobody had been there before. A program has no right
 * to mount and none over the keeper (the filter, ../seccomp.ts), so what a dead run can have left
 * in its namespaces is files in /tmp, System V queues and the like, signals that wait for pid 1,
 * and how far pids have got: those are made anew. Of pid 1 itself /proc shows nothing, as it tells
 * how long it lives, how often it has waited, and what time its children took: others' too.
 */
#ifndef KHACHAPURI_FRESH_H
#define KHACHAPURI_FRESH_H

#include "frames.h"

#include <stdbool.h>

/*
 * Mounts what a keeper's first run is to find; what the kernel says, negative when it refuses.
 * `renewable`: fresh_again can do the same for the next.
 */
long fresh_make(const struct settings *settings, bool *renewable);

/* Once nothing of a run lives; negative when the kernel refuses, and then there is no next. */
long fresh_again(const struct settings *settings);

#endif
