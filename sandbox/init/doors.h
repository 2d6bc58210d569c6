/*
 * Where the programs of a sandbox find the hosts that they may call: each name has an address of
 * its own inside, with a listener on each of its ports.
 */
#ifndef KHACHAPURI_DOORS_H
#define KHACHAPURI_DOORS_H

#include "names.h"
#include "policy.h"

/* A socket that listens at an address and port inside; -1 when there is none now. */
typedef int door_opener(uint32_t address, uint16_t port);

/*
 * Opens the doors of all names that `policy` lists. Returns a descriptor that is readable while
 * somebody waits at a door.
 */
int doors_open(const struct policy *policy, door_opener *open);

/* Answers what waits at the resolver's socket, a share of it; `asked` hears of unlisted names. */
void doors_answer(int resolver, void (*asked)(const char *name));

/* Before what has come is served. */
void doors_begin_turn(void);

/*
 * Forgets the names that are not listed and not in use, as no run is under way that asked for them:
 * but for those of this turn, which the next run may have asked for already.
 */
void doors_forget(void);

/* Whether one more question may be answered now. Others wait, and are lost where too many do. */
bool doors_hear(void);

/* Takes one connection; false when nobody waits. Tells whose name and which port was meant. */
bool doors_take(int *fd, struct name **name, uint16_t *port);

/* The name of that index. */
struct name *doors_name(uint32_t index);

#endif
