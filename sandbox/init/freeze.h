/*
 * A server that nobody calls stands still, so that it computes nothing for free. A cgroup sees to
 * that where the kernel has them. Elsewhere its keeper stops it by signals, which a program can
 * have undone by a timer that sends SIGCONT: so it is looked at, and ended if it works meanwhile.
 */
#ifndef KHACHAPURI_FREEZE_H
#define KHACHAPURI_FREEZE_H

#include "inside.h"

/*
 * Has the server stand still, which it does soon, or go on. The program that was started may be a
 * master that ends workers of which it has not heard for long. If it stood still for long, and with
 * others, it goes on after them, so that it hears of them first.
 */
void freeze_set(struct inside *inside, struct run *run, bool frozen);

/*
 * Looks whether it stands still, or has the master go on, when it is time to. Milliseconds until
 * that; -1: there is nothing to do.
 */
int freeze_watch(struct inside *inside);

#endif
