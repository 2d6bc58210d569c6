/*
 * What init gives up, for itself and for all that it starts, before the first run. What cannot be
 * given up ends init, unless a comment says otherwise.
 */
#ifndef KHACHAPURI_CONFINE_H
#define KHACHAPURI_CONFINE_H

#include "frames.h"

/*
 * Leaves the launcher's mount namespace for one where every mount is read-only and without
 * set-uid, and where no later mount of the machine appears. Launchers see to that only for what
 * they mount themselves: under nsjail, filesystems below /usr or the program would stay writable,
 * and bwrap lets in what the machine mounts there later, as it was mounted.
 */
void seal_mounts(void);

/*
 * Lays a folder of the one that we are in over that one, in which we are then: it is what programs
 * see there, with the same restrictions, and no way leads to what it hides.
 */
void show_program(const char *name);

/* Keeps only the capabilities that starting a run needs, and lets no run gain any. */
void drop_rights(void);

/* Gives up the capability that setting up a network took. */
void drop_network_rights(void);

/*
 * Schedules init and all runs as batch work: what wakes in a sandbox then waits its turn and does
 * not take a processor from the provider in the middle of a call. A run can give that up for
 * itself. Where the kernel refuses it, calls are only slower.
 */
void schedule_as_batch(void);

/*
 * Sets the resource limits that init can live with on init, whose children inherit them, and takes
 * them out of `settings`: what is left there each program sets for itself.
 */
void take_limits(struct settings *settings);

/*
 * Puts init and all that it starts under the filter, besides those that they are under. Returns
 * the descriptor at which it tells of calls that init decides; -1 when another filter has one.
 */
int install_filter(const struct filter *filter);

#endif
