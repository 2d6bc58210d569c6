/* Keepers: each is pid 1 of one run's namespaces at a time, starts its program, sees to its end. */
#ifndef KHACHAPURI_KEEPER_H
#define KHACHAPURI_KEEPER_H

#include "program.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct keeper;

/*
 * Whether a keeper should be made ahead of need, and making it; false when the kernel refuses.
 * `done_fd` is an eventfd to which it writes when its run is over.
 */
bool keeper_wanted(void);
bool keeper_prepare(const struct settings *settings, int done_fd);

/* Gives `task` to a keeper. NULL with errno when the kernel refuses. */
struct keeper *keeper_start(const struct settings *settings, int done_fd, const struct task *task);

/* True once the program has its own copies of the task's descriptors, or needs none. */
bool keeper_begun(const struct keeper *keeper);

/* True once everything of its run is dead; the outcome then says how it ended. */
bool keeper_over(const struct keeper *keeper);
const struct outcome *keeper_outcome(const struct keeper *keeper);

/* 0 once it has been reaped. */
pid_t keeper_pid(const struct keeper *keeper);

/* Has it stop all of its run; it does so soon, and again each time. */
void keeper_stop(struct keeper *keeper);

/* Whether it has, as often as it was to: a process that goes on now was sent SIGCONT. */
bool keeper_has_stopped(const struct keeper *keeper);

/*
 * Has it stop them no more: who then sends SIGCONT to them has them go on for good. The program may
 * have to wait until it is let go on, too.
 */
void keeper_let_go_on(struct keeper *keeper, bool program_waits);
void keeper_let_program_go_on(struct keeper *keeper);

/* Has it send SIGTERM to the program. */
void keeper_terminate(struct keeper *keeper);

/* Has it kill and reap all of its run, so that it knows what they took. */
void keeper_end(struct keeper *keeper);

/* Kills it, and the kernel with it all of its run; what they took is then lost. */
void keeper_kill(const struct keeper *keeper);

/* What its earlier runs took: the kernel goes on counting it as its children's. */
const struct rusage *keeper_earlier(const struct keeper *keeper);

/*
 * Its run is reported; whether it may serve another. Its slot stays busy until all is fresh again
 * or it is reaped: the run's mounts may still be there.
 */
void keeper_dismiss(struct keeper *keeper, bool again);

/*
 * Takes note of a death. Returns the keeper whose run it ends, NULL when it ends none; sets
 * `prepare_failed` when it was one that waited for a task. Of `usage`, which is all that it and its
 * children took, it leaves the last run's, of memory 0 when an earlier run held more, and the time
 * that the keeper itself took in it.
 */
struct keeper *keeper_reaped(pid_t pid, struct rusage *usage, bool *prepare_failed);

/* Whether there are dismissed keepers to reap. */
bool keepers_exiting(void);

/* Waits until one more run can have a keeper and a slot; dismissed ones are fresh or exit soon. */
void keepers_make_room(void);

/* Ends those that nothing needs for now; whether there were any. */
bool keepers_retire(void);

/* Gives the memory of unused keepers' stacks back. */
void keepers_release(void);

#endif
