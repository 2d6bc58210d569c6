/*
 * Memory in the buffers of sockets, which no process has mapped. All runs of a sandbox share one
 * network namespace, so it is known of all of them together.
 */
#ifndef KHACHAPURI_SOCKETS_H
#define KHACHAPURI_SOCKETS_H

#include <stdint.h>

/*
 * What they can hold at most: a buffer of the default size, which no program may raise, for each,
 * and what TCP has queued beyond, as its buffers grow. `ours` of them are not the programs', and
 * of `carried` connections to a server (ingress.h) both ends count by what they have queued.
 */
uint64_t sockets_hold(uint64_t ours, uint64_t carried);

#endif
