/* The connections of one sandbox's programs to hosts outside. */
#ifndef KHACHAPURI_CONNECTIONS_H
#define KHACHAPURI_CONNECTIONS_H

#include "names.h"
#include "policy.h"

#include <stdbool.h>

/* What all connections so far have used. */
struct usage {
  uint32_t connections;
  uint64_t sent_bytes, received_bytes;
};

/* Hears of a connection that could not be made, by enum egress_failure. */
typedef void connection_failed(const char *name, uint16_t port, uint32_t failure);

/* Events of descriptors that are added to `poll` carry `tag` in their upper 32 bits. */
void connections_open(const struct policy *policy, int poll, uint32_t tag,
                      connection_failed *failed);

/* Whether one more may begin now: there is room, and the rate allows it. */
bool connections_admit(void);

/* How many there are. */
uint32_t connections_count(void);

/* Takes over a connection that a program has made to `port` of `name`. */
void connection_begin(int fd, struct name *name, uint16_t port);

/* Goes on with what an event's lower 32 bits name. */
void connection_serve(uint32_t index);

/* Goes on with those whose turn was over, and with those that waited for a name. */
void connections_resume(void);

/* Ends what is overdue. Milliseconds until there is more to do; -1: nothing. */
int connections_tidy(void);

/* `count` addresses were found for a name; those that waited for it go on. */
void connections_found(struct name *name);

void connections_end(void);

struct usage connections_usage(void);

#endif
