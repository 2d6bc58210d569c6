/* The machine's ports from which connections go out: sandboxes must not take the last of them. */
#ifndef KHACHAPURI_PORTS_H
#define KHACHAPURI_PORTS_H

/* Learns which ports connections go out from here. */
void ports_open(void);

/*
 * Keeps a socket that is about to connect from the first quarter of them. A connection that is over
 * keeps its port, towards the same host, for a minute: thousands of them would keep the provider
 * from hosts that programs may call too. Before Linux 6.3 a socket cannot be kept from any.
 */
void ports_leave_some(int fd);

#endif
