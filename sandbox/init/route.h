/* Which way this machine would send to an address, as its own routing tables say. */
#ifndef KHACHAPURI_ROUTE_H
#define KHACHAPURI_ROUTE_H

#include <stdbool.h>
#include <sys/socket.h>

/* False when the kernel refuses. */
bool route_open(void);

/*
 * Whether what is sent there stays on this machine or goes straight to a neighbour: over its own
 * link, or into another network that it is a member of. There may be what a firewall keeps from
 * others, at public addresses too. The rest of the world is behind a gateway, or where everything
 * goes that has no route of its own. True when the kernel does not answer.
 */
bool route_is_near(const struct sockaddr_storage *address);

#endif
