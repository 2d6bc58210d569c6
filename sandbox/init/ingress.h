/*
 * The way in of a server: a socket outside, at which the provider connects, and from there to the
 * program. It is given that socket, or each connection is carried to its port: then it never sees
 * a socket of the machine's network, of which it could ask what is there.
 */
#ifndef KHACHAPURI_INGRESS_H
#define KHACHAPURI_INGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Takes up the socket at INGRESS for a server that listens as `listen` of SETUP says. */
void ingress_open(uint32_t listen);

/* Readable while there is something to serve; -1: nothing ever is. */
int ingress_fd(void);

/* Moves what can be moved, a share of it, and takes new connections. */
void ingress_serve(void);

/* Does what is due. Milliseconds until there is more to do; -1: nothing. */
int ingress_tidy(void);

/* Whether the connections that were made so far are let in is to be told, once more. */
void ingress_await(void);

/* How many times that is to be told now. */
uint32_t ingress_let_in(void);

/*
 * The program is dead: lets nobody in any more and ends what has nothing left to deliver. True
 * once all of it is delivered, or the provider takes too long to take it.
 */
bool ingress_end(void);

/* How many connections are carried to the port now. */
uint32_t ingress_count(void);

/* Gives back what bursts have left. */
void ingress_release(void);

#endif
