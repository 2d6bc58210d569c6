/*
 * Processor time without a cgroup: where the kernel schedules threads alone, a run with sixty of
 * them would get sixty shares. All threads of a sandbox that want to run are given such a low
 * priority that together they weigh as much as one of an ordinary priority.
 */
#ifndef KHACHAPURI_SHARE_H
#define KHACHAPURI_SHARE_H

#include "processes.h"

#include <stdbool.h>

/*
 * Lowers the threads of each run to its share. Priorities only sink: nobody here may raise one, so
 * no program can give itself back what was taken.
 */
void share_processors(struct inside *inside, const struct process *table, size_t count);

/*
 * Whether the kernel gives each session one share (autogroups): a sandbox has one of its own, and
 * makes no other (sessions.h). It does so only for what is in the root cgroup, so this is to be
 * asked in the cgroup namespace that we were started in.
 */
bool sessions_share(void);

#endif
