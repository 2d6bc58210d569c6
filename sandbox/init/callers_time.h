/*
 * Time in which a run waits for its caller: for room for what it prints, as its caller takes
 * nothing, or for what its caller has not sent. That is no time of the run's, whose deadline moves
 * on by it. Whoever computes meanwhile waits for nobody: processor time is the run's own always.
 * And where a run has called out, no wait in its sandbox is its caller's until all are over.
 */
#ifndef KHACHAPURI_CALLERS_TIME_H
#define KHACHAPURI_CALLERS_TIME_H

#include "inside.h"

/* Looks whether each run waits, and counts for those that did; tells the provider of it. */
void callers_time_look(struct inside *inside);

/* Milliseconds until the next look; -1: no run waits. */
int callers_time_due(const struct inside *inside);

#endif
