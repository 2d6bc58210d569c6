/* The network of a sandbox whose programs may call out. */
#ifndef KHACHAPURI_NETWORK_H
#define KHACHAPURI_NETWORK_H

#include "egress.h"

/*
 * Leaves the launcher's network namespace, which belongs to another user namespace, for one of our
 * own, and hands `relay` the resolver's socket. Every address of 198.18.0.0/15 (RFC 2544's, which
 * are nobody's) is then local. Ends init when the kernel refuses.
 */
void network_open(int relay);

/*
 * Sends `relay` a socket that listens where it wishes, as it may not take low ports itself, or word
 * that there is none. Few may wait there to be taken: they outlive the run that made them, and
 * nobody is charged for their memory.
 */
void network_listen(int relay, const struct egress_message *wish);

#endif
