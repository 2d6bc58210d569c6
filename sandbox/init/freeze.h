/*
 * A server that nobody calls stands still, so that it computes nothing for free. A cgroup sees to
 * that where the kernel has them. Elsewhere its keeper stops it by signals, which a program can
 * have undone by a timer that sends SIGCONT: so it is looked at, and ended if it works meanwhile.
 */
#ifndef KHACHAPURI_FREEZE_H
#define KHACHAPURI_FREEZE_H

#include "inside.h"

/* Has the server stand still, or go on; it does so soon. */
void freeze_set(struct inside *inside, struct run *run, bool frozen);

/* Looks whether it stands still, when it is time to. Milliseconds until the next look; -1: none. */
int freeze_watch(struct inside *inside);

#endif
