/*
 * Processor time that nobody waited for, where no cgroup counts it. The kernel adds a process's
 * time to that of who waits for it, and drops it where a parent ignores SIGCHLD, or where the
 * keeper had to be killed.
 */
#ifndef KHACHAPURI_UNWAITED_H
#define KHACHAPURI_UNWAITED_H

#include "inside.h"
#include "processes.h"

/* Looks at what the processes of all runs have taken so far; reads the table again if it must. */
void unwaited_look(struct inside *inside, const struct process *table, size_t count);

/* All that a run took, of which `waited_us` was waited for. */
uint64_t unwaited_total(const struct run *run, uint64_t waited_us);

#endif
